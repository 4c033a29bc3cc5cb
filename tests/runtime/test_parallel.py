"""Work that waits for the network, done at once: the slices of a fan-out."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from chalicelib.data.trace import current, tracing
from chalicelib.runtime.parallel import Parallel


def test_calls_go_on_at_once_and_their_results_keep_the_order() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def call(number: int) -> int:
        meeting.wait()  # one after another, nobody would ever get through
        return number

    assert Parallel(3)([partial(call, number) for number in range(3)]) == [0, 1, 2]


def test_a_call_that_fails_is_heard_of_when_all_have_ended() -> None:
    """A Lambda function that returned while one is still at work would freeze it."""
    failed, ended = threading.Event(), []

    def fails() -> None:
        failed.set()
        raise ValueError("no")

    def goes_on() -> None:
        failed.wait(10)
        ended.append(True)

    with pytest.raises(ValueError, match="no"):
        Parallel(2)([fails, goes_on])
    assert ended == [True]


def test_pieces_know_which_request_they_are_about() -> None:
    with tracing("request-1"):
        assert Parallel(2)([current, current]) == ["request-1", "request-1"]


def test_work_that_starts_such_work_itself_waits_for_nobody() -> None:
    threads = Parallel(2)
    assert threads([lambda: threads([lambda: 1, lambda: 2]), lambda: threads([lambda: 3, lambda: 4])]) == [[1, 2], [3, 4]]
