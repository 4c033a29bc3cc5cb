"""One socket of the sync protocol, from outside: what is said to it, and the frames that come."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

Value = Any


class NoSocket(Exception):
    """The socket could not be opened, or what was waited for did not come; the message says which."""


class Socket:
    """A connection with its queries.

    Args:
        address: where the sync protocol is spoken (ws or wss).
        token: who asks; None: nobody.
        seconds: how long one wait may take.

    Raises:
        NoSocket: it could not be opened.
    """

    def __init__(self, address: str, token: str | None, seconds: float) -> None:
        self.session = str(uuid.uuid4())
        self._seconds, self._queries = seconds, 0
        self._values: dict[int, tuple[bool, Value]] = {}
        self._open = ExitStack()
        try:
            opening = connect(address, open_timeout=seconds, max_size=2**20, ping_interval=None, compression=None)
            self._socket = self._open.enter_context(opening)
        except (OSError, WebSocketException, TimeoutError) as error:
            raise NoSocket(f"{address} does not open: {error}") from error
        self._say(type="Connect", sessionId=self.session, connectionCount=0, lastCloseReason="InitialConnect")
        if token is not None:
            self._say(type="Authenticate", baseVersion=0, tokenType="User", value=token)

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(ConnectionClosed, OSError):
            self._open.close()

    def follow(self, path: str, args: dict[str, Any]) -> int:
        """Subscribe to a query; its number."""
        number = self._queries
        add = {"type": "Add", "queryId": number, "udfPath": path, "args": [args]}
        self._say(type="ModifyQuerySet", baseVersion=number, newVersion=number + 1, modifications=[add])
        self._queries += 1
        return number

    def value(self, number: int, fits: Callable[[Value], bool] = lambda value: True) -> tuple[bool, Value]:
        """The first answer to a query that fits: (True, its value), or (False, why it failed)."""
        self._until(lambda: number in self._values and (not self._values[number][0] or fits(self._values[number][1])))
        return self._values[number]

    def hears(self, size: int) -> bool:
        """Whether a frame of so many bytes comes."""
        end = time.monotonic() + self._seconds
        with suppress(NoSocket):
            while len(self._hear(end).encode()) != size:
                pass
            return True
        return False

    def _until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + self._seconds
        while not holds():
            frame = json.loads(self._hear(end))
            if frame["type"] in ("FatalError", "AuthError"):
                raise NoSocket(f"{frame['type']}: {frame.get('error')}")
            for change in frame.get("modifications", ()):
                failed = change["type"] == "QueryFailed"
                self._values[change["queryId"]] = (not failed, change.get("errorMessage" if failed else "value"))

    def _hear(self, end: float) -> str:
        try:
            return str(self._socket.recv(timeout=max(0.0, end - time.monotonic())))
        except TimeoutError:
            raise NoSocket(f"nothing came for {self._seconds:.0f} s") from None
        except ConnectionClosed as error:
            raise NoSocket(f"it was closed: {error}") from error

    def _say(self, **frame: Any) -> None:
        try:
            self._socket.send(json.dumps(frame))
        except ConnectionClosed as error:
            raise NoSocket(f"it was closed: {error}") from error
