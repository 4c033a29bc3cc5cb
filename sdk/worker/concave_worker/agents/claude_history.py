"""The sessions that Claude keeps: files, which its SDK reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from concave_worker.agents.agent import AgentError
from concave_worker.agents.history import MOST_LISTED, MOST_SAID, Past, Said, newest, words

T = TypeVar("T")


class ClaudeHistory:
    """Claude's sessions on this machine.

    Args:
        agents: the kinds that answer with Claude.
    """

    def __init__(self, agents: tuple[str, ...]) -> None:
        self.agents = agents

    async def open(self) -> None:
        """Nothing is needed."""

    async def listed(self) -> list[Past]:
        """The newest ones."""
        import claude_agent_sdk as sdk

        return [_past(each) for each in await _read(lambda: sdk.list_sessions(limit=MOST_LISTED))]

    async def found(self, session: str) -> Past | None:
        """One by its id."""
        import claude_agent_sdk as sdk

        known = await _read(lambda: sdk.get_session_info(session))
        return None if known is None else _past(known)

    async def said(self, session: str) -> list[Said]:
        """What was said, tools left out."""
        import claude_agent_sdk as sdk

        messages = await _read(lambda: sdk.get_session_messages(session))
        return newest([Said(each.type, words(each.message.get("content"))) for each in messages[-4 * MOST_SAID :]])

    async def rename(self, session: str, title: str) -> None:
        """Give it a title."""
        import claude_agent_sdk as sdk

        await _read(lambda: sdk.rename_session(session, title))

    async def put_away(self, session: str) -> None:
        """Claude has no place for what is put away: it stays where it is."""

    async def close(self) -> None:
        """Nothing was started."""


def _past(info: Any) -> Past:
    return Past(
        str(info.session_id), str(info.custom_title or info.summary or ""), str(info.cwd or ""), float(info.last_modified)
    )


async def _read(reading: Callable[[], T]) -> T:
    """Files, in a thread. Raises `AgentError`."""
    try:
        return await asyncio.to_thread(reading)
    except (OSError, ValueError) as error:
        raise AgentError("agent_error", f"claude's sessions: {error}") from error
