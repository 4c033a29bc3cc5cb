"""The adapter: everything that a worker says to its backend and hears from it, by the backend's own names.

Two clients stand behind it, one for calls and one for subscriptions, so that what is watched never waits for what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from concave_worker.agents.events import Permission, scope
from concave_worker.calls import Calls
from concave_worker.errors import Refused, Revoked
from concave_worker.parts import clipped, fitting
from concave_worker.subscriptions import Subscriptions, Watch
from concave_worker.tokens import Tokens

LARGEST_INPUT = 15 * 1024
"""What a card shows of a call, in bytes of JSON."""
SHORT_S = 5.0
"""How long a goodbye is repeated."""


@dataclass(frozen=True)
class Work:
    """A reply that this worker is to write: `work:assigned` says so."""

    session: str
    message: str
    question: str
    model: str | None
    agent: str | None
    directory: str | None
    engine: str | None
    """The agent's own id of the session, if it has one."""

    @classmethod
    def of(cls, wire: dict[str, Any]) -> Work:
        """From the wire."""
        return cls(
            session=wire["sessionId"],
            message=wire["messageId"],
            question=wire["question"],
            model=wire.get("model"),
            agent=wire.get("agent"),
            directory=wire.get("directory"),
            engine=wire.get("agentSessionId"),
        )


@dataclass(frozen=True)
class Heard:
    """What the chat's subscriptions call, each with the whole value whenever it changes."""

    work: Callable[[list[Work]], None]
    permissions: Callable[[list[dict[str, Any]]], None]
    sessions: Callable[[list[dict[str, Any]]], None]
    connected: Callable[[bool], None]


class Adapter:
    """One worker's way to its backend.

    Args:
        url: the backend's.
        secret: gives the worker's secret as it is stored now.
        heard: what subscriptions call.
    """

    def __init__(self, url: str, secret: Callable[[], str], heard: Heard) -> None:
        self._http = httpx2.AsyncClient(base_url=url)
        self.tokens = Tokens(self._http, secret)
        self.calls = Calls(self._http, self.tokens)
        self.subscriptions = Subscriptions(url, self.tokens, heard.connected)
        self._heard = heard
        self._followed: Watch | None = None
        self._following: asyncio.Event = asyncio.Event()

    async def start_chat_subscriptions(self) -> None:
        """Watch the work, the permissions and the sessions that `follow` names, for ever.

        Raises:
            Revoked, Replaced, Refused: what no second try changes.
        """
        work = self.subscriptions.watch("work:assigned", {})
        permissions = self.subscriptions.watch("permissions:pending", {})
        async with asyncio.TaskGroup() as group:
            group.create_task(self.subscriptions.run())
            group.create_task(_each(work.values(), lambda said: self._heard.work([Work.of(each) for each in said["work"]])))
            group.create_task(_each(permissions.values(), self._heard.permissions))
            group.create_task(self._sessions())

    async def _sessions(self) -> None:
        while True:
            await self._following.wait()
            self._following.clear()
            if self._followed is not None:
                await _each(self._followed.values(), self._heard.sessions)

    def follow(self, sessions: Iterable[str]) -> None:
        """Watch these sessions from now on, 50 at most, and no others."""
        wanted = sorted(sessions)[:50]
        if self._followed is not None and self._followed.args["sessionIds"] == wanted:
            return
        if self._followed is not None:
            self.subscriptions.unwatch(self._followed)
        self._followed = self.subscriptions.watch("work:sessions", {"sessionIds": wanted}) if wanted else None
        self._following.set()

    # Calls, by the names of the backend's functions -------------------------------------------------------------------

    async def claim(self, message: str) -> tuple[int, int]:
        """Take a reply. Returns (epoch, number of the next piece)."""
        said = await self.calls.mutation("work:claim", {"messageId": message, "instance": self.tokens.instance})
        return int(said["epoch"]), int(said["nextSequence"])

    async def renew(self, messages: Iterable[str]) -> list[str]:
        """Go on holding replies. Returns the ones that are lost."""
        asked = {"messageIds": sorted(messages), "instance": self.tokens.instance}
        return list((await self.calls.mutation("work:renew", asked, patience_s=SHORT_S))["lost"])

    async def fail(self, message: str, epoch: int, code: str, text: str) -> None:
        """End a reply as failed; what was accepted of it stays."""
        await self.calls.mutation("work:fail", {"messageId": message, "epoch": epoch, "code": code, "text": text[:2000]})

    async def write(self, work: Work, epoch: int, sequence: int, chunk: str, part: dict[str, Any] | None) -> None:
        """Write one piece of a reply."""
        asked = {"sessionId": work.session, "messageId": work.message, "chunk": chunk, "sequence": sequence}
        await self.calls.mutation("chat:writeChunk", {**asked, "epoch": epoch, "part": part})

    async def complete(self, work: Work, epoch: int, **said: Any) -> None:
        """End a reply with its whole text (`content`), and what else belongs to it."""
        asked = {"sessionId": work.session, "messageId": work.message, "epoch": epoch}
        await self.calls.mutation("chat:completeMessage", {**asked, **said})

    async def ready(self, session: str, engine: str) -> None:
        """The agent's own session stands."""
        await self.calls.mutation("chat:sessionReady", {"sessionId": session, "agentSessionId": engine})

    async def ask(self, work: Work, epoch: int, question: Permission) -> dict[str, Any]:
        """Ask the session's owner. Asking again is the same request."""
        options = [{"optionId": each.id[:100], "kind": each.kind, "name": each.name[:200]} for each in question.options[:10]]
        given = None if question.input is None else fitting(question.input, LARGEST_INPUT)
        asked = {
            "messageId": work.message,
            "epoch": epoch,
            "toolCallId": question.id[:200],
            "tool": question.tool[:200] or "tool",
            "title": clipped(question.title or question.tool or "tool", 500)[:500],
            "input": given,
            "options": options,
            "grant": clipped(scope(question.tool, question.input), 200)[:200],
        }
        return dict(await self.calls.mutation("permissions:ask", asked))

    async def plan(self, sessions: list[dict[str, Any]], agents: Iterable[str]) -> list[dict[str, Any]]:
        """What differs between the sessions that agents' programs list and those of the chat."""
        said = await self.calls.query("sync:plan", {"sessions": sessions, "agents": list(agents)})
        return list(said["actions"])

    async def apply(self, actions: list[dict[str, Any]]) -> int:
        """Say that actions are done on this side, and have the backend do its own. Returns how many changed something."""
        return int((await self.calls.mutation("sync:apply", {"actions": actions}))["applied"])

    async def heartbeat(self, **said: Any) -> None:
        """This process lives."""
        await self.calls.mutation("workers:heartbeat", {"instance": self.tokens.instance, **said}, patience_s=SHORT_S)

    async def go_offline(self) -> None:
        """This process ends."""
        await self.calls.mutation("workers:goOffline", {"instance": self.tokens.instance}, patience_s=SHORT_S)

    async def leave(self) -> None:
        """End this worker's access for good. That it has none any more is as well."""
        with suppress(Revoked):
            await self.calls.mutation("workers:leave", {"instance": self.tokens.instance}, patience_s=SHORT_S)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()


async def _each(values: AsyncIterator[Any], heard: Callable[[Any], None]) -> None:
    async for value in values:
        heard(value)


def only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong in a group of tasks: a refusal before anything else, since the rest may follow from it."""
    flat: list[BaseException] = []
    for each in group.exceptions:
        flat.append(only(each) if isinstance(each, BaseExceptionGroup) else each)
    return next((each for each in flat if isinstance(each, Refused)), flat[0])
