"""The sessions that opencode keeps, whether by `opencode serve` or `opencode acp`: asked of a server of their own."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from concave_worker.agents.agent import AgentError
from concave_worker.agents.history import MOST_LISTED, MOST_SAID, Past, Said, newest, words
from concave_worker.agents.opencode import OpencodeServer

UNNAMED = re.compile(r"(New|Child) session - \d{4}-\d\d-\d\dT.*")
"""The title of a session that has none yet."""


class OpencodeHistory:
    """opencode's sessions on this machine.

    Args:
        agents: the kinds that answer with opencode.
        command: how `opencode serve` is started.
        environment: all that it gets.
        directory: where it is started.
        log: where its error output goes.
    """

    def __init__(
        self, agents: tuple[str, ...], command: Sequence[str], environment: Mapping[str, str], directory: str, log: Path | None
    ) -> None:
        self.agents = agents
        self._server, self._directory = OpencodeServer(command, environment, log), directory

    async def open(self) -> None:
        """Start a server."""
        await self._server.start(self._directory)

    async def listed(self) -> list[Past]:
        """The newest ones of all projects, and none that an agent has opened for a part of its own work."""
        told = await self._ask("GET", "/experimental/session", params={"roots": "true", "limit": MOST_LISTED})
        return [_past(each) for each in told.json() if not each.get("parentID")]

    async def found(self, session: str) -> Past | None:
        """One by its id."""
        told = await self._ask("GET", f"/session/{session}", missing=True)
        return None if told.status_code == 404 else _past(told.json())

    async def said(self, session: str) -> list[Said]:
        """What was said, tools left out."""
        told = await self._ask("GET", f"/session/{session}/message", params={"limit": 4 * MOST_SAID})
        return newest([Said(each["info"]["role"], words(each["parts"])) for each in told.json()])

    async def rename(self, session: str, title: str) -> None:
        """Give it a title."""
        await self._ask("PATCH", f"/session/{session}", json={"title": title})

    async def put_away(self, session: str) -> None:
        """Archive it."""
        await self._ask("PATCH", f"/session/{session}", json={"time": {"archived": int(time.time() * 1000)}}, missing=True)

    async def close(self) -> None:
        """End the server."""
        await self._server.close()

    async def _ask(self, method: str, path: str, missing: bool = False, **what: Any) -> httpx2.Response:
        try:
            answer = await self._server.http.request(method, path, **what)
        except httpx2.HTTPError as error:
            raise AgentError("agent_error", f"opencode: {error}") from error
        if not answer.is_success and not (missing and answer.status_code == 404):
            raise AgentError("agent_error", f"opencode answered {answer.status_code} to {method} {path}")
        return answer


def _past(told: dict[str, Any]) -> Past:
    title = str(told.get("title") or "")
    return Past(
        str(told["id"]), "" if UNNAMED.fullmatch(title) else title, str(told["directory"]), float(told["time"]["updated"])
    )
