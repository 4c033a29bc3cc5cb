"""Alarms and a dashboard: what tells people that something is wrong before their users do."""

from __future__ import annotations

import json
from typing import Any

from infra.template.alarms import NAMESPACE, alarms
from infra.template.parts import Deployment, Resource, Resources, ref, sub
from infra.template.queues import LATER

WHOLE = ("FailedPosts", "FunctionFaults", "StoreRefused", "StoreThrottled")
"""What `aws/telemetry.py` measures of the whole stage."""

LOG_METRICS = {
    "Tokens": ("generate", '{ $.message = "reply ended" }', "$.tokens"),
    "ReplyFailures": ("generate", '{ $.message = "reply ended" && $.state = "failed" }', "1"),
    "ReplySuccesses": ("generate", '{ $.message = "reply ended" && $.state != "failed" }', "0"),
    "FailedReplies": ("generate", '{ $.message = "reply ended" && $.state = "failed" }', "1"),
    "OverdueRuns": ("sweep", '{ $.message = "runs overdue" }', "$.overdue"),
}
"""Metrics read from log lines: name, function, pattern, value."""
ONE_METRIC = {"ReplySuccesses": "ReplyFailures"}
"""Filters that write another's metric: its average is the share of replies that failed."""


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
    return made | alarms(deployment)


def _log_metric(deployment: Deployment, name: str, entry: str, pattern: str, value: str) -> Resource:
    transformation = {
        "MetricNamespace": NAMESPACE,
        "MetricName": f"{deployment.stage}-{ONE_METRIC.get(name, name)}",
        "MetricValue": value,
    }
    group = ref(f"{deployment.functions[entry].logical}Logs")
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {"LogGroupName": group, "FilterPattern": pattern, "MetricTransformations": [transformation]},
    }


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
        (
            "Sockets",
            [
                ["AWS/ApiGateway", name, "ApiId", "${WebsocketAPI}"]
                for name in ("ConnectCount", "MessageCount", "ExecutionError", "IntegrationError")
            ],
            "Sum",
        ),
        ("HTTP", [["AWS/ApiGateway", name, "ApiName", deployment.name("http")] for name in ("Count", "5XXError")], "Sum"),
        ("Time to the first token (ms)", [[NAMESPACE, "FirstToken", "function", names["generate"]]], "p90"),
        ("From a commit to its fan-out (ms)", [[NAMESPACE, "FanOutLag", "function", names["on_change"]]], "p90"),
        ("Model tokens", [[NAMESPACE, f"{stage}-Tokens"]], "Sum"),
        ("Share of replies that failed", [[NAMESPACE, f"{stage}-ReplyFailures"]], "Average"),
        ("Replies that failed, runs late", [[NAMESPACE, f"{stage}-{name}"] for name in ("FailedReplies", "OverdueRuns")], "Sum"),
        ("Of the whole stage", [[NAMESPACE, name, "stage", stage] for name in WHOLE], "Sum"),
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
