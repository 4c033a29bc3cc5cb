"""A chat socket as its door sees it: who is there, and where calls go. Its rows, or its owner, are behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chalicelib.live.messages import BadFrame, Failure, Frame

Noted = tuple[Frame, str]
"""A frame of the sync protocol, and what comes back with its answer."""


class Line(Protocol):
    """One chat socket. `at` is when a client's frame came (ms); `counted`, which one it is of those that its client counts."""

    @property
    def id(self) -> str:
        """The connection's id."""

    @property
    def kind(self) -> str:
        """Which words it speaks."""

    @property
    def settled(self) -> bool:
        """Whether it is known who is there."""

    @property
    def begun(self) -> Mapping[str, Any]:
        """What the handshake left: `token`, or the `sid` of a session that was opened by polls."""

    def begin(self, frames: Sequence[Noted]) -> None:
        """What a signed-in socket begins with."""

    def call(self, function: str, args: dict[str, Any], note: str, at: int, counted: int | None = None) -> None:
        """Call a mutation in the caller's name. Raises `BadFrame` for arguments that are no JSON."""

    def ask(self, function: str, args: dict[str, Any], note: str, at: int, counted: int | None = None) -> None:
        """Ask a query once. Raises: as `call`."""

    def refuse(self, failure: Failure, note: str, at: int, counted: int | None = None) -> None:
        """Answer what calls nothing."""

    def fault(self, body: str, error: BadFrame) -> None:
        """Answer a frame that cannot be read."""

    def say(self, text: str) -> bool:
        """Send a message that tells nothing of what has happened. False: it may not have arrived."""

    def forget_token(self) -> None:
        """The handshake's token was good for signing in; it is kept no longer."""

    def again(self) -> Line:
        """The same socket, as it is now."""

    def close(self) -> None:
        """End it."""
