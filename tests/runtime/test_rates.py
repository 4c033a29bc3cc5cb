"""Token buckets: what they give is never more than the rate allows, and who waits as told is served."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.data.errors import Refused
from chalicelib.runtime.admission import Admission
from chalicelib.runtime.identity import User
from chalicelib.runtime.rates import BURST_S, KNOWN, Buckets


@dataclass
class Clock:
    now: int = 1_000_000

    def now_ms(self) -> int:
        return self.now

    def now_ns(self) -> int:
        return self.now * 1_000_000

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@given(rate=st.integers(1, 50), pauses=st.lists(st.integers(0, 3000), min_size=1, max_size=200))
def test_no_more_is_taken_than_the_rate_gives(rate: int, pauses: list[int]) -> None:
    clock = Clock()
    buckets, taken, began = Buckets(rate, clock.now_ms), 0, clock.now
    for pause in pauses:
        clock.now += pause
        taken += buckets.take("alice") == 0
        assert taken <= rate * BURST_S + rate * (clock.now - began) / 1000 + 1e-6


@given(rate=st.integers(1, 5000))
def test_who_waits_as_long_as_told_is_served_and_others_never_wait(rate: int) -> None:
    clock = Clock()
    buckets = Buckets(rate, clock.now_ms)
    while (wait := buckets.take("alice")) == 0:
        pass
    assert buckets.take("bob") == 0
    clock.now += wait
    assert buckets.take("alice") == 0


def test_no_rate_is_no_limit_and_no_memory() -> None:
    buckets = Buckets(0, Clock().now_ms)
    assert not any(buckets.take("alice") for _ in range(1000))
    assert not buckets._held


def test_the_memory_of_callers_is_bounded() -> None:
    buckets = Buckets(1, Clock().now_ms)
    for number in range(KNOWN + 10):
        buckets.take(str(number))
    assert len(buckets._held) == KNOWN


def test_callers_without_a_token_are_told_apart_by_their_address_and_may_be_switched_off() -> None:
    admission = Admission(1, Clock())
    for _ in range(BURST_S):
        admission.check(None, "here")
    with pytest.raises(Refused) as refused:
        admission.check(None, "here")
    assert refused.value.data["code"] == "RateLimited"
    assert refused.value.data["retryAfter"] == 1000
    admission.check(None, "there")
    admission.check(User("alice", "https://issuer.test", "acme"), "here")
    closed = Admission(0, Clock(), anonymous=False)
    closed.check(User("alice", "https://issuer.test", "acme"), "here")
    with pytest.raises(Refused, match="A token is needed"):
        closed.check(None, "here")
