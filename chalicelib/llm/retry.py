"""When a reply is asked for again: only before its first chunk, with full jitter, within a bound that holds for all of it.

After the first chunk a reader has seen text, and a second attempt would say something else, so the failure is the caller's.
The SDK's own retries are off: they obey any `retry-after`, and one of five minutes would sleep a Lambda to death. Here a
server that asks for more patience than we have is told to the caller at once, instead of being asked again too early.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace

from chalicelib.llm.chunks import Chunk
from chalicelib.llm.outcome import STOPPED, Event, Finished, ModelFailed, Tool, add_usage, no_usage

WAKE_S = 0.2
"""A wait of any kind looks up this often, to see whether it was stopped."""


@dataclass(frozen=True)
class Retry:
    """How patient to be. Times in seconds.

    `base_s` doubles with every attempt up to `cap_s`; the wait is anywhere between zero and that (full jitter).
    `retry_after_s` is the longest wait a server may ask for; `total_s` bounds attempts and waits together.
    """

    attempts: int = 4
    base_s: float = 0.5
    cap_s: float = 8.0
    retry_after_s: float = 10.0
    total_s: float = 30.0


@dataclass(frozen=True)
class Time:
    """What waiting needs, so that tests need not wait. `now` in seconds, growing; `jitter` from 0 up to 1."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


def retrying(
    attempt: Callable[[], Generator[Event | None, None, None]],
    policy: Retry | None = None,
    *,
    stopped: Callable[[], bool] = lambda: False,
    deadline: float | None = None,
    clock: Time | None = None,
) -> Generator[Event | None, None, None]:
    """The events of the first attempt that gets as far as a chunk. None among them means "nothing new, but time passed".

    Args:
        attempt: asks once; called again for every retry.
        stopped: asked at least every `WAKE_S` while waiting.
        deadline: a moment of `clock.now`; no wait goes past it.

    Raises:
        ModelFailed: the last attempt's, with the usage of all of them.
    """
    policy, clock = policy or Retry(), clock or Time()
    began, spent = clock.now(), no_usage()
    until = began + policy.total_s if deadline is None else min(deadline, began + policy.total_s)
    for number in range(policy.attempts):
        spoke = False
        try:
            with closing(attempt()) as events:
                for event in events:
                    spoke = spoke or isinstance(event, Chunk | Tool)  # what a tool did cannot be done again
                    yield replace(event, usage=add_usage(event.usage, spent)) if isinstance(event, Finished) else event
            return
        except ModelFailed as failed:
            failed.usage = spent = add_usage(failed.usage, spent)
            wait = _patience(failed, policy, number, clock.jitter)
            if spoke or wait is None or clock.now() + wait >= until:
                raise
        over = clock.now() + wait
        while not stopped() and (left := over - clock.now()) > 0:
            clock.sleep(min(WAKE_S, left))
            yield None
        if stopped():
            yield Finished(STOPPED, spent)
            return


def _patience(failed: ModelFailed, policy: Retry, number: int, jitter: Callable[[], float]) -> float | None:
    """Seconds to wait after attempt `number` (from 0), or None: not again."""
    if not failed.retryable or failed.reason == "deadline" or number + 1 >= policy.attempts:
        return None
    backoff = jitter() * min(policy.cap_s, policy.base_s * 2.0**number)
    if failed.retry_after_s is None:
        return backoff
    return None if failed.retry_after_s > policy.retry_after_s else failed.retry_after_s + backoff
