"""Events as AWS sends them, field by field: API Gateway (REST proxy, WebSocket), EventBridge, SQS, DynamoDB Streams.

Shapes: "Lambda proxy integrations in API Gateway" (format 1.0), "Set up a WebSocket API integration request", "Using Lambda
with Amazon SQS", "DynamoDB Streams and AWS Lambda triggers", "EventBridge scheduled events". Identifiers are made up.
"""

from __future__ import annotations

import base64
import json
from typing import Any

HOST = "abcdef1234.execute-api.us-east-1.amazonaws.com"


def rest(method: str, path: str, body: Any = None, *, binary: bool = False, **headers: str) -> dict[str, Any]:
    """A REST API's proxy event, through CloudFront."""
    sent = {
        "Accept": "*/*",
        "CloudFront-Forwarded-Proto": "https",
        "content-type": "application/json",
        "Host": HOST,
        "User-Agent": "Amazon CloudFront",
        "Via": "2.0 d111111abcdef8.cloudfront.net (CloudFront)",
        "X-Amzn-Trace-Id": "Root=1-6920a1b2-0123456789abcdef01234567",
        "X-Forwarded-For": "203.0.113.7, 130.176.130.1",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
        **headers,
    }
    text = None if body is None else json.dumps(body)
    if binary and text is not None:
        text = base64.b64encode(text.encode()).decode()
    resource = "/" if path == "/" else "/{proxy+}"
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None if path == "/" else {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "q1w2e3",
            "resourcePath": resource,
            "httpMethod": method,
            "extendedRequestId": "TQ5rLGOJoAMEXAMPLE=",
            "requestTime": "21/Nov/2026:01:02:03 +0000",
            "path": f"/api{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "api",
            "domainPrefix": "abcdef1234",
            "requestTimeEpoch": 1795222923000,
            "requestId": "11111111-2222-4333-8444-555555555555",
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": "130.176.130.1",
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": "Amazon CloudFront",
                "user": None,
            },
            "domainName": HOST,
            "apiId": "abcdef1234",
        },
        "body": text,
        "isBase64Encoded": binary,
    }


def _socket(connection: str, route: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "routeKey": route,
        "eventType": kind,
        "extendedRequestId": "TQ5rLGOJoAMEXAMPLE=",
        "requestTime": "21/Nov/2026:01:02:03 +0000",
        "messageDirection": "IN",
        "stage": "api",
        "connectedAt": 1795222923000,
        "requestTimeEpoch": 1795222923123,
        "identity": {"sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0"},
        "requestId": "TQ5rLGOJoAMEXAMPLE=",
        "domainName": HOST,
        "connectionId": connection,
        "apiId": "wxyz123456",
        **more,
    }


def socket_opens(connection: str, path: str, **headers: str) -> dict[str, Any]:
    """`$connect`, after the edge has put the path into the query."""
    sent = {
        "Host": HOST,
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "X-Forwarded-Proto": "https",
        **headers,
    }
    return {
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {"path": path},
        "multiValueQueryStringParameters": {"path": [path]},
        "requestContext": _socket(connection, "$connect", "CONNECT"),
        "isBase64Encoded": False,
    }


def socket_says(connection: str, message: Any) -> dict[str, Any]:
    """`$default`."""
    context = _socket(connection, "$default", "MESSAGE", messageId="TQ5rLcfwoAMCJmQ=")
    return {"requestContext": context, "body": json.dumps(message), "isBase64Encoded": False}


def socket_closes(connection: str) -> dict[str, Any]:
    """`$disconnect`."""
    context = _socket(connection, "$disconnect", "DISCONNECT", disconnectStatusCode=1001, disconnectReason="Going away")
    sent = {"Host": HOST, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    return {
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def minute() -> dict[str, Any]:
    """A schedule of EventBridge."""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-21T01:02:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/concave-dev-TickTickEvent-1AB2C3D4E5F6"],
        "detail": {},
    }


def queued(queue: str, payload: Any) -> dict[str, Any]:
    """A delay queue's batch of one."""
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": json.dumps(payload),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1795222923000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1795222923010",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record]}


def streamed(table: str, *images: dict[str, Any]) -> dict[str, Any]:
    """A batch of a table's stream: inserts of these items, in DynamoDB's JSON."""
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/2026-11-21T00:00:00.000"
    return {
        "Records": [
            {
                "eventID": f"c4ca4238a0b923820dcc509a6f75849{number}",
                "eventName": "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1795222923.0,
                    "Keys": {name: image[name] for name in ("pk", "sk") if name in image},
                    "NewImage": image,
                    "SequenceNumber": f"4421584500000000017450439{number:03d}",
                    "SizeBytes": 26,
                    "StreamViewType": "NEW_IMAGE",
                },
                "eventSourceARN": arn,
            }
            for number, image in enumerate(images)
        ]
    }
