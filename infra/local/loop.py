"""The server's event loop in a thread of its own, so that `make dev` and the tests start and stop it the same way."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed, which wakes, reads and writes for less of the processor; else asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


class Loop:
    """An asyncio loop that runs from `start` to `stop`."""

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))  # uvloop's threads would have no name
        self._thread = threading.Thread(target=self._loop.run_forever, name="server", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 10.0) -> T:
        """Run a coroutine on the loop and wait for it, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def do(self, call: Callable[[], T], timeout_s: float = 10.0) -> T:
        """Run a plain function on the loop's thread and wait for it, from another thread."""
        done: Future[T] = Future()

        def work() -> None:
            try:
                done.set_result(call())
            except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
                done.set_exception(error)

        self._loop.call_soon_threadsafe(work)
        return done.result(timeout_s)

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()
