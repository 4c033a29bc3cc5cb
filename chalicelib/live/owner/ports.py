"""What an owner of sockets asks of the rest of the backend, and of its process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.data.reads import Touched
from chalicelib.data.store import Item
from chalicelib.live.called import Called
from chalicelib.live.messages import Action, Mutation
from chalicelib.live.session import Answer


class Threads(Protocol):
    """Where work is done beside whoever asks for it."""

    def run(self, work: Callable[[], object]) -> None:
        """Do it soon, in another thread."""

    def later(self, delay_ms: int, work: Callable[[], object]) -> None:
        """Do it after so many milliseconds, in another thread."""


@dataclass(frozen=True)
class Calls:
    """Runs what clients call."""

    mutate: Callable[[Mutation, str | None, str, str], Called]
    """(frame, identity, idempotency key, connection). Raises `StoreFailed` when nobody knows whether it committed."""
    act: Callable[[Action, str | None, str], Answer]
    """(frame, identity, connection)."""
    ask: Callable[[str, dict[str, Any], str | None, int, str], Answer]
    """A query, once: (path, arguments, identity, number, connection)."""
    commit_id: Callable[[str | None, str], str]
    """(identity, idempotency key) → the id of the commits row that would be the proof."""
    commit_of: Callable[[str, Mutation], Sequence[Touched] | None]
    """What the commit under an id wrote, if that is the commit of this call. Raises `StoreFailed`, `Contention`."""
    renew: Callable[[Item], None]
    """Renews what the domain keeps of a connection that is there."""
    refusal: Callable[[str], Any]
    """A sentence about a frame that cannot be read, as the failure of what it names."""


Hear = Callable[[Any, str, int], None]
"""A door that reads the frames of a kind of socket: (line, text, when it came in ms). Raises `BadFrame`."""
