"""The chat session manager: which agent answers which session, started when it is needed and closed when it is not."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from concave_worker import limits
from concave_worker.adapter import Adapter, Work
from concave_worker.agents.agent import Agent, AgentError, Opened
from concave_worker.states import ENGINE, EngineState, Machine

Make = Callable[[str | None, str], Agent]
"""(the kind of agent that a session wants, its directory) → an agent. Raises `AgentError`."""


class Barred(Exception):
    """A session cannot be answered here. `code` is the code under which its reply fails."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass
class Engine:
    """The agent of one session."""

    session: str
    machine: Machine[EngineState] = field(default_factory=lambda: Machine(ENGINE, EngineState.NONE))
    agent: Agent | None = None
    id: str | None = None
    used: float = field(default_factory=time.monotonic)
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=limits.DEATHS))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One turn at a time: agents answer two at once in one breath."""

    @property
    def worn_out(self) -> bool:
        """It has died too often lately."""
        return len(self.deaths) == limits.DEATHS and time.monotonic() - self.deaths[0] < limits.DEATHS_WITHIN_S


class ChatSessionManager:
    """The agents of one worker.

    Args:
        adapter: the way to the backend.
        make: makes an agent.
        directories: where agents may work; the first is where they work if a session names none.
    """

    def __init__(self, adapter: Adapter, make: Make, directories: Sequence[Path]) -> None:
        self._adapter, self._make = adapter, make
        self._directories = [directory.resolve() for directory in directories]
        self._engines: dict[str, Engine] = {}
        self._starting = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def quiet(self) -> None:
        """Wait until no agent is opening a session."""
        await self._quiet.wait()

    def opened(self, id: str) -> bool:
        """Whether the agent's session with this id of its own is one of these."""
        return any(engine.id == id for engine in self._engines.values())

    def engine(self, session: str) -> Engine:
        """The engine of a session, whatever its state."""
        if session not in self._engines:
            self._engines[session] = Engine(session)
            self._adapter.follow(self._engines)
        return self._engines[session]

    @property
    def engines(self) -> list[Engine]:
        """All of them."""
        return list(self._engines.values())

    def directory(self, asked: str | None) -> str:
        """Where a session's agent works. Links are followed before it is compared.

        Raises:
            Barred: it is not inside an allowed directory, or is none.
        """
        wanted = Path(asked).expanduser().resolve() if asked else self._directories[0]
        if not any(wanted.is_relative_to(allowed) for allowed in self._directories):
            raise Barred(
                "refused", f"This machine does not open {asked}: it is outside the directories that it was started with."
            )
        if not wanted.is_dir():
            raise Barred("refused", f"There is no directory {wanted} on this machine.")
        return str(wanted)

    async def ready(self, work: Work) -> tuple[Engine, bool]:
        """The session's engine, ready for a turn, and whether it forgot the turns before.

        Raises:
            Barred: it cannot be.
        """
        engine = self.engine(work.session)
        if engine.worn_out:
            minutes = int(limits.DEATHS_WITHIN_S / 60)
            text = f"The agent ended unexpectedly {limits.DEATHS} times within {minutes} minutes; try again in a few."
            raise Barred("agent_crashed", text)
        if engine.machine.state is EngineState.ERROR:
            engine.machine.to(EngineState.NONE, "tried again")
        if engine.agent is not None and engine.agent.alive and engine.machine.state is EngineState.READY:
            return engine, False
        await self._shut(engine)
        self._starting += 1
        self._quiet.clear()
        try:
            return engine, await self._start(engine, work)
        finally:
            self._starting -= 1
            if not self._starting:
                self._quiet.set()

    async def _start(self, engine: Engine, work: Work) -> bool:
        directory = self.directory(work.directory)
        wanted = engine.id or work.engine
        engine.machine.to(EngineState.STARTING)
        try:
            try:
                opened = await self._opened(engine, work, directory, wanted)
            except AgentError as error:
                if error.code == "agent_not_found":
                    raise
                await asyncio.sleep(limits.START_AGAIN_S)
                opened = await self._opened(engine, work, directory, wanted)
        except AgentError as error:
            self.died(engine)
            raise Barred(error.code, error.text) from error
        lost = wanted is not None and not opened.resumed
        if lost:
            engine.machine.to(EngineState.LOST, "the agent does not know its session any more")
        engine.id = opened.id
        engine.machine.to(EngineState.READY)
        if opened.id != work.engine:
            await self._adapter.ready(work.session, opened.id)
        return lost

    async def _opened(self, engine: Engine, work: Work, directory: str, wanted: str | None) -> Opened:
        """Start the agent. It is tried twice: of several that are started at once one may find the agent's own files locked."""
        engine.agent = self._make(work.agent, directory)
        return await engine.agent.open(directory, work.model if work.agent else None, wanted)

    def died(self, engine: Engine) -> None:
        """Its process ended by itself, or could not be started."""
        engine.deaths.append(time.monotonic())
        engine.machine.to(EngineState.ERROR if engine.worn_out else EngineState.NONE, "its process ended")

    async def end(self, session: str) -> None:
        """A session is over: its agent ends with it."""
        engine = self._engines.pop(session, None)
        if engine is None:
            return
        self._adapter.follow(self._engines)
        await self._shut(engine)
        engine.machine.to(EngineState.CLOSED)

    async def close_idle(self) -> None:
        """Close the agents that have had no turn for long; their sessions go on with the next message."""
        now = time.monotonic()
        for engine in self.engines:
            if engine.machine.state is EngineState.READY and not engine.lock.locked() and now - engine.used >= limits.IDLE_S:
                async with engine.lock:
                    await self._shut(engine)

    async def close(self) -> None:
        """End every agent."""
        await asyncio.gather(*(self.end(engine.session) for engine in self.engines))

    async def _shut(self, engine: Engine) -> None:
        agent, engine.agent = engine.agent, None
        if engine.machine.state in (EngineState.READY, EngineState.BUSY, EngineState.STARTING):
            engine.machine.to(EngineState.NONE, "closed")
        if agent is not None:
            await agent.close()
