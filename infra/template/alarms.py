"""Alarms that a person can act on; `docs/runbook.md` says what to do, under each alarm's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.template.parts import API_STAGE, Deployment, Resource, Resources, att, camel, either, ref
from infra.template.queues import FAILURES

NAMESPACE = "Concave"
"""Of our own metrics; `aws/telemetry.py` writes to the same."""
LAG_MS = 60_000
"""Fresh rows live for an hour and clients wait for seconds: a minute of lag needs a person."""
INDEX_LAG_MS = 300_000
"""Reads are exact up to an hour of lag (`data/ranges.py`); this is far more than DynamoDB usually takes, and in good time."""
WATCHED = ("api", "ws_connect", "ws_message", "on_change", "sweep")
"""Functions whose failures nobody else tells: what is invoked without anybody waiting ends in the failure queue."""
WAITING = ("api", "ws_message", "on_change", "generate")
"""Functions whose throttles are felt first."""
RUNBOOK = "docs/runbook.md"

Metric = tuple[str, str, dict[str, Any]]
"""Namespace, name, dimensions."""


@dataclass(frozen=True)
class Alarm:
    """One alarm.

    Args:
        text: what its mail says.
        metric: what is measured.
        above: the threshold; the alarm rings over it (`below`: under it, and where nothing is measured).
        periods: so many periods in a row.
    """

    text: str
    metric: Metric
    above: Any
    statistic: str = "Sum"
    period_s: int = 300
    periods: int = 1
    below: bool = False


def alarms(deployment: Deployment) -> Resources:
    """One resource per alarm."""
    return {f"{name}Alarm": resource_of(name, alarm) for name, alarm in all_alarms(deployment)}


def all_alarms(d: Deployment) -> Iterator[tuple[str, Alarm]]:
    """Each alarm with its name, under which the runbook has it."""
    yield from _delivery(d)
    yield from _replies(d)
    yield from _platform(d)


def _delivery(d: Deployment) -> Iterator[tuple[str, Alarm]]:
    """Whether subscribers hear."""
    age = ("AWS/Lambda", "IteratorAge", {"FunctionName": d.name("on_change")})
    yield "StreamAge", Alarm("Subscribers hear of changes over a minute late.", age, LAG_MS, "Maximum", 60, 3)
    lag = (NAMESPACE, "IndexLag", {"function": d.name("sweep")})
    yield "IndexLag", Alarm("Indexes show what was written over five minutes late.", lag, INDEX_LAG_MS, "Maximum", 60, 3)
    posts = (NAMESPACE, "FailedPosts", {"stage": d.stage})
    yield "Posts", Alarm("Messages to sockets fail; their sockets are closed.", posts, 20, periods=2)
    swept = ("AWS/Lambda", "Invocations", {"FunctionName": d.name("sweep")})
    yield (
        "SweepDead",
        Alarm("Nothing is swept: quiet sockets die, jobs and runs hang.", swept, 1, period_s=60, periods=3, below=True),
    )


def _replies(d: Deployment) -> Iterator[tuple[str, Alarm]]:
    """Whether the model answers, at what cost."""
    text = "Half of the replies of a quarter of an hour failed: the model's key, its account, its service."
    failed: Metric = (NAMESPACE, f"{d.stage}-ReplyFailures", {})
    yield "FailedReplies", Alarm(text, failed, 0.5, "Average", 900)
    overdue: Metric = (NAMESPACE, f"{d.stage}-OverdueRuns", {})
    yield "OverdueRuns", Alarm("Replies do not end.", overdue, 0, "Maximum", 60, 3)
    tokens: Metric = (NAMESPACE, f"{d.stage}-Tokens", {})
    yield "Tokens", Alarm("More model tokens in an hour than expected.", tokens, ref("TokensPerHourAlarm"), period_s=3600)


def _platform(d: Deployment) -> Iterator[tuple[str, Alarm]]:
    """Whether the platform carries it."""
    aside = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": att(FAILURES, "QueueName")})
    yield "Failures", Alarm("Something failed for good: see the failure queue.", aside, 0, "Maximum")
    refused = (NAMESPACE, "StoreRefused", {"stage": d.stage})
    yield "StoreRefused", Alarm("DynamoDB refuses for good: a grant, a table or the credentials.", refused, 0)
    faults = (NAMESPACE, "FunctionFaults", {"stage": d.stage})
    yield "FunctionFaults", Alarm("Functions fail by no fault of their callers.", faults, 5, periods=2)
    http = ("AWS/ApiGateway", "5XXError", {"ApiName": d.name("http"), "Stage": API_STAGE})
    yield "HttpErrors", Alarm("HTTP requests end with 5xx.", http, 5, periods=2)
    socket = {"ApiId": ref("WebsocketAPI"), "Stage": API_STAGE}
    for name in ("ExecutionError", "IntegrationError"):
        frames = ("AWS/ApiGateway", name, socket)
        yield f"Socket{name}s", Alarm("Frames of sockets end in errors.", frames, 5, periods=2)
    for entry in WATCHED:
        errors = ("AWS/Lambda", "Errors", {"FunctionName": d.name(entry)})
        yield f"{camel(entry)}Errors", Alarm(f"{entry} fails.", errors, 5, periods=2)
    for entry in WAITING:
        throttled = ("AWS/Lambda", "Throttles", {"FunctionName": d.name(entry)})
        yield f"{camel(entry)}Throttles", Alarm(f"{entry} waits for concurrency.", throttled, 10, periods=2)
    busy = (NAMESPACE, "StoreThrottled", {"stage": d.stage})
    yield "StoreThrottled", Alarm("DynamoDB throttles a table or one of its indexes.", busy, 100, periods=2)


def resource_of(name: str, alarm: Alarm, *, tells: bool = True) -> Resource:
    """An alarm as a resource; `name`: where the runbook speaks of it."""
    properties: dict[str, Any] = {
        "AlarmDescription": f"{alarm.text} {RUNBOOK}: {name}",
        "EvaluationPeriods": alarm.periods,
        "Threshold": alarm.above,
        "ComparisonOperator": "LessThanThreshold" if alarm.below else "GreaterThanThreshold",
        "TreatMissingData": "breaching" if alarm.below else "notBreaching",
    }
    if tells:
        properties |= {which: [either("HasAlarmEmail", ref("Alarms"))] for which in ("AlarmActions", "OKActions")}
    properties |= {**_metric(alarm.metric), "Statistic": alarm.statistic, "Period": alarm.period_s}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def _metric(metric: Metric) -> Resource:
    namespace, name, dimensions = metric
    made: Resource = {"Namespace": namespace, "MetricName": name}
    if dimensions:
        made["Dimensions"] = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return made
