"""Lambda events at the door: what reaches the backend, and what is answered."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.aws import events, telemetry
from chalicelib.aws.invoke import LambdaInvoker
from chalicelib.data.meters import LISTENED, measure
from chalicelib.data.store import Change
from chalicelib.settings import Settings

HOME = Path(__file__).parents[2]


class Changed:
    """A backend that only listens."""

    def __init__(self, prefix: str = "", failed: list[str] | None = None) -> None:
        self.settings = Settings(prefix=prefix)
        self.seen: list[Change] = []
        self.failed = failed or []

    def changed(self, changes: list[Change]) -> list[str]:
        self.seen = changes
        return self.failed


def record(sequence: str, new: Any = None, old: Any = None, table: str = "commits", **more: Any) -> dict[str, Any]:
    images = {name: image for name, image in (("NewImage", new), ("OldImage", old)) if image is not None}
    arn = f"arn:aws:dynamodb:eu-west-1:1:table/{table}/stream/2026"
    return {"eventSourceARN": arn, "dynamodb": {"SequenceNumber": sequence, **images}, **more}


def test_a_batch_reaches_the_backend_whole_with_plain_values():
    image = {
        "pk": {"S": "a"},
        "n": {"N": "12345678901234567890"},
        "f": {"N": "1.5"},
        "b": {"B": "AP8="},
        "t": {"BOOL": True},
        "x": {"NULL": True},
        "l": {"L": [{"N": "1"}, {"M": {"k": {"S": "v"}}}]},
    }
    backend = Changed(prefix="app-")
    answer = events.on_change(
        backend, {"Records": [record("1", image, table="app-commits"), record("2", None, {"pk": {"S": "b"}})]}
    )
    assert answer == {"batchItemFailures": []}
    plain = {"pk": "a", "n": 12345678901234567890, "f": 1.5, "b": b"\x00\xff", "t": True, "x": None, "l": [1, {"k": "v"}]}
    assert backend.seen == [Change("1", "commits", None, plain), Change("2", "commits", {"pk": "b"}, None)]


def test_failed_sequences_are_answered_as_batch_item_failures():
    answer = events.on_change(
        Changed(failed=["2"]), {"Records": [record("1", {"pk": {"S": "a"}}), record("2", {"pk": {"S": "b"}})]}
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_expiry_and_puts_that_changed_nothing_are_left_out():
    image = {"pk": {"S": "a"}}
    expiry = record("1", None, image, userIdentity={"type": "Service", "principalId": "dynamodb.amazonaws.com"})
    backend = Changed()
    events.on_change(backend, {"Records": [expiry, record("2", image, image)]})
    assert backend.seen == []


def test_a_job_comes_alone_or_in_messages_and_only_failed_messages_come_again():
    ran: list[Any] = []
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)

    def run(payload: dict[str, Any], left_ms: int) -> None:
        assert left_ms == 900_000
        ran.append(payload)
        if payload.get("bad"):
            raise RuntimeError("broken on purpose")

    assert events.jobs({"jobId": "1"}, run, context) is None
    messages = [
        {"messageId": str(number), "body": body, "eventSource": "aws:sqs"}
        for number, body in enumerate(['{"jobId":"2"}', '{"bad":1}'])
    ]
    assert events.jobs({"Records": messages}, run, context) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert ran == [{"jobId": "1"}, {"jobId": "2"}, {"bad": 1}]


def test_later_waits_whole_seconds_and_never_less_than_asked():
    sent: list[dict[str, Any]] = []
    started: list[dict[str, Any]] = []
    invoker = LambdaInvoker(Settings(stage="prod"), {"QUEUE_RUN_JOB": "https://q", "FUNCTION_SERVE": "arn:serve"})
    invoker.__dict__["_sqs"] = SimpleNamespace(send_message=lambda **given: sent.append(given))
    invoker.__dict__["_lambda"] = SimpleNamespace(invoke=lambda **given: started.append(given))
    invoker.later("run_job", {"jobId": "1"}, 1001)
    invoker.later("run_job", {"jobId": "2"}, 10_000_000)
    invoker.later("serve", {"connectionId": "c"}, 0)
    invoker.invoke("generate", {})
    assert [(each["QueueUrl"], each["DelaySeconds"]) for each in sent] == [("https://q", 2), ("https://q", 900)]
    assert [(each["FunctionName"], each["InvocationType"]) for each in started] == [
        ("arn:serve", "Event"),
        ("concave-prod-generate", "Event"),
    ]


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (
            {"requestContext": {"connectionId": "c", "requestId": "r", "messageId": "m"}, "body": "secret"},
            {"connection_id": "c", "request_id": "r", "message_id": "m"},
        ),
        ({"Records": [{"dynamodb": {"SequenceNumber": "7"}}] * 2}, {"records": 2, "first_sequence": "7"}),
        ({"jobId": "1"}, {}),
    ],
)
def test_logs_carry_ids_and_never_bodies(event, found):
    assert telemetry.identifiers(event) == found


@pytest.fixture
def own_logger() -> Iterator[None]:
    """Powertools puts a handler on the logger "concave"; other tests must not write through it."""
    logger = logging.getLogger("concave")
    before = logger.handlers[:], logger.level, logger.propagate
    listened = LISTENED.handlers[:], LISTENED.level
    yield
    LISTENED.handlers, LISTENED.level = listened
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
    for name in [each for each in vars(logger) if each == "init" or each.startswith("powertools")]:
        delattr(logger, name)  # Powertools would think that its handler is still there


@pytest.mark.usefixtures("own_logger")
def test_in_lambda_every_invocation_is_counted_a_failure_is_logged_and_what_the_engine_measures_becomes_metrics(
    capsys, monkeypatch
):
    """Measured counts as one sum an invocation, durations each; with the function, and what they are told apart by."""
    monkeypatch.setenv("STAGE", "test")  # Lambda always has one
    observe = telemetry.observer("serve")
    event = SimpleNamespace(to_dict=lambda: {"connectionId": "c1", "body": "secret"})

    def work(_: Any) -> str:
        for outcome in ("ok", "ok", "gone"):
            measure("Posts", outcome=outcome)
        for lag in (40.0, 60.0):
            measure("FanOutLag", lag, "Milliseconds")
        measure("ReplyTokens", 12, org="acme")
        return "answer"

    assert observe(event, work) == "answer"
    with pytest.raises(RuntimeError):
        observe(event, lambda given: (_ for _ in ()).throw(RuntimeError("broken on purpose")))
    out = capsys.readouterr().out
    assert "secret" not in out
    told = [json.loads(line) for line in out.splitlines() if "_aws" in line]
    assert [each["Invocations"] for each in told if "Invocations" in each] == [[1.0], [1.0]]
    assert [each["Failures"] for each in told if "Failures" in each] == [[1.0]]
    assert {each["outcome"]: each["Posts"] for each in told if "Posts" in each} == {"ok": [2.0], "gone": [1.0]}
    assert [each["FanOutLag"] for each in told if "FanOutLag" in each] == [[40.0], [60.0]]
    assert {each["function"] for each in told} == {"serve"}
    (tokens,) = [each for each in told if "ReplyTokens" in each]
    assert (tokens["ReplyTokens"], tokens["org"]) == ([12.0], "acme")
    assert "org" not in str(tokens["_aws"])


def test_importing_the_app_loads_nothing_heavy():
    code = (
        "import app, sys; print(sorted({'anthropic', 'pynamodb', 'boto3', 'botocore', 'h11', 'websockets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
