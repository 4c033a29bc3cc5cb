"""Lambda events in, plain values out. An event dict is translated here, at the door, and never travels further."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalicelib.aws.wire import item_from_wire
from chalicelib.data.meters import measure
from chalicelib.data.store import Change

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

Event = dict[str, Any]

# HTTP and WebSocket -------------------------------------------------------------------------------------------------------


def rest(event: Event) -> dict[str, Any]:
    """A REST proxy event as the fields of the HTTP door's request."""
    text = event.get("body") or ""
    return {
        "method": event["httpMethod"],
        "path": event["path"],
        "query": dict(event.get("queryStringParameters") or {}),
        "headers": _lower(event.get("headers")),
        "body": b64decode(text) if event.get("isBase64Encoded") else text.encode(),
        "peer": str(event["requestContext"].get("identity", {}).get("sourceIp", "")),
    }


def connection(event: Event) -> str:
    """Whose event it is."""
    return str(event["requestContext"]["connectionId"])


def opened(event: Event) -> tuple[str, str, dict[str, str], dict[str, str]]:
    """`$connect`: the connection, the path that the client asked for, its headers in lower case, the query.

    A stage has no sub-paths, so the edge puts the path into the query.
    """
    query = dict(event.get("queryStringParameters") or {})
    return connection(event), query.pop("path", "/"), _lower(event.get("headers")), query


def message(event: Event) -> tuple[str, str, int]:
    """`$default`: the connection, its text, and when API Gateway got it (ms since the epoch)."""
    return connection(event), event.get("body") or "", int(event["requestContext"].get("requestTimeEpoch", 0))


def _lower(headers: dict[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


# Invocations ----------------------------------------------------------------------------------------------------------------


def payload(event: Event) -> Event:
    """What `aws/invoke.py` handed over: the event itself, or the one message of a delay queue (their batches are of one)."""
    if "Records" not in event:
        return event
    (record,) = event["Records"]
    found: Event = json.loads(record["body"])
    return found


# Jobs -----------------------------------------------------------------------------------------------------------------------


def jobs(event: Event, run: Callable[[Event, int], object], context: Any) -> PartialItemFailureResponse | None:
    """One job: the payload itself, or messages of a delay queue that carry it. Only failed messages come again.

    `run` gets the payload and the milliseconds after which Lambda ends this invocation.
    """
    left_ms: Callable[[], int] = context.get_remaining_time_in_millis
    if "Records" not in event:
        run(event, left_ms())
        return None
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    def handle(record: SQSRecord) -> None:  # called by keyword: the name `record` is Powertools' rule
        run(json.loads(record.body), left_ms())

    return process_partial_response(event=event, record_handler=handle, processor=BatchProcessor(EventType.SQS))


# Streams --------------------------------------------------------------------------------------------------------------------


def on_change(b: Any, event: Event) -> PartialItemFailureResponse:
    """A batch of DynamoDB Streams to `b.changed`, whole: fan-out groups by connection, so records are not handled alone.

    Lambda retries from the lowest failed sequence number on. Left out: expiry by TTL (says nothing new to a subscriber,
    readers filter expired items), and puts that changed nothing (some engines report them, DynamoDB does not).
    """
    changes = [change for change in map(_change(b.settings.prefix), event["Records"]) if change is not None]
    written = [each["dynamodb"].get("ApproximateCreationDateTime") for each in event["Records"]]
    if any(written):  # in whole seconds, as AWS rounds it
        measure("FanOutLag", max(0.0, b.clock.now_ms() - 1000 * min(filter(None, written))), "Milliseconds")
    failed = b.changed(changes) if changes else []
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}


def _change(prefix: str) -> Callable[[Event], Change | None]:
    def translate(record: Event) -> Change | None:
        if record.get("userIdentity", {}).get("type") == "Service":
            return None
        images = record["dynamodb"]
        old, new = (None if image is None else item_from_wire(image) for image in map(images.get, ("OldImage", "NewImage")))
        if old == new:
            return None
        # arn:aws:dynamodb:region:account:table/NAME/stream/LABEL
        table = record["eventSourceARN"].split("/")[1].removeprefix(prefix)
        return Change(images["SequenceNumber"], table, old, new)

    return translate
