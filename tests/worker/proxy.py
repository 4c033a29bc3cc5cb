"""A road to the backend that can be cut: a TCP proxy."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress


class Road:
    """A proxy on an address of its own, in a thread with an event loop of its own.

    Args:
        port: where it leads.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = True
        self._writers: set[asyncio.StreamWriter] = set()
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
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            both = {writer, back}
            self._writers |= both
            try:
                await asyncio.gather(self._pass(reader, back, True), self._pass(there, writer, False))
            finally:
                self._writers -= both
                for each in both:
                    each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: bool) -> None:
        while data := await reader.read(65536):
            self.bytes += len(data) if out else 0
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()
