"""The machine server: one process that takes replies, has agents write them, and ends politely.

It opens no port. What it does is on the backend's word (`work:assigned`); that it lives it says every 30 seconds.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from concave_worker import limits
from concave_worker.adapter import Adapter, Heard, Work, only
from concave_worker.decisions import Decisions
from concave_worker.errors import Refused, Replaced, Revoked, Unreachable, WorkerError
from concave_worker.messages import MessageProcessor
from concave_worker.pauses import pauses
from concave_worker.sessions import ChatSessionManager
from concave_worker.setup import Exit, Setup
from concave_worker.states import WORKER, Change, Machine, WorkerState
from concave_worker.sync import Sync

log = logging.getLogger("concave_worker")
ASK_AGAIN_S = 3.0
"""How often it is asked whether somebody has approved."""
NEVER = ("EnrolmentDenied", "EnrolmentExpired", "EnrolmentNotFound")


class MachineServer:
    """One process of one worker.

    Args:
        setup: see there.
        told: called after each change of state, and of what it does.
    """

    def __init__(self, setup: Setup, told: Callable[[MachineServer], None] = lambda server: None) -> None:
        self._setup, self._told = setup, told
        self.machine: Machine[WorkerState] = Machine(WORKER, WorkerState.UNINITIALIZED, self._changed)
        heard = Heard(self._work, lambda requests: self._decisions.heard(requests), self._followed, self._connected)
        self.adapter = Adapter(setup.url, setup.secret, heard)
        self._decisions = Decisions()
        self.sessions = ChatSessionManager(self.adapter, setup.make, setup.directories)
        directories = [each.resolve() for each in setup.directories]
        self._sync = Sync(self.adapter, self.sessions, setup.histories, directories) if setup.histories else None
        self._ready = asyncio.Event()
        self._listed: dict[str, Work] = {}
        self._running: dict[str, tuple[MessageProcessor, asyncio.Task[None]]] = {}
        self._through: set[str] = set()
        self._stop, self._now = asyncio.Event(), asyncio.Event()
        self._fatal: asyncio.Future[BaseException] | None = None
        self._others: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """Replies that are being written."""
        return len(self._running)

    def stop(self, now: bool = False) -> None:
        """Take no more work, and end when the turns have ended, after 30 s at most; or now."""
        self._stop.set()
        if now:
            self._now.set()

    async def run(self) -> Exit:
        """Work until it is stopped, revoked or replaced."""
        loop = asyncio.get_running_loop()
        self._fatal = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: self.stop(now=self._stop.is_set()))
        loop.add_signal_handler(signal.SIGQUIT, lambda: self.stop(now=True))
        try:
            return await self._lived()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                loop.remove_signal_handler(number)
            await self.sessions.close()
            await self.adapter.close()
            if not self.machine.final:
                self.machine.to(WorkerState.STOPPED)

    async def _lived(self) -> Exit:
        waits = pauses()
        while True:
            try:
                self.machine.to(WorkerState.CONNECTING)
                if not await self._approved():
                    return await self._leave()
                waits = pauses()
                await self._served()
                return await self._leave()
            except Revoked as refused:
                return await self._thrown_out(Exit.REVOKED, f"This worker was revoked: {refused.message}")
            except Replaced:
                return await self._thrown_out(Exit.REPLACED, "A newer process works under this worker's id.")
            except Refused as refused:
                if refused.code in NEVER:
                    return await self._thrown_out(Exit.REVOKED, refused.message)
                self._recover(refused)
            except Unreachable as error:
                self._recover(error)
            if await _within(self._stop.wait(), next(waits)):
                self.machine.to(WorkerState.CONNECTING, "to say goodbye")
                return await self._leave()

    def _recover(self, error: WorkerError) -> None:
        log.warning("%s; trying again", error)
        self.machine.to(WorkerState.ERROR, str(error))

    async def _approved(self) -> bool:
        """Have a token. False: it was stopped first."""
        while not self._stop.is_set():
            try:
                await self.adapter.tokens.bearer(time.monotonic() + limits.STOP_S)
            except Refused as refused:
                if refused.code != "WaitingApproval":
                    raise
                self.machine.to(WorkerState.WAITING_APPROVAL)
                await _within(self._stop.wait(), ASK_AGAIN_S)
            else:
                self.machine.to(WorkerState.CONNECTING)
                return True
        return False

    async def _served(self) -> None:
        """Serve until it is stopped. Raises what ends it otherwise."""
        assert self._fatal is not None
        parts: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(part)
            for part in (
                self._subscribed(),
                self._beats(),
                self._renews(),
                self._idles(),
                self._syncs(),
                self._stop.wait(),
                self._fell(),
            )
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
        for part in done:
            part.result()

    async def _subscribed(self) -> None:
        try:
            await self.adapter.start_chat_subscriptions()
        except BaseExceptionGroup as group:
            raise only(group) from group

    async def _fell(self) -> None:
        assert self._fatal is not None
        raise await asyncio.shield(self._fatal)

    # What subscriptions tell ------------------------------------------------------------------------------------------

    def _work(self, listed: list[Work]) -> None:
        """The replies that are to be written here: begin what is new, break off what is missing."""
        self._listed = {work.message: work for work in listed}
        self._through &= self._listed.keys()
        for message, (processor, _) in self._running.items():
            if message not in self._listed:
                self._aside(processor.give_up())
        self._fill()

    def _fill(self) -> None:
        """Begin as many replies as may run at once; of a session one at a time."""
        busy = {processor.work.session for processor, _ in self._running.values()}
        for message, work in self._listed.items():
            if self._stop.is_set() or len(self._running) >= self._setup.parallel:
                return
            if message in self._running or message in self._through or work.session in busy:
                continue
            busy.add(work.session)
            processor = MessageProcessor(work, self.adapter, self.sessions, self._decisions)
            task = asyncio.create_task(processor.run())
            self._running[message] = (processor, task)
            task.add_done_callback(partial(self._ended, message))
            self._told(self)

    def _ended(self, message: str, task: asyncio.Task[None]) -> None:
        self._running.pop(message, None)
        self._through.add(message)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a reply ended with %r", error, exc_info=None if isinstance(error, WorkerError) else error)
            if isinstance(error, Revoked | Replaced) and self._fatal is not None and not self._fatal.done():
                self._fatal.set_result(error)
        self._fill()
        self._told(self)

    def _followed(self, sessions: list[dict[str, Any]]) -> None:
        """How sessions are whose agents run here: of those that are over the agent ends, too."""
        for each in sessions:
            if each["status"] in ("terminated", "gone"):
                self._aside(self.sessions.end(each["sessionId"]))

    def _connected(self, connected: bool) -> None:
        if self.machine.state is WorkerState.CONNECTING and connected:
            self.machine.to(WorkerState.READY)
            self._ready.set()
        elif self.machine.state is WorkerState.READY and not connected and not self._stop.is_set():
            self.machine.to(WorkerState.CONNECTING, "the connection broke")

    def _changed(self, change: Change[WorkerState]) -> None:
        log.info("%s%s", change.after, f": {change.why}" if change.why else "")
        self._told(self)

    def _aside(self, doing: Any) -> None:
        task = asyncio.ensure_future(doing)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    # What goes on by the clock ------------------------------------------------------------------------------------------

    async def _beats(self) -> None:
        """Say that this process lives."""
        setup = self._setup
        about = {"agents": list(setup.agents), "dirs": [str(each) for each in setup.directories], "capacity": setup.parallel}
        while True:
            await _patient(self.adapter.heartbeat(inFlight=self.in_flight, **about))
            await asyncio.sleep(limits.HEARTBEAT_S * random.uniform(0.8, 1.0))

    async def _renews(self) -> None:
        """Hold the replies whose agents say nothing, and let go of those that are lost."""
        while True:
            await asyncio.sleep(limits.RENEW_S)
            held = {message: processor for message, (processor, _) in self._running.items() if processor.epoch is not None}
            lost = await _patient(self.adapter.renew(held)) if held else None
            for message in lost or []:
                if message in held:
                    await held[message].give_up()

    async def _idles(self) -> None:
        while True:
            await asyncio.sleep(limits.IDLE_S / 20)
            await self.sessions.close_idle()

    async def _syncs(self) -> None:
        await self._ready.wait()
        while self._sync is not None:
            if (done := await _patient(self._sync.round())) is not None:
                log.info("%s sessions brought together with those of agents", done)
            await asyncio.sleep(limits.SYNC_S)
        await self._stop.wait()

    # The end ------------------------------------------------------------------------------------------------------------

    async def _leave(self) -> Exit:
        """Let turns end, break off what does not, and say goodbye."""
        self.machine.to(WorkerState.STOPPING)
        renewing = asyncio.create_task(self._renews())
        tasks = [task for _, task in self._running.values()]
        if tasks:
            ending = asyncio.ensure_future(asyncio.wait(tasks))
            await asyncio.wait(
                {ending, asyncio.ensure_future(self._now.wait())}, timeout=limits.STOP_S, return_when="FIRST_COMPLETED"
            )
            for processor, _ in list(self._running.values()):
                await processor.interrupt()
            await asyncio.wait(tasks, timeout=limits.STOP_S / 3)
        renewing.cancel()
        try:
            await self.adapter.go_offline()
        except (Revoked, Replaced):
            pass  # then there is nothing to say goodbye to
        except WorkerError as error:
            log.warning("the backend was not told that this machine leaves: %s", error)
        self.machine.to(WorkerState.STOPPED)
        return Exit.OK

    async def _thrown_out(self, code: Exit, why: str) -> Exit:
        log.error("%s", why)
        self.machine.to(WorkerState.STOPPING, why)
        tasks = [task for _, task in self._running.values()]
        for processor, _ in list(self._running.values()):
            await processor.give_up()
        if tasks:
            await asyncio.wait(tasks, timeout=limits.STOP_S / 3)
        self.machine.to(WorkerState.STOPPED)
        return code


async def _within(waiting: Awaitable[Any], seconds: float) -> bool:
    """Wait, but not longer. Whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        return False
    return True


async def _patient(calling: Awaitable[Any]) -> Any:
    """A call that is made again soon anyway: that nobody answers is no error."""
    try:
        return await calling
    except Unreachable as error:
        log.warning("%s", error)
        return None
