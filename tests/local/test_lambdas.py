"""The local Lambda: threads, timers, schedules, and an app that is shared by threads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.app import Chalice, Response

from infra.local.aws.lambdas import Lambdas, timeouts


@pytest.fixture
def lambdas() -> Iterator[Lambdas]:
    made = Lambdas()
    yield made
    made.stop()


def collecting(**handlers: Any) -> SimpleNamespace:
    return SimpleNamespace(**handlers)


def test_timers_run_once_in_the_order_of_their_moments_and_never_early():
    lambdas = Lambdas(threads=1)  # one after another: with more threads one may overtake the other after it was started
    began = time.monotonic()
    fired: list[tuple[int, float]] = []
    done = threading.Event()

    def serve(event: dict[str, Any], context: Any) -> None:
        fired.append((event["due"], (time.monotonic() - began) * 1000))
        if len(fired) == 5:
            done.set()

    lambdas.adopt(collecting(serve=serve))
    for due in (35, 5, 25, 15, 45):
        lambdas.later("serve", {"due": due}, due)
    assert done.wait(5)
    lambdas.stop()
    assert [due for due, _ in fired] == [5, 15, 25, 35, 45]
    assert all(at >= due for due, at in fired)


def test_a_long_timer_does_not_hold_up_a_short_one_that_was_set_after_it(lambdas):
    done = threading.Event()
    lambdas.adopt(collecting(serve=lambda event, context: done.set() if event["n"] == 2 else None))
    lambdas.later("serve", {"n": 1}, 3_600_000)
    lambdas.later("serve", {"n": 2}, 1)
    assert done.wait(5)


def test_a_schedule_repeats_with_eventbridges_event(lambdas):
    events: list[dict[str, Any]] = []
    thrice = threading.Event()

    def sweep(event: dict[str, Any], context: Any) -> None:
        events.append(event)
        if len(events) == 3:
            thrice.set()

    lambdas.adopt(collecting(sweep=sweep))
    lambdas.every(0.005, "sweep")
    assert thrice.wait(5)
    assert {event["source"] for event in events} == {"aws.events"}


def test_invocations_run_at_the_same_time_and_the_caller_does_not_wait(lambdas):
    both = threading.Barrier(3, timeout=5)
    lambdas.adopt(collecting(serve=lambda event, context: both.wait()))
    lambdas.invoke("serve", {})
    lambdas.invoke("serve", {})
    both.wait()


def test_a_payload_crosses_as_json(lambdas):
    with pytest.raises(TypeError):
        lambdas.invoke("serve", {"x": object()})


def test_a_failed_invocation_is_logged_with_its_name_and_harms_nothing(lambdas, caplog):
    done = threading.Event()

    def serve(event: dict[str, Any], context: Any) -> None:
        if event["n"] == 1:
            raise RuntimeError("broken on purpose")
        done.set()

    lambdas.adopt(collecting(serve=serve))
    with pytest.raises(RuntimeError):
        lambdas.submit("serve", {"n": 1}).result(5)
    lambdas.invoke("serve", {"n": 2})
    assert done.wait(5)
    assert "serve failed" in caplog.text
    assert "broken on purpose" in caplog.text


def test_while_paused_nothing_starts(lambdas):
    ran = threading.Event()
    lambdas.adopt(collecting(serve=lambda event, context: ran.set()))
    with lambdas.paused():
        future = lambdas.submit("serve", {})
        assert not ran.is_set()
        assert not future.done()
    future.result(5)
    assert ran.is_set()


def test_the_context_knows_the_configured_timeout(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"lambda_functions": {"websocket_message": {"lambda_timeout": 7}, "generate": {"lambda_timeout": 900}}})
    )
    made = Lambdas(seconds=timeouts(config))
    made.adopt(collecting(ws_message=lambda event, context: context, generate=lambda event, context: context))
    assert 6000 < made.call("ws_message", {}).get_remaining_time_in_millis() <= 7000
    assert made.call("generate", {}).get_remaining_time_in_millis() > 800_000
    made.stop()


def test_threads_share_a_chalice_app_without_seeing_each_others_requests(lambdas):
    app = Chalice("test", configure_logs=False)
    together = threading.Barrier(8, timeout=5)

    @app.route("/{proxy+}", methods=["POST"], content_types=[])
    def view() -> Response:
        together.wait()
        return Response(body=app.current_request.raw_body.decode())

    lambdas.adopt(SimpleNamespace(app=app))

    def event(text: str) -> dict[str, Any]:
        return {
            "httpMethod": "POST",
            "path": "/x",
            "requestContext": {"resourcePath": "/{proxy+}", "httpMethod": "POST"},
            "pathParameters": {"proxy": "x"},
            "multiValueQueryStringParameters": None,
            "stageVariables": None,
            "headers": {},
            "body": text,
        }

    futures = [lambdas.submit("app", event(str(number))) for number in range(8)]
    assert [future.result(5)["body"] for future in futures] == [str(number) for number in range(8)]
