"""Sockets that this process owns: what their wire does when a client does not read, or a message is too large for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import cast

import pytest

from chalicelib.live.owner.wire import together
from infra.local.aws.api_gateway import Connection, Walls
from infra.local.owned import LoopWire, Outbox
from tests.local.test_walls import FakeWire


class Closing(FakeWire):
    """Remembers the goodbye."""

    said: tuple[int, str] | None = None

    def close(self, code: int, reason: str = "") -> None:
        super().close(code, reason)
        self.said = (code, reason)


def sent(waiting: int, *texts: str) -> Closing:
    """What is written where so many bytes wait already."""
    wire = Closing()
    wire.waiting = waiting
    loop = asyncio.new_event_loop()
    try:
        out = LoopWire(Connection("c1", wire, Walls(outbound_bytes=1000, post_bytes=500), 0.0), Outbox(loop), lambda: 0.0)
        for text in texts:
            out.send(text)
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
    return wire


@pytest.mark.parametrize(("waiting", "text", "code"), [(990, "x" * 11, 1013), (0, "x" * 501, 1009)])
def test_a_message_that_cannot_be_sent_ends_the_socket_because_the_next_ones_build_on_it(
    waiting: int, text: str, code: int
) -> None:
    wire = sent(waiting, "one", text, "two")
    assert wire.written == [b"one"]
    assert wire.said is not None
    assert wire.said[0] == code


def test_messages_leave_in_order() -> None:
    assert sent(0, "one", "two", "three").written == [b"one", b"two", b"three"]


class CountingLoop:
    """Counts how often it is woken, and does what it was woken for when it is told to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def is_closed(self) -> bool:
        return False

    def call_soon_threadsafe(self, work: Callable[[], None]) -> None:
        self.work.append(work)


def test_what_a_thread_says_together_wakes_the_loop_once_and_another_threads_words_do_not_wait_for_it() -> None:
    loop, wire = CountingLoop(), Closing()
    outbox = Outbox(cast(asyncio.AbstractEventLoop, loop))
    out = LoopWire(Connection("c1", wire, Walls(outbound_bytes=1000, post_bytes=500), 0.0), outbox, lambda: 0.0)
    with together():
        out.send("one")
        out.send("two")
        assert loop.work == []
        other = threading.Thread(target=out.send, args=("three",))
        other.start()
        other.join()
        assert len(loop.work) == 1, "nobody else is kept waiting"
        loop.work.pop()()
        out.send("four")
    assert len(loop.work) == 1
    loop.work.pop()()
    assert wire.written == [b"one", b"two", b"three", b"four"]


def test_what_was_said_before_a_gathering_failed_leaves_all_the_same() -> None:
    loop, wire = CountingLoop(), Closing()
    outbox = Outbox(cast(asyncio.AbstractEventLoop, loop))
    out = LoopWire(Connection("c1", wire, Walls(outbound_bytes=1000, post_bytes=500), 0.0), outbox, lambda: 0.0)

    def fails_midway() -> None:
        with together():
            out.send("one")
            raise ValueError("midway")

    with pytest.raises(ValueError, match="midway"):
        fails_midway()
    loop.work.pop()()
    assert wire.written == [b"one"]
