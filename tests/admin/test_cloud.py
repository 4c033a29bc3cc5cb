"""Logs and the failure queue of a stage: AWS's side is moto (one thread) and a loopback server that is Lambda's Invoke."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from moto import mock_aws

from infra.admin import cloud
from infra.admin.__main__ import main

REGION = "us-east-1"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:concave-dev-"


class Functions(BaseHTTPRequestHandler):
    """`POST /2015-03-31/functions/{arn}/invocations`: notes the event; the function named `broken` fails."""

    asked: list[tuple[str, Any]]

    def do_POST(self) -> None:
        name = unquote(self.path).split("/functions/")[1].removesuffix("/invocations").removeprefix(ARN)
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((name, event))
        self.send_response(200)
        if name == "broken":
            self.send_header("X-Amz-Function-Error", "Unhandled")
        text = b'{"batchItemFailures": []}' if name == "on_change" else b"null"
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Any]]]:
    """What the functions of the stage `dev` were asked; all of AWS is this process."""
    found: list[tuple[str, Any]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Noting", (Functions,), {"asked": found}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL_LAMBDA": address,
        "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
        "STAGE": "dev",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws(config={"core": {"passthrough": {"urls": [f"{address}.*"]}}}):
        yield found
    server.shutdown()
    server.server_close()


def failures() -> tuple[Any, str]:
    sqs = boto3.client("sqs")
    return sqs, sqs.create_queue(QueueName="concave-dev-failures")["QueueUrl"]


def left(sqs: Any, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])


def test_a_failed_call_is_made_again_and_only_then_taken_out(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    sqs, url = failures()
    for function in ("run_job", "broken"):
        body = {"requestContext": {"functionArn": ARN + function}, "requestPayload": {"jobId": f"job-{function}", "org": "acme"}}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    sqs.send_message(QueueUrl=url, MessageBody="no failure of Lambda's")
    assert main(["replay"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {"replayed": 1, "left": 2}
    assert "failed again" in told.err
    assert "no failure that Lambda wrote" in told.err
    assert asked == [("run_job", {"jobId": "job-run_job", "org": "acme"}), ("broken", {"jobId": "job-broken", "org": "acme"})]
    assert left(sqs, url) == 2


def test_what_a_delay_queue_gave_up_goes_to_its_function(asked: list[Any]) -> None:
    """moto does not say which queue a message was given up by (`DeadLetterQueueSourceArn`); SQS does."""
    source = "arn:aws:sqs:us-east-1:123456789012:concave-dev-run_job"
    assert cloud.hand_over(boto3.client("lambda"), '{"jobId": "job-1", "org": "acme"}', source) is None
    assert asked == [("concave-dev-run_job:live", {"jobId": "job-1", "org": "acme"})]


def test_a_failed_batch_is_read_from_its_stream_again(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    tables, streams = boto3.client("dynamodb"), boto3.client("dynamodbstreams")
    made = tables.create_table(
        TableName="concave-dev-commits",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    for number in range(5):
        tables.put_item(TableName="concave-dev-commits", Item={"pk": {"S": f"acme|{number}"}, "raw": {"B": b"\x00\xff"}})
    arn = made["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    first = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    numbers = [each["dynamodb"]["SequenceNumber"] for each in streams.get_records(ShardIterator=first)["Records"]]
    batch = {"streamArn": arn, "shardId": shard, "startSequenceNumber": numbers[1], "endSequenceNumber": numbers[3]}
    sqs, url = failures()
    body = {"requestContext": {"functionArn": ARN + "on_change"}, "DDBStreamBatchInfo": batch}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    assert main(["replay"]) == 0
    assert json.loads(capsys.readouterr().out) == {"replayed": 1, "left": 0}
    ((function, event),) = asked
    assert function == "on_change"
    assert [each["dynamodb"]["NewImage"]["pk"]["S"] for each in event["Records"]] == ["acme|1", "acme|2", "acme|3"]
    assert {each["eventSourceARN"] for each in event["Records"]} == {arn}
    assert event["Records"][0]["dynamodb"]["NewImage"]["raw"] == {"B": "AP8="}
    assert left(sqs, url) == 0


def test_the_logs_of_all_functions_come_in_order(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    logs, now = boto3.client("logs"), int(time.time() * 1000)
    for number, function in enumerate(("ws_message", "on_change")):
        group = f"/aws/lambda/concave-dev-{function}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        events = [
            {"timestamp": now - 3_600_000, "message": "long ago"},
            {"timestamp": now - 5000 + number, "message": f"{number}"},
        ]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    logs.create_log_group(logGroupName="/aws/lambda/concave-prod-ws_message")
    assert main(["logs", "--minutes", "1"]) == 0
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [["ws_message", "0"], ["on_change", "1"]]


def test_there_is_no_stage_on_a_laptop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("STAGE", raising=False)
    assert main(["replay"]) == 1
    assert "STAGE names the stage" in capsys.readouterr().err
