"""The circuit breaker before the model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest

from chalicelib.llm.breaker import FAILURES, ILL, PAUSE_S, Breaker, Breakers
from chalicelib.llm.outcome import FINAL, Reason
from chalicelib.llm.service import ModelService
from chalicelib.settings import Settings
from infra.local.model.server import ScriptedModel


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def failed(breaker: Breaker, times: int, reason: str = "overloaded") -> None:
    for _ in range(times):
        ticket = breaker.admits()
        assert ticket
        breaker.ended(ticket, reason)


def test_five_failures_in_a_row_open_it_and_one_success_after_the_pause_closes_it() -> None:
    """Closed, open, half open, closed."""
    now = Now()
    breaker = Breaker(now=now)
    failed(breaker, FAILURES - 1)
    assert (breaker.state, FAILURES) == ("closed", 5)
    failed(breaker, 1)
    assert (breaker.state, breaker.admits()) == ("open", 0)
    now.s += PAUSE_S
    assert breaker.state == "half-open"
    trial = breaker.admits()
    assert trial
    assert not breaker.admits(), "one at a time is tried"
    breaker.ended(trial, None)
    assert breaker.state == "closed"
    failed(breaker, FAILURES - 1)
    assert breaker.state == "closed", "it counts from the beginning again"


def test_a_failure_after_the_pause_opens_it_again() -> None:
    now = Now()
    breaker = Breaker(now=now)
    failed(breaker, FAILURES)
    now.s += PAUSE_S
    failed(breaker, 1, "connection")
    assert (breaker.state, breaker.admits()) == ("open", 0)
    now.s += PAUSE_S
    assert breaker.admits()


def test_a_trial_that_was_given_up_says_nothing_and_the_next_one_is_tried() -> None:
    now = Now()
    breaker = Breaker(now=now)
    failed(breaker, FAILURES)
    now.s += PAUSE_S
    breaker.ended(breaker.admits(), None, known=False)
    assert breaker.state == "half-open"
    assert breaker.admits()


def test_a_reply_of_before_that_is_stopped_does_not_end_the_trial() -> None:
    now = Now()
    breaker = Breaker(now=now)
    old = breaker.admits()
    failed(breaker, FAILURES)
    now.s += PAUSE_S
    trial = breaker.admits()
    breaker.ended(old, None, known=False)
    assert not breaker.admits(), "the trial goes on"
    breaker.ended(trial, None)
    assert breaker.state == "closed"


@pytest.mark.parametrize("reason", [None, "max_tokens", "deadline", *sorted(FINAL)])
def test_what_is_not_the_providers_fault_closes_it(reason: str | None) -> None:
    breaker = Breaker()
    failed(breaker, FAILURES - 1)
    breaker.ended(breaker.admits(), reason)
    failed(breaker, FAILURES - 1)
    assert breaker.state == "closed"


def test_the_reasons_are_those_of_the_room() -> None:
    assert set(get_args(Reason)) >= ILL
    assert ILL.isdisjoint(FINAL)


def test_one_of_many_at_once_is_the_trial() -> None:
    now = Now()
    breaker = Breaker(now=now)
    failed(breaker, FAILURES)
    now.s += PAUSE_S
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: bool(breaker.admits()), range(50))) == 1


def test_each_model_has_its_own_and_the_oldest_is_forgotten() -> None:
    breakers = Breakers()
    failed(breakers.of("one"), FAILURES)
    assert breakers.of("one").state == "open"
    assert breakers.of("two").state == "closed"
    for number in range(Breakers.MOST):
        breakers.of(f"model {number}")
    assert breakers.of("one").state == "closed"


def test_an_open_circuit_asks_the_model_nothing_and_says_why(model: ScriptedModel) -> None:
    """`CIRCUIT_OPEN`; another model is asked as before."""
    service = ModelService(Settings(anthropic_key="scripted"), model.url)

    def ended(words: str, name: str = "model-one") -> Any:
        *_, last = service.reply(name, "", [["user", words]], lambda: False, 20)
        return last.reason

    for _ in range(FAILURES):
        assert ended("/fail midstream 1 99\nwrite 20 words") == "overloaded"
    asked = len(model.requests)
    assert ended("/say hello") == "circuit_open"
    assert len(model.requests) == asked
    assert ended("/say hello", "model-two") is None


def test_a_reply_that_never_reached_the_provider_says_nothing_of_it(model: ScriptedModel) -> None:
    """One conversation's wrong configuration would keep the circuit closed for all."""
    service = ModelService(Settings(anthropic_key="scripted"), model.url)

    def ended(words: str, **tools: Any) -> Any:
        *_, last = service.reply("model-one", "", [["user", words]], lambda: False, 20, tools)
        return last.reason

    for _ in range(FAILURES - 1):
        assert ended("/fail midstream 1 99\nwrite 20 words") == "overloaded"
    assert ended("hi", x={"url": "https://x.example/", "authorization": {"secret": "NOBODY"}}) == "mcp_error"
    assert ended("/fail midstream 1 99\nwrite 20 words") == "overloaded"
    assert ended("hi") == "circuit_open"


def test_an_operator_may_switch_it_off(model: ScriptedModel) -> None:
    """MODEL_FAILURES=0: every reply is asked for."""
    service = ModelService(Settings(anthropic_key="scripted", model_failures=0), model.url)
    for words in ["/fail midstream 1 99\nwrite 20 words"] * (FAILURES + 1) + ["/say hello"]:
        *_, last = service.reply("model-one", "", [["user", words]], lambda: False, 20)
    assert (last.state, last.reason) == ("completed", None)
