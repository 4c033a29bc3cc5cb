"""Chunks of a reply, and the joiner that turns the model's many small ones into few stored ones.

A model sends a few characters at a time, forty times a second; every stored chunk costs a write and a post per reader. So
the first chunk goes out at once (the reader sees that someone answers), then at most one per `max_ms`, sooner when
`max_chars` have gathered, and at once where the kind changes or the reply ends. Who has read for two seconds reads on
as well when the parts come half as often: from then on it is twice `max_ms`. Where many read, each part is a post for every one
of them, so they get half as many again. Pure: the clock is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chalicelib.llm.surrogates import Halves

Kind = Literal["text", "thinking"]
LIVELY_MS = 2000
"""So long after its first chunk a reply is told most often."""


def nobody() -> bool:
    """There is no crowd."""
    return False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of a reply. Concatenated, the chunks of one kind are the reply's text of that kind."""

    kind: Kind
    text: str


class Joiner:
    """Joins chunks by time and size; never reorders, drops or changes a character, but halves of one are joined.

    Args:
        clock: milliseconds, growing; its zero does not matter.
        max_ms: the shortest time between two chunks of one kind that are not full; twice that after `LIVELY_MS`.
        max_chars: no chunk that comes out is longer; one that is full comes out at once.
        crowd: whether many read; then all times are twice as long.
    """

    def __init__(
        self, clock: Callable[[], float], max_ms: float = 250, max_chars: int = 1024, crowd: Callable[[], bool] = nobody
    ) -> None:
        if max_chars < 1:
            raise ValueError("max_chars must be at least 1")
        self._clock = clock
        self._max_ms = max_ms
        self._max_chars = max_chars
        self._crowd = crowd
        self._kind: Kind | None = None
        self._parts: list[str] = []
        self._size = 0
        self._flushed = 0.0
        self._began: float | None = None
        self._halves = Halves()

    def add(self, chunk: Chunk) -> list[Chunk]:
        """Take one chunk in. Returns what is to be stored now, in order; often nothing."""
        if not chunk.text:
            return []
        out: list[Chunk] = []
        opens = chunk.kind != self._kind
        if opens:
            out = self.end()
            self._kind = chunk.kind
        text = self._halves.take(chunk.text)
        self._parts.append(text)
        self._size += len(text)
        if opens:
            return out + self._all()
        return self._full() + self.due()

    def due(self) -> list[Chunk]:
        """What has waited long enough. Ask whenever the model pauses, or the last words before the pause would wait with it."""
        return self._all() if self._size and self._clock() - self._flushed >= self._wait() else []

    def _wait(self) -> float:
        lively = self._began is None or self._clock() - self._began < LIVELY_MS
        return self._max_ms * (1 if lively else 2) * (2 if self._crowd() else 1)

    def end(self) -> list[Chunk]:
        """Everything that is still held; for the end of the reply, a good one or not."""
        left = self._halves.rest()
        self._parts.append(left)
        self._size += len(left)
        return self._all()

    def _all(self) -> list[Chunk]:
        """What is held, but for half a character."""
        if not self._size or self._kind is None:
            return []
        text = self._take()
        return [Chunk(self._kind, text[at : at + self._max_chars]) for at in range(0, len(text), self._max_chars)]

    def _full(self) -> list[Chunk]:
        """The full chunks among what is held; the rest stays."""
        if self._size < self._max_chars or self._kind is None:
            return []
        text = self._take()
        whole = len(text) - len(text) % self._max_chars
        if whole < len(text):
            self._parts, self._size = [text[whole:]], len(text) - whole
        return [Chunk(self._kind, text[at : at + self._max_chars]) for at in range(0, whole, self._max_chars)]

    def _take(self) -> str:
        text = "".join(self._parts)
        self._parts, self._size, self._flushed = [], 0, self._clock()
        self._began = self._flushed if self._began is None else self._began
        return text
