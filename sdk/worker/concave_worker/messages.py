"""The message processor: one reply, from the claim to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from concave_worker import limits
from concave_worker.adapter import Adapter, Work
from concave_worker.agents.agent import Agent, Decision
from concave_worker.agents.events import Event, Failed, Finished, Permission, Plan, Text, Thought, Tool, Usage
from concave_worker.decisions import Decisions
from concave_worker.errors import Refused, Replaced, Revoked, Unreachable
from concave_worker.parts import Parts
from concave_worker.pieces import Pieces
from concave_worker.sessions import Barred, ChatSessionManager, Engine
from concave_worker.states import EngineState

FORGOT = "_The agent does not remember the earlier messages of this session; it begins anew._\n\n"
OVER = ("ReplyEnded", "LeaseLost", "NotYours", "MessageNotFound", "WorkerNotShared")
"""Refusals after which a reply is nobody's to write here."""


class MessageProcessor:
    """One reply being written.

    Args:
        work: the reply.
        adapter, sessions, decisions: the worker's.
    """

    def __init__(self, work: Work, adapter: Adapter, sessions: ChatSessionManager, decisions: Decisions) -> None:
        self.work = work
        self.epoch: int | None = None
        self.engine: Engine | None = None
        self._adapter, self._sessions, self._decisions = adapter, sessions, decisions
        self._parts, self._text, self._thoughts = Parts(), [], []  # type: Parts, list[str], list[str]
        self._usage: dict[str, int] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._given_up = self._stopping = False
        self._pieces: Pieces | None = None

    async def run(self) -> None:
        """Write it. Returns when it has ended, here or elsewhere.

        Raises:
            Revoked, Replaced: this process may not go on.
        """
        try:
            self.epoch, first = await self._adapter.claim(self.work.message)
            await self._claimed(self.epoch, first)
        except (Revoked, Replaced):
            raise
        except Refused as refused:
            if refused.code not in OVER:
                await self._failed("agent_error", f"The backend refused this reply: {refused.message}")
        except Unreachable:
            pass  # its lease ends the reply; what was accepted stays
        finally:
            self._tidy()

    async def give_up(self) -> None:
        """The reply is over elsewhere: it was stopped, its session ended, or another writer has it."""
        self._given_up = True
        if self.engine is not None and self.engine.agent is not None:
            await self.engine.agent.cancel()

    async def interrupt(self) -> None:
        """This process ends: break the turn off and say so."""
        self._stopping = True
        if self.engine is not None and self.engine.agent is not None:
            await self.engine.agent.cancel()

    async def _claimed(self, epoch: int, first: int) -> None:
        engine = self._sessions.engine(self.work.session)
        async with engine.lock:
            try:
                self.engine, forgot = await self._sessions.ready(self.work)
            except Barred as barred:
                await self._failed(barred.code, barred.text)
                return
            assert engine.agent is not None
            if self._given_up or self._stopping:
                return
            self._pieces = Pieces(lambda number, chunk, part: self._adapter.write(self.work, epoch, number, chunk, part), first)
            if forgot:
                self._say(FORGOT)
            engine.machine.to(EngineState.BUSY)
            end = await self._turn(engine.agent)
            engine.deaths.clear() if isinstance(end, Finished) else None
            if isinstance(end, Failed) and end.code == "agent_crashed":
                self._sessions.died(engine)
            elif engine.machine.state is EngineState.BUSY:
                engine.machine.to(EngineState.READY)
        await self._ended(end)

    async def _turn(self, agent: Agent) -> Finished | Failed:
        """The agent's turn. It is cancelled when what it says is not wanted any more."""
        assert self._pieces is not None
        self._pieces.done.add_done_callback(self._refused)
        end: Finished | Failed = Failed("agent_error", "The agent said no end.")
        async for event in agent.prompt(self.work.question):
            self._hear(event, agent)
            if isinstance(event, Finished | Failed):
                end = event
        return end

    def _hear(self, event: Event, agent: Agent) -> None:
        assert self._pieces is not None
        match event:
            case Text():
                self._say(event.text)
            case Thought():
                self._thoughts.append(event.text)
                self._pieces.think(event.text)
            case Tool():
                for part in self._parts.tool(event):
                    self._pieces.put(part)
            case Plan():
                self._pieces.put(self._parts.plans(event))
            case Usage():
                self._usage = event.tokens
            case Permission():
                self._later(self._ask(event, agent))

    def _say(self, text: str) -> None:
        assert self._pieces is not None
        self._text.append(text)
        self._pieces.say(text)

    def _later(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, question: Permission, agent: Agent) -> None:
        """Ask the session's owner and tell the agent."""
        assert self.epoch is not None
        decision: Decision = "cancelled"
        try:
            decision, note = await self._decisions.decided(await self._adapter.ask(self.work, self.epoch, question))
            if note:
                self._say(note)
        except Refused as refused:
            if refused.code not in OVER:
                decision = "deny"
                self._say(f"\n\n_The question could not be asked and counts as denied: {refused.message}_\n\n")
        except Unreachable:
            await agent.cancel()
        await agent.answer(question.id, decision)

    def _refused(self, writing: asyncio.Task[None]) -> None:
        """The writing ended: if by a refusal, the turn is of no use any more."""
        if not writing.cancelled() and writing.exception() is not None:
            self._later(self.give_up())

    async def _ended(self, end: Finished | Failed) -> None:
        assert self._pieces is not None
        if self._given_up:
            self._pieces.drop()
            if self._pieces.done.done() and not self._pieces.done.cancelled():
                self._pieces.done.result()
            return
        for part in self._parts.unfinished():
            self._pieces.put(part)
        await self._pieces.close()
        if self._stopping and end == Finished("cancelled"):
            await self._failed("worker_stopped", "The worker was stopped while it answered.")
        elif isinstance(end, Failed):
            await self._failed(end.code, end.text)
        else:
            await self._complete("cancelled" if end.reason == "cancelled" else end.reason)

    async def _complete(self, reason: str) -> None:
        assert self.epoch is not None
        text = "".join(self._text)
        said: dict[str, Any] = {"content": text[: limits.LARGEST_ANSWER]}
        if self._thoughts:
            said["reasoning"] = "".join(self._thoughts)[: limits.LARGEST_ANSWER]
        if parts := self._parts.all():
            said["parts"] = parts
        if self._usage:
            said["usage"] = self._usage
        if reason != "end_turn":
            said["reason"] = reason
        await self._adapter.complete(self.work, self.epoch, **said)

    async def _failed(self, code: str, text: str) -> None:
        if self.epoch is None:
            return
        with suppress(Unreachable):
            try:
                await self._adapter.fail(self.work.message, self.epoch, code, text)
            except (Revoked, Replaced):
                raise
            except Refused as refused:
                if refused.code not in OVER:
                    raise

    def _tidy(self) -> None:
        if self._pieces is not None:
            self._pieces.drop()
        for task in self._asking:
            task.cancel()
        if self.engine is not None:
            self.engine.used = asyncio.get_running_loop().time()
