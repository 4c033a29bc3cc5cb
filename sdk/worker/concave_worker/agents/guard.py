"""A turn that cannot go on for ever: whatever the agent does, it ends.

Seen with real agents: a denied call is asked again hundreds of times; a model that is overloaded is waited for without a
word; an answer that breaks off is begun again without a pause.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from concave_worker.agents.agent import Agent, Decision, Opened
from concave_worker.agents.events import Event, Failed, Finished, Permission, Text, Thought, Tool


@dataclass(frozen=True)
class Limits:
    """What a turn may take. Times in seconds."""

    denials: int = 3
    """How often the same call is asked for and denied."""
    silence_s: float = 300.0
    """Without a word, while neither a tool runs nor a person is asked."""
    turn_s: float = 3600.0
    """The whole turn, but for the time in which a person is asked."""
    characters: int = 300_000
    """Words of the answer and of its thoughts."""
    tools: int = 500
    """Tool calls."""
    goodbye_s: float = 10.0
    """How long an agent may take to end a turn that is cancelled."""


class Guarded:
    """An agent whose turns keep limits.

    Args:
        agent: any driver.
        limits: see there.
    """

    def __init__(self, agent: Agent, limits: Limits | None = None) -> None:
        self._agent, self._limits = agent, limits or Limits()
        self._asked: dict[str, str] = {}
        self._denied: Counter[str] = Counter()
        self._running: set[str] = set()
        self._tools: set[str] = set()
        self._characters = 0
        self._verdict: Failed | None = None

    @property
    def alive(self) -> bool:
        """Whether it could take a turn now."""
        return self._agent.alive

    async def open(self, directory: str, model: str | None, resume: str | None) -> Opened:
        """As the agent does."""
        return await self._agent.open(directory, model, resume)

    async def close(self) -> None:
        """As the agent does."""
        await self._agent.close()

    async def cancel(self) -> None:
        """As the agent does."""
        await self._agent.cancel()

    async def answer(self, permission: str, decision: Decision) -> None:
        """Answer, and end the turn where the same call was denied so often."""
        asked = self._asked.pop(permission, "")
        await self._agent.answer(permission, decision)
        if decision == "deny":
            self._denied[asked] += 1
            if self._denied[asked] >= self._limits.denials:
                times = self._limits.denials
                await self._end(Failed("permission_denied", f"The agent asked {times} times for a call that was denied."))

    async def prompt(self, text: str) -> AsyncGenerator[Event, None]:
        """A turn within its limits."""
        self._asked.clear()
        self._denied.clear()
        self._running.clear()
        self._tools.clear()
        self._characters, self._verdict = 0, None
        left, events = self._limits.turn_s, self._agent.prompt(text)
        coming = asyncio.ensure_future(anext(events))
        try:
            while True:
                begun, waits = time.monotonic(), bool(self._asked)
                patience = None if waits else left if self._running else min(left, self._limits.silence_s)
                done, _ = await asyncio.wait({coming}, timeout=patience)
                left -= 0 if waits else time.monotonic() - begun
                if not done and not self._asked:
                    await self._end(_late(left))
                    await asyncio.wait({coming}, timeout=self._limits.goodbye_s)
                if not coming.done():
                    if self._asked:
                        continue
                    yield self._verdict or _late(left)
                    return
                event = self._seen(coming.result())
                yield event
                if isinstance(event, Finished | Failed):
                    return
                await self._check()
                coming = asyncio.ensure_future(anext(events))
        finally:
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming
            await events.aclose()

    def _seen(self, event: Event) -> Event:
        match event:
            case Text() | Thought():
                self._characters += len(event.text)
            case Tool():
                self._tools.add(event.id)
                (self._running.discard if event.status in ("completed", "failed") else self._running.add)(event.id)
            case Permission():
                self._asked[event.id] = f"{event.tool} {_canonical(event.input)}"
            case Finished() | Failed() if self._verdict is not None:
                return self._verdict
        return event

    async def _check(self) -> None:
        if self._characters > self._limits.characters:
            await self._end(Failed("too_large", f"The answer is longer than {self._limits.characters} characters."))
        elif len(self._tools) > self._limits.tools:
            await self._end(Failed("too_large", f"The turn made more than {self._limits.tools} tool calls."))

    async def _end(self, verdict: Failed) -> None:
        if self._verdict is None:
            self._verdict = verdict
            await self._agent.cancel()


def _late(left: float) -> Failed:
    if left <= 0:
        return Failed("deadline", "The turn took too long.")
    return Failed("timeout", "The agent said nothing for too long.")


def _canonical(given: Any) -> str:
    return json.dumps(given, sort_keys=True, default=str)
