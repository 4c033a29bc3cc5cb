"""The calls of a stage, as its log groups tell them: on moto's CloudWatch Logs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.aws.call_log import KEPT_S, LINE_BYTES, MARK, SETTLED_MS, CallLines, StageCalls, line_of
from chalicelib.data.errors import Refused
from chalicelib.runtime.call_log import Call
from chalicelib.runtime.logs import Log


class Groups:
    """Log groups of a stage, to which calls are written at any moment."""

    def __init__(self, client: Any) -> None:
        self.client, self.now = client, time.time()
        self.kept = StageCalls("concave-dev-", client, lambda: self.now, self.wait)
        for entry in ("api", "serve"):
            client.create_log_group(logGroupName=f"/aws/lambda/concave-dev-{entry}")
            client.create_log_stream(logGroupName=f"/aws/lambda/concave-dev-{entry}", logStreamName="one")

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def write(self, ago_s: float, *lines: str, entry: str = "api") -> None:
        at = int((self.now - ago_s) * 1000)
        events = [{"timestamp": at, "message": line} for line in lines]
        self.client.put_log_events(logGroupName=f"/aws/lambda/concave-dev-{entry}", logStreamName="one", logEvents=events)

    def call(self, ago_s: float, path: str = "tasks:list", request: str = "abc", entry: str = "api", **more: Any) -> None:
        told = {"kind": "query", "org": "acme", "caller": "alice", "runs": 1, "reads": 2, "writes": 0, **more}
        self.write(ago_s, line_of(Call(0, (self.now - ago_s) * 1000, 1.5, request, path, **told)), entry=entry)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Iterator[Groups]:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield Groups(boto3.client("logs"))


def test_the_last_calls_come_newest_first_from_every_function(groups: Groups) -> None:
    groups.call(40, "a:a", "r1")
    groups.call(30, "b:b", "r2", entry="serve")
    groups.call(7_000, "c:c", "r3")
    groups.write(20, "START RequestId: x", '{"level": "ERROR"}', "{", f'{{"mark": "{MARK}"}}', f'{{"mark": "{MARK}", "call": 7}}')
    assert [call.path for call in groups.kept.last(10)] == ["b:b", "a:a", "c:c"]
    assert [call.path for call in groups.kept.last(1)] == ["b:b"]
    assert [call.path for call in groups.kept.last(10, path="a:")] == ["a:a"]
    assert [call.path for call in groups.kept.last(10, 35)] == ["b:b"]


def test_a_page_that_asks_again_and_again_asks_the_log_groups_every_ten_seconds(groups: Groups) -> None:
    groups.call(20, "a:a", "r1")
    assert len(groups.kept.last(10)) == 1
    groups.call(1, "b:b", "r2")
    assert len(groups.kept.last(10)) == 1
    assert len(groups.kept.last(9)) == 2, "another question"
    groups.now += KEPT_S + 1
    assert len(groups.kept.last(10)) == 2


def test_one_call_is_found_by_its_request_id_days_later(groups: Groups) -> None:
    groups.call(3 * 86_400, "a:a", "r1", error="boom", traceback="Traceback …", lines=("[LOG] 'x'",))
    groups.call(3 * 86_400, "b:b", "r2")
    (found,) = groups.kept.last(10, request="r1")
    assert (found.path, found.error, found.traceback, found.lines) == ("a:a", "boom", "Traceback …", ("[LOG] 'x'",))


def test_whoever_follows_gets_every_call_once_and_in_order(groups: Groups) -> None:
    """A line may be found later than it was written: what is too new is told at the next question."""
    _, cursor = groups.kept.since(1)
    seen = []
    for step in range(6):
        groups.now += 4
        groups.call(2.5, "a:a", f"r{step}a")
        groups.call(2.5, "b:b", f"r{step}b", entry="serve")
        found, cursor = groups.kept.since(cursor, most=1)
        seen += [call.request for call in found]
    groups.now += SETTLED_MS / 1000 + 1
    found, cursor = groups.kept.since(cursor)
    seen += [call.request for call in found]
    assert sorted(seen) == sorted(f"r{step}{side}" for step in range(6) for side in "ab")
    assert [each[1] for each in seen] == sorted(each[1] for each in seen)
    assert groups.kept.since(cursor) == ([], cursor)


def test_whoever_waits_is_answered_when_a_call_has_come(groups: Groups) -> None:
    start = groups.now
    groups.call(1, "a:a")
    (call,), _ = groups.kept.since(int((start - 2) * 1000), wait_s=20)
    assert (call.path, start + 4 <= groups.now <= start + 8) == ("a:a", True)


def test_a_group_that_is_not_there_is_none_and_a_refusal_is_said(groups: Groups) -> None:
    assert groups.kept.last(10) == []
    broken = boto3.client("logs", endpoint_url="http://127.0.0.1:9", region_name="us-east-1")
    with (
        mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}),
        pytest.raises(Refused, match="CloudWatch"),
    ):
        StageCalls("concave-dev-", broken).last(10)


def test_a_call_is_one_line_and_what_operators_ask_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    writer = logging.Logger("calls", logging.DEBUG)
    writer.addHandler(CallLines())
    for path in ("tasks:list", "_system/logs:recent"):
        log = Log(path, "acme", kind="query", caller="alice")
        log("one\ntwo")
        writer.debug("%s", path, extra={"call": log, "took": 0.5})
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["mark"], told["call"]["path"], told["call"]["ms"]) == (MARK, "tasks:list", 500.0)


def test_a_line_that_the_log_would_not_take_is_written_without_what_was_said() -> None:
    long = Call(0, 1.0, 1.0, "r", "a:a", "query", "acme", "", 1, 1, 0, lines=tuple("x" * 4_096 for _ in range(256)), error="boom")
    line = line_of(long)
    assert len(line) < LINE_BYTES
    assert json.loads(line)["call"]["error"] == "boom"
