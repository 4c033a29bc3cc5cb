"""Alarms and a dashboard: what tells people that something is wrong before their users do."""

from __future__ import annotations

import json
from typing import Any

from infra.template.parts import Deployment, Resource, Resources, att, camel, either, ref, sub
from infra.template.queues import FAILURES, LATER

NAMESPACE = "Concave"
"""Of our own metrics; `aws/telemetry.py` writes to the same."""
LAG_MS = 60_000
"""Fresh rows live for an hour and clients wait for seconds: a minute of lag needs a person."""

INDEX_LAG_MS = 300_000
"""Reads are exact up to an hour of lag (`data/ranges.py`); this is far more than DynamoDB usually takes, and in good time."""

WATCHED = ("api", "ws_connect", "ws_message", "on_change", "sweep")
"""Functions whose failures nobody else tells: what is invoked without anybody waiting ends in the failure queue."""

LOG_METRICS = {
    "Tokens": ("generate", '{ $.message = "reply ended" }', "$.tokens"),
    "FailedReplies": ("generate", '{ $.message = "reply ended" && $.state = "failed" }', "1"),
    "OverdueRuns": ("sweep", '{ $.message = "runs overdue" }', "$.overdue"),
}
"""Metrics read from log lines: name, function, pattern, value."""


def watching(deployment: Deployment) -> Resources:
    """Metric filters, alarms, whom they tell, and the dashboard."""
    made: Resources = {
        "Alarms": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": deployment.name("alarms")}},
        "AlarmMail": {
            "Type": "AWS::SNS::Subscription",
            "Condition": "HasAlarmEmail",
            "Properties": {"Protocol": "email", "TopicArn": ref("Alarms"), "Endpoint": ref("AlarmEmail")},
        },
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardName": deployment.name("overview"), "DashboardBody": _dashboard(deployment)},
        },
    }
    for name, (entry, pattern, value) in LOG_METRICS.items():
        made[f"{name}Metric"] = _log_metric(deployment, name, entry, pattern, value)
    return made | {f"{name}Alarm": alarm for name, alarm in _alarms(deployment).items()}


def _log_metric(deployment: Deployment, name: str, entry: str, pattern: str, value: str) -> Resource:
    transformation = {"MetricNamespace": NAMESPACE, "MetricName": f"{deployment.stage}-{name}", "MetricValue": value}
    group = ref(f"{deployment.functions[entry].logical}Logs")
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {"LogGroupName": group, "FilterPattern": pattern, "MetricTransformations": [transformation]},
    }


def _alarms(deployment: Deployment) -> Resources:
    lag = {"FunctionName": deployment.name("on_change")}
    aside = {"QueueName": att(FAILURES, "QueueName")}
    stage = deployment.stage
    made = {
        "StreamAge": _alarm(
            "Subscribers hear of changes over a minute late.", "AWS/Lambda", "IteratorAge", lag, LAG_MS, minutes=3
        ),
        "Failures": _alarm(
            "Something failed for good: see the failure queue.", "AWS/SQS", "ApproximateNumberOfMessagesVisible", aside, 0
        ),
        "OverdueRuns": _alarm("Replies do not end.", NAMESPACE, f"{stage}-OverdueRuns", {}, 0, minutes=3),
        "IndexLag": _alarm(
            "Indexes show what was written over five minutes late.",
            NAMESPACE,
            "IndexLag",
            {"function": deployment.name("sweep")},
            INDEX_LAG_MS,
            minutes=3,
        ),
        "Tokens": _alarm(
            "More model tokens in an hour than expected.",
            NAMESPACE,
            f"{stage}-Tokens",
            {},
            ref("TokensPerHourAlarm"),
            statistic="Sum",
            period_s=3600,
        ),
    }
    for entry in WATCHED:
        name = {"FunctionName": deployment.name(entry)}
        made[f"{camel(entry)}Errors"] = _alarm(
            f"{entry} fails.", "AWS/Lambda", "Errors", name, 5, statistic="Sum", period_s=300, minutes=2
        )
    made["Throttles"] = _alarm(
        "Functions are throttled, of this stage or another: raise the account's concurrency.",
        "AWS/Lambda",
        "Throttles",
        {},
        0,
        statistic="Sum",
    )
    return made


def _alarm(
    text: str,
    namespace: str,
    metric: str,
    dimensions: dict[str, Any],
    above: Any,
    *,
    statistic: str = "Maximum",
    period_s: int = 60,
    minutes: int = 1,
) -> Resource:
    properties: dict[str, Any] = {
        "AlarmDescription": text,
        "Namespace": namespace,
        "MetricName": metric,
        "Statistic": statistic,
        "Period": period_s,
        "EvaluationPeriods": minutes,
        "Threshold": above,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [either("HasAlarmEmail", ref("Alarms"))],
    }
    if dimensions:
        properties["Dimensions"] = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


# The dashboard ------------------------------------------------------------------------------------------------------------


def _dashboard(deployment: Deployment) -> Resource:
    """A JSON text with the region in it; `${…}` is CloudFormation's."""
    names = {entry: deployment.name(entry) for entry in deployment.functions}
    stage = deployment.stage
    queues = [deployment.name(entry) for entry in LATER] + [deployment.name("failures")]
    charts = [
        ("Invocations", [["AWS/Lambda", "Invocations", "FunctionName", name] for name in names.values()], "Sum"),
        ("Errors", [["AWS/Lambda", "Errors", "FunctionName", name] for name in names.values()], "Sum"),
        ("Duration, 99th percentile (ms)", [["AWS/Lambda", "Duration", "FunctionName", name] for name in names.values()], "p99"),
        ("Age of the streams (ms)", [["AWS/Lambda", "IteratorAge", "FunctionName", names["on_change"]]], "Maximum"),
        (
            "Waiting messages",
            [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name] for name in queues],
            "Maximum",
        ),
        ("Sockets", [["AWS/ApiGateway", name, "ApiId", "${WebsocketAPI}"] for name in ("ConnectCount", "MessageCount")], "Sum"),
        ("Model tokens", [[NAMESPACE, f"{stage}-Tokens"]], "Sum"),
        (
            "Replies that failed, runs that are late",
            [[NAMESPACE, f"{stage}-{name}"] for name in ("FailedReplies", "OverdueRuns")],
            "Sum",
        ),
        ("Lag of indexes (ms)", [[NAMESPACE, "IndexLag", "function", names["sweep"]]], "Maximum"),
        ("DynamoDB: conflicts", [_per_table(deployment, spec.name, "TransactionConflict") for spec in deployment.specs], "Sum"),
        ("DynamoDB: throttles", [_per_table(deployment, spec.name, "ThrottledRequests") for spec in deployment.specs], "Sum"),
    ]
    widgets = [_widget(number, *chart) for number, chart in enumerate(charts)]
    return sub(json.dumps({"widgets": widgets}))


def _per_table(deployment: Deployment, table: str, metric: str) -> list[str]:
    return ["AWS/DynamoDB", metric, "TableName", deployment.name(table)]


def _widget(number: int, title: str, metrics: list[list[str]], statistic: str) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": 12 * (number % 2),
        "y": 6 * (number // 2),
        "width": 12,
        "height": 6,
        "properties": {"title": title, "metrics": metrics, "stat": statistic, "period": 60, "region": "${AWS::Region}"},
    }
