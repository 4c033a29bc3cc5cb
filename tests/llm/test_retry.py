"""When a reply is asked for again, with a clock that never waits."""

from collections.abc import Generator

import pytest

from chalicelib.llm import Chunk, Event, Finished, ModelFailed, Retry, Time, retrying
from chalicelib.llm.retry import WAKE_S


class Clock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def time(self, jitter: float = 1.0) -> Time:
        return Time(now=lambda: self.now, sleep=self.sleep, jitter=lambda: jitter)


class Attempts:
    """Each attempt plays the next list: events, then perhaps a failure."""

    def __init__(self, *plays: list[Event | ModelFailed]) -> None:
        self.plays = list(plays)
        self.made = 0

    def __call__(self) -> Generator[Event | None, None, None]:
        play = self.plays[min(self.made, len(self.plays) - 1)]
        self.made += 1
        for event in play:
            if isinstance(event, ModelFailed):
                raise ModelFailed(event.reason, event.message, usage=dict(event.usage), retry_after_s=event.retry_after_s)
            yield event


BUSY = ModelFailed("overloaded", "busy")
DONE: list[Event | ModelFailed] = [Chunk("text", "a"), Finished("end_turn")]


def events(attempts: Attempts, clock: Clock, policy: Retry | None = None, jitter: float = 1.0) -> list[Event]:
    return [event for event in retrying(attempts, policy, clock=clock.time(jitter)) if event is not None]


def test_failures_before_the_first_chunk_are_tried_again() -> None:
    clock, attempts = Clock(), Attempts([BUSY], [BUSY], DONE)
    assert events(attempts, clock) == DONE
    assert attempts.made == 3
    assert clock.now == pytest.approx(0.5 + 1.0)


def test_waits_are_jittered_in_full() -> None:
    clock = Clock()
    events(Attempts([BUSY], [BUSY], DONE), clock, jitter=0.0)
    assert clock.now == 0.0


def test_after_the_first_chunk_nothing_is_tried_again() -> None:
    attempts = Attempts([Chunk("text", "a"), BUSY], DONE)
    with pytest.raises(ModelFailed, match="busy"):
        events(attempts, Clock())
    assert attempts.made == 1


def test_the_number_of_attempts_is_bounded() -> None:
    attempts = Attempts([BUSY])
    with pytest.raises(ModelFailed):
        events(attempts, Clock(), Retry(attempts=3))
    assert attempts.made == 3


def test_the_whole_time_is_bounded() -> None:
    clock, attempts = Clock(), Attempts([BUSY])
    with pytest.raises(ModelFailed):
        events(attempts, clock, Retry(attempts=100, total_s=5))
    assert clock.now <= 5


def test_no_wait_goes_past_the_deadline() -> None:
    clock, attempts = Clock(), Attempts([BUSY])
    with pytest.raises(ModelFailed):
        list(retrying(attempts, deadline=0.4, clock=clock.time()))
    assert (attempts.made, clock.now) == (1, 0.0)


def test_the_server_is_left_alone_for_as_long_as_it_asks() -> None:
    clock = Clock()
    events(Attempts([ModelFailed("rate_limited", "slow down", retry_after_s=7)], DONE), clock)
    assert 7 <= clock.now <= 7.5


def test_a_server_that_asks_for_too_much_patience_is_not_asked_again() -> None:  # review 17: retry-after 300
    clock, attempts = Clock(), Attempts([ModelFailed("rate_limited", "slow down", retry_after_s=300)])
    with pytest.raises(ModelFailed) as failed:
        events(attempts, clock)
    assert (failed.value.reason, failed.value.retry_after_s) == ("rate_limited", 300)
    assert (attempts.made, clock.now) == (1, 0.0)


@pytest.mark.parametrize("reason", ["invalid_request", "unauthorized", "too_large", "refused", "deadline"])
def test_what_cannot_help_is_not_tried(reason: str) -> None:
    attempts = Attempts([ModelFailed(reason, "no")])  # type: ignore[arg-type]
    with pytest.raises(ModelFailed):
        events(attempts, Clock())
    assert attempts.made == 1


@pytest.mark.parametrize("reason", ["overloaded", "rate_limited", "model_error", "timeout", "connection", "truncated"])
def test_what_passes_is_tried_again(reason: str) -> None:
    attempts = Attempts([ModelFailed(reason, "later")], DONE)  # type: ignore[arg-type]
    assert events(attempts, Clock()) == DONE


def test_a_stop_ends_a_wait_at_its_next_look() -> None:
    clock, attempts = Clock(), Attempts([ModelFailed("rate_limited", "slow down", retry_after_s=9)])
    found = list(retrying(attempts, stopped=lambda: clock.now >= 1, clock=clock.time()))
    assert found[-1] == Finished("stopped")
    assert clock.now <= 1 + WAKE_S
    assert attempts.made == 1


def test_what_failed_attempts_cost_is_added_up() -> None:
    paid = {"inputTokens": 5, "outputTokens": 1, "cacheReadTokens": 0, "cacheCreationTokens": 2}
    plays = Attempts([ModelFailed("overloaded", "busy", usage=paid)], [Finished("end_turn", dict(paid))])
    last = events(plays, Clock())[-1]
    assert isinstance(last, Finished)
    assert last.usage == {"inputTokens": 10, "outputTokens": 2, "cacheReadTokens": 0, "cacheCreationTokens": 4}
