"""Queues: what is due later, and what failed."""

from __future__ import annotations

from infra.template.parts import Deployment, Function, Resource, Resources, alias_id, att, camel, ref

LATER = ("serve", "run_job", "generate", "sweep")
"""Entry points that `aws/invoke.py` starts after a delay."""
BEFORE_GIVING_UP = 5
"""Receptions of a message before it goes to the failure queue."""
AT_ONCE = 100
"""Invocations that one delay queue starts at once: a wave of jobs waits there, and leaves the account to others."""
FAILURES = "FailureQueue"
_DAY_S = 24 * 3600


def queue_id(entry: str) -> str:
    """The logical id of an entry point's delay queue."""
    return f"Queue{camel(entry)}"


def queues(deployment: Deployment) -> Resources:
    """The failure queue; a delay queue per entry point of `LATER`, and what hands its messages to the function."""
    made: Resources = {
        FAILURES: {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": deployment.name("failures"),
                "MessageRetentionPeriod": 14 * _DAY_S,
                "SqsManagedSseEnabled": True,
            },
        }
    }
    for entry in LATER:
        function = deployment.functions[entry]
        made[queue_id(entry)] = _queue(deployment, function)
        made[f"{queue_id(entry)}Source"] = _source(function)
    return made


def _queue(deployment: Deployment, function: Function) -> Resource:
    # AWS advises six times the function's timeout, so that a message in work is not handed out twice. A sweep that could not
    # be run in time is worth nothing: the next one is on its way.
    sweep = function.entry == "sweep"
    properties = {
        "QueueName": deployment.name(function.entry),
        "VisibilityTimeout": function.timeout_s * 6,
        "MessageRetentionPeriod": 120 if sweep else _DAY_S,
        "SqsManagedSseEnabled": True,
    }
    if not sweep:
        properties["RedrivePolicy"] = {"deadLetterTargetArn": att(FAILURES, "Arn"), "maxReceiveCount": BEFORE_GIVING_UP}
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def _source(function: Function) -> Resource:
    # One message per invocation: each is a job of its own, and a failure returns that one alone.
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "DependsOn": function.role,
        "Properties": {
            "EventSourceArn": att(queue_id(function.entry), "Arn"),
            "FunctionName": ref(alias_id(function.logical)),
            "BatchSize": 1,
            "ScalingConfig": {"MaximumConcurrency": AT_ONCE},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    }
