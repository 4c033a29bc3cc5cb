"""Session sync: what agents' programs keep and what the chat has, brought together. A second round finds nothing to do.

The backend compares (`sync:plan`); this does its part in the programs, and says when that is done (`sync:apply`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concave_worker import limits
from concave_worker.adapter import Adapter
from concave_worker.agents.agent import AgentError
from concave_worker.agents.history import History, Past, Said
from concave_worker.sessions import ChatSessionManager

log = logging.getLogger("concave_worker")
LARGEST_IMPORT = 100_000
"""Characters of all that is handed on of one session: the newest that fit."""
ROUNDS = 3


@dataclass
class Sync:
    """One worker's sync.

    Args:
        adapter: the way to the backend.
        sessions: the agents that are at work.
        histories: makes the programs to look at, anew for each round.
        directories: sessions that were begun elsewhere are taken in where they work inside one of these.
    """

    adapter: Adapter
    sessions: ChatSessionManager
    histories: Callable[[], Sequence[History]]
    directories: Sequence[Path]

    async def round(self) -> int:
        """Bring together what differs. Returns how many actions there were.

        Raises:
            WorkerError: the backend refused, or did not answer. A program that cannot be asked is left out.
        """
        done = 0
        for history in self.histories():
            try:
                await self._opened(history)
                done += await self._program(history)
            except AgentError as error:
                log.warning("sessions of %s are not brought together: %s", ", ".join(history.agents), error.text)
            finally:
                await history.close()
        return done

    async def _opened(self, history: History) -> None:
        """Twice, as agents are: while one starts, another may find its files locked."""
        try:
            await history.open()
        except AgentError:
            await history.close()
            await asyncio.sleep(limits.START_AGAIN_S)
            await history.open()

    async def _program(self, history: History) -> int:
        listed = {each.id: each for each in await history.listed() if self._inside(each.directory)}
        await self.sessions.quiet()  # a session that is being opened now is named to the backend before it is compared
        done = 0
        for _ in range(ROUNDS):
            actions = await self.adapter.plan([_wire(history, each) for each in listed.values()], history.agents)
            again = False
            for action in actions:
                known = None if action["kind"] != "deletedInEngine" else await history.found(action["agentSessionId"])
                if known is not None:  # too old for the list, or somewhere else
                    listed[known.id], again = known, True
            if not again:
                for action in actions:
                    done += await self._do(history, action)
                break
        return done

    def _inside(self, directory: str) -> bool:
        return any(Path(directory).is_relative_to(allowed) for allowed in self.directories)

    async def _do(self, history: History, action: dict[str, Any]) -> int:
        session = action["agentSessionId"]
        match action["kind"]:
            case "renameInEngine":
                await history.rename(session, action["name"])
            case "deleteInEngine":
                await history.put_away(session)
            case "import":
                if self.sessions.opened(session):
                    return 0
                action = {**action, "messages": _messages(await history.said(session))}
        await self.adapter.apply([action])
        return 1


def _wire(history: History, past: Past) -> dict[str, Any]:
    about = {"title": past.title[:1000], "updatedAt": past.updated, "agent": history.agents[0]}
    return {"agentSessionId": past.id, "directory": past.directory[:1000], **about}


def _messages(said: list[Said]) -> list[dict[str, str]]:
    """The newest messages that fit into one call."""
    kept: list[dict[str, str]] = []
    room = LARGEST_IMPORT
    for each in reversed(said):
        room -= len(each.content)
        if room < 0:
            break
        kept.insert(0, {"role": each.role, "content": each.content})
    return kept
