"""From the streams of the tables to `on_change`.

A stream keeps its records for a day and in order per item; Lambda asks it four times a second and invokes at least once.
What fails is split in halves until the bad record stands alone, tried again, and then put aside for people: a poisoned record
must not hold up everybody else's subscriptions for a day, which is what Lambda does when it is told nothing.
"""

from __future__ import annotations

import json

from infra.template.parts import Deployment, Resource, Resources, alias_id, att, ref
from infra.template.queues import FAILURES
from infra.template.tables import table_id

BATCH = 100
ATTEMPTS = 10
MAX_AGE_S = 3600
"""An hour: longer than an incident of a dependency, and connections are closed for good after two."""
AT_ONCE = 4
"""Batches of one shard that are worked on at once. Fan-out needs no order between items."""


def streams(deployment: Deployment) -> Resources:
    """One event source mapping per streamed table."""
    return {f"Stream{table_id(spec.name)}": _mapping(deployment, spec.name) for spec in deployment.specs if spec.stream}


def _mapping(deployment: Deployment, table: str) -> Resource:
    function = deployment.functions["on_change"]
    # Expiry says nothing new to a subscriber: readers filter what has expired.
    pattern = json.dumps({"eventName": ["INSERT", "MODIFY"]})
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "DependsOn": function.role,
        "Properties": {
            "EventSourceArn": att(table_id(table), "StreamArn"),
            "FunctionName": ref(alias_id(function.logical)),
            # From the oldest record: what is committed while the mapping is being made must be told too.
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": BATCH,
            "ParallelizationFactor": AT_ONCE,
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": ATTEMPTS,
            "MaximumRecordAgeInSeconds": MAX_AGE_S,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
            "DestinationConfig": {"OnFailure": {"Destination": att(FAILURES, "Arn")}},
        },
    }
