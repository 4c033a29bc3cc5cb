"""What only a stage in AWS has: the logs of its functions, and its failure queue."""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.data.errors import BadRequest
from chalicelib.settings import Settings
from infra.template.parts import ALIAS


def client(service: Any) -> Any:
    """An AWS client, from the usual variables."""
    import boto3

    return boto3.client(service)


def logs(settings: Settings, asked: argparse.Namespace) -> int:
    """Print what the functions of the stage logged lately, oldest first."""
    prefix = f"/aws/lambda/concave-{_stage(settings)}-"
    since = int((time.time() - asked.minutes * 60) * 1000)
    try:
        aws = client("logs")
        groups = [
            group["logGroupName"]
            for page in aws.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
            for group in page["logGroups"]
        ]
        events = [
            (event["timestamp"], group.removeprefix(prefix), event["message"].rstrip())
            for group in groups
            for page in aws.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=since, filterPattern=asked.grep
            )
            for event in page["events"]
        ]
    except (ClientError, BotoCoreError) as error:
        return _fail(error)
    for at, function, message in sorted(events):
        moment = time.strftime("%H:%M:%S", time.gmtime(at / 1000))
        sys.stdout.write(f"{moment}  {function:<14}  {message}\n")
    return 0


def replay(settings: Settings, asked: argparse.Namespace) -> int:
    """Hand what failed for good to its function once more, oldest first; what works is taken out of the queue.

    A failed asynchronous call is its own payload, and so is a message that a delay queue gave up. A failed batch of a stream
    names the shard and the sequence numbers; its records are read from the stream, which keeps them for a day. Every handler
    may run twice, so replaying is harmless.
    """
    stage = _stage(settings)
    try:
        queue, call = client("sqs"), client("lambda")
        url = queue.get_queue_url(QueueName=f"concave-{stage}-failures")["QueueUrl"]
        done = failed = 0
        while done + failed < asked.limit:
            found = queue.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=120,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["DeadLetterQueueSourceArn"],
            )
            if not found.get("Messages"):
                break
            for message in found["Messages"]:
                problem = hand_over(call, message["Body"], message.get("Attributes", {}).get("DeadLetterQueueSourceArn"))
                if problem is None:
                    queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    done += 1
                else:
                    sys.stderr.write(f"admin: {message['MessageId']}: {problem}\n")
                    failed += 1
    except (ClientError, BotoCoreError) as error:
        return _fail(error)
    sys.stdout.write(json.dumps({"replayed": done, "left": failed}) + "\n")
    return 1 if failed else 0


def hand_over(call: Any, body: str, source: str | None) -> str | None:
    """Hand one message over; None when its function took it, else what went wrong. `source`: the queue that gave it up."""
    try:
        told = json.loads(body)
        if source is not None:  # a delay queue has the name of its function
            function, payload = f"{source.rpartition(':')[2]}:{ALIAS}", told
        else:
            function = told["requestContext"]["functionArn"]
            payload = told["requestPayload"] if "requestPayload" in told else _batch(told["DDBStreamBatchInfo"])
    except (ValueError, KeyError, TypeError):
        return f"this is no failure that Lambda wrote: {body[:200]}"
    if payload is None:
        return "the stream does not have these records any more; subscribers catch up at their next change"
    answer = call.invoke(
        FunctionName=function, InvocationType="RequestResponse", Payload=json.dumps(payload, default=_text).encode()
    )
    text = answer["Payload"].read().decode()
    if answer.get("FunctionError"):
        return f"{function} failed again: {text[:500]}"
    left = (json.loads(text or "null") or {}).get("batchItemFailures") if text.startswith("{") else None
    return f"{function} took only a part: {left}" if left else None


def _batch(batch: dict[str, Any]) -> dict[str, Any] | None:
    """The event of a batch, read from its stream again; None when the stream has dropped it."""
    streams, arn = client("dynamodbstreams"), batch["streamArn"]
    first, last = int(batch["startSequenceNumber"]), int(batch["endSequenceNumber"])
    try:
        place = streams.get_shard_iterator(
            StreamArn=arn,
            ShardId=batch["shardId"],
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch["startSequenceNumber"],
        )["ShardIterator"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("TrimmedDataAccessException", "ResourceNotFoundException"):
            return None
        raise
    records: list[dict[str, Any]] = []
    while place:
        page = streams.get_records(ShardIterator=place, Limit=1000)
        records += [each for each in page["Records"] if first <= int(each["dynamodb"]["SequenceNumber"]) <= last]
        reached = page["Records"] and int(page["Records"][-1]["dynamodb"]["SequenceNumber"]) >= last
        place = None if reached or not page["Records"] else page.get("NextShardIterator")
    for each in records:
        each["eventSourceARN"] = arn
        each["dynamodb"].pop("ApproximateCreationDateTime", None)
    return {"Records": records} if records else None


def _text(value: bytes) -> str:
    """Binary attributes travel in events as Base64."""
    return base64.b64encode(value).decode()


def _stage(settings: Settings) -> str:
    if settings.stage is None:
        raise BadRequest("STAGE names the stage in AWS; there is none on a laptop.", "NoStage")
    return settings.stage


def _fail(error: Exception) -> int:
    sys.stderr.write(f"admin: AWS: {error}\n")
    return 1
