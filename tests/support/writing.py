"""Moments of a reply that is being written: something happens just when one of its chunks is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Died(BaseException):
    """The process of a writer is gone. Not an Exception, so that no handler of the code under test survives it."""


def dies() -> None:
    """It is gone now."""
    raise Died


@contextmanager
def at_every_chunk(backend: Any, happens: Callable[[Any], object], *, stored: bool = False) -> Iterator[None]:
    """Inside the block `happens(chunk)` runs before each chunk of a reply is stored, or just after it (`stored`)."""
    parts = backend.executor.parts
    append = parts.append

    def watched(org: str, chunk: Any, *viewers: Any) -> bool:
        if not stored:
            happens(chunk)
        done = bool(append(org, chunk, *viewers))
        if stored:
            happens(chunk)
        return done

    parts.append = watched
    try:
        yield
    finally:
        parts.append = append


@contextmanager
def at_chunk(backend: Any, number: int, happens: Callable[[], object], *, stored: bool = False) -> Iterator[None]:
    """The same at the chunk of this sequence number only."""
    with at_every_chunk(backend, lambda chunk: happens() if chunk.sequence == number else None, stored=stored):
        yield


@contextmanager
def in_the_middle(work: Callable[[], object], begun: Callable[[], object]) -> Iterator[threading.Thread]:
    """Inside the block a reply is being written in a thread of its own; when it is left, the writer has ended.

    Args:
        work: writes the replies that wait.
        begun: true once something of the reply is there.
    """
    writer = threading.Thread(target=work)
    writer.start()
    while not begun():
        writer.join(0.02)
    yield writer
    writer.join(10)
    assert not writer.is_alive()
