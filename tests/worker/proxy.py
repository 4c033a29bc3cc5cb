"""A road to the backend that can be cut, and on which one call can be held: a TCP proxy."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["asked", "answered"]


@dataclass
class Held:
    """A call that does not arrive, or whose answer does not, until it is let go.

    `words` are in its body; so many of its kind are let through first.
    """

    words: bytes
    side: Side
    skipped: int
    here: threading.Event = field(default_factory=threading.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)


class Road:
    """A proxy on an address of its own, in a thread with an event loop of its own.

    Args:
        port: where it leads.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._held: Held | None = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.bytes = 0
        """What went to the backend."""
        self.address = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def url(self) -> str:
        """The backend's address by this road."""
        return f"http://127.0.0.2:{self.address}"

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._open = False
        self._loop.call_soon_threadsafe(self._break)

    def mend(self) -> None:
        """Let connections through again."""
        self._open = True

    def hold(self, call: str, side: Side, after: int = 0) -> Held:
        """Hold the next call of this function where it is: before the backend has it, or before its answer is here."""
        self._held = Held(f'"{call}"'.encode(), side, after)
        return self._held

    def let_go(self, held: Held, lost: bool = False) -> None:
        """Let a call go on, or lose it with every connection there is."""
        self._held = None
        if lost:
            self._loop.call_soon_threadsafe(self._break)
        self._loop.call_soon_threadsafe(held.free.set)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._through, "127.0.0.2", 0))
        self.address = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._break()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        called = asyncio.Event()
        try:
            with suppress(OSError):
                await asyncio.gather(self._out(reader, back, called), self._back(there, writer, called))
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _out(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, called: asyncio.Event) -> None:
        while data := await reader.read(65536):
            self.bytes += len(data)
            held = self._held
            if held is not None and held.words in data and not held.here.is_set():
                held.skipped -= 1
                if held.skipped < 0 and held.side == "asked":
                    held.here.set()
                    await held.free.wait()
                elif held.skipped < 0:
                    called.set()
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, called: asyncio.Event) -> None:
        while data := await reader.read(65536):
            if called.is_set() and (held := self._held) is not None:
                called.clear()
                held.here.set()
                await held.free.wait()
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()
