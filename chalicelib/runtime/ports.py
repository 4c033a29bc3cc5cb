"""What the backend needs from the world around it, and gets from `wiring.py`."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from chalicelib.data.errors import ConcaveError

Posted = Literal["ok", "gone", "unknown", "too_large"]
"""`unknown`: it may have arrived or not; only closing the connection is safe then."""


class Clock(Protocol):
    """Time: wall clock and waiting."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class HandOverFailed(ConcaveError):
    """Another invocation could not be started; what it was for is found by a stream or a sweep."""


class Invoker(Protocol):
    """Starts another invocation of this backend. It may be lost; everything it starts is also found by a stream or a sweep.

    Both methods raise `HandOverFailed` where the platform refuses.
    """

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        """Start `function` (an entry point of app.py) now, without waiting for it."""

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        """Start it after a delay of at most 15 minutes."""


class Gateway(Protocol):
    """Talks to connected clients."""

    def post(self, connection: str, text: str) -> Posted:
        """Send one message. Only "ok" means that the client's gateway has it."""

    def is_open(self, connection: str) -> bool:
        """Whether its handshake is over and it can be posted to."""

    def close(self, connection: str) -> bool:
        """End a connection. True: it is certain that nothing posted before or after can arrive any more."""
