"""The events that API Gateway hands to Lambda, built from what came over a real socket.

Shapes: "Input format of a Lambda function for proxy integration" (REST, format 1.0) and "$context variables" of WebSocket
APIs, in API Gateway's developer guide.
"""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

API_ID, STAGE = "local", "local"


@dataclass(frozen=True)
class Request:
    """An HTTP request. `target` is what the client sent (path and query); header names may be in small letters."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    peer: str = "127.0.0.1"

    def header(self, name: str) -> str | None:
        """The first header of this name (lower-case)."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def with_body(self, body: bytes) -> Request:
        """The same request, now that its body is here."""
        return replace(self, body=body)

    @property
    def path(self) -> str:
        """The path with duplicate slashes made one: `https://host/` as a deployment URL makes clients ask for `//api/…`."""
        return re.sub("/{2,}", "/", self.target.partition("?")[0] or "/")

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query parameters, in order."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @classmethod
    def from_wire(cls, method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]], peer: str) -> Request:
        """From the parser's bytes. A proxy-style target (`http://host/path`) loses its host: the Host header counts."""
        text = target.decode("latin-1")
        if "://" in text.partition("?")[0]:
            parts = urlsplit(text)
            text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        decoded = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        return cls(method.decode("latin-1"), text, decoded, peer=peer)


def rest_event(request: Request, resources: Iterable[str]) -> dict[str, Any]:
    """The proxy event of a REST API (format 1.0); `resources` are the app's route patterns."""
    resource = "/" if request.path == "/" and "/" in resources else "/{proxy+}"
    try:
        body, encoded = request.body.decode(), False
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(request.body).decode(), True
    query = request.query
    return {
        "resource": resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": _last(request.headers),
        "multiValueHeaders": _every(request.headers),
        "queryStringParameters": _last(query) or None,
        "multiValueQueryStringParameters": _every(query) or None,
        "pathParameters": {"proxy": request.path.lstrip("/")} if resource != "/" else None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": request.method,
            "path": f"/{STAGE}{request.path}",
            "protocol": "HTTP/1.1",
            **_context(request),
        },
        "body": body or None,
        "isBase64Encoded": encoded,
    }


def connect_event(request: Request, connection: str) -> dict[str, Any]:
    """`$connect`, with the asked path in the query, where the edge of the cloud puts it."""
    query = [*request.query, ("path", request.path)]
    return {
        "headers": _last(request.headers),
        "multiValueHeaders": _every(request.headers),
        "queryStringParameters": _last(query),
        "multiValueQueryStringParameters": _every(query),
        "requestContext": _socket_context(request, connection, "$connect", "CONNECT"),
        "isBase64Encoded": False,
    }


def message_event(request: Request, connection: str, text: str) -> dict[str, Any]:
    """`$default`: one text message."""
    context = _socket_context(request, connection, "$default", "MESSAGE")
    return {"requestContext": {**context, "messageId": _id()}, "body": text, "isBase64Encoded": False}


def disconnect_event(request: Request, connection: str, code: int, reason: str) -> dict[str, Any]:
    """`$disconnect`, with the close code."""
    context = _socket_context(request, connection, "$disconnect", "DISCONNECT")
    return {
        "headers": _last(request.headers),
        "multiValueHeaders": _every(request.headers),
        "requestContext": {**context, "disconnectStatusCode": code, "disconnectReason": reason},
        "isBase64Encoded": False,
    }


def _socket_context(request: Request, connection: str, route: str, kind: str) -> dict[str, Any]:
    return {
        **_context(request),
        "routeKey": route,
        "eventType": kind,
        "messageDirection": "IN",
        "connectionId": connection,
    }


def _context(request: Request) -> dict[str, Any]:
    return {
        "apiId": API_ID,
        "stage": STAGE,
        "accountId": "000000000000",
        "domainName": request.header("host") or "",
        "requestId": str(uuid.uuid4()),
        "extendedRequestId": _id(),
        "requestTimeEpoch": int(time.time() * 1000),
        "identity": {"sourceIp": request.peer, "userAgent": request.header("user-agent")},
    }


def _id() -> str:
    return base64.b64encode(uuid.uuid4().bytes[:11]).decode()


def _last(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return dict(pairs)


def _every(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
