"""Sends the spans of an invocation to an OpenTelemetry collector (OTLP/HTTP with JSON, opentelemetry.io/docs/specs/otlp).

Loaded only where TRACES_URL is set. What cannot be sent is left out: a collector that is away costs an invocation at most
`PATIENCE_S`, and after that nothing for `QUIET_S`.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any
from urllib.request import Request, urlopen

from chalicelib.data.trace import Span

log = logging.getLogger("concave.spans")

PATIENCE_S = 1.0
QUIET_S = 30.0
MOST = 1000
"""Spans of one invocation that are sent; a fan-out to very many sockets has more posts."""


class Spans:
    """The spans of the invocation that runs.

    Args:
        url: the collector's address, with its path.
        function: the function's name, which is the service's in the trace.
    """

    def __init__(self, url: str, function: str) -> None:
        self._url, self._function = url, function
        self._seen: list[Span] = []
        self._not_before = 0.0

    def take(self, span: Span) -> None:
        """Keep one until the invocation ends."""
        if len(self._seen) < MOST:
            self._seen.append(span)

    def flush(self) -> None:
        """Send what there is. Never raises for what the network does."""
        seen, self._seen = self._seen, []
        if not seen or time.monotonic() < self._not_before:
            return
        body = json.dumps(request_of(self._function, seen)).encode()
        try:
            with urlopen(Request(self._url, body, {"content-type": "application/json"}), timeout=PATIENCE_S):  # noqa: S310 (a setting)
                pass
        except OSError as error:
            self._not_before = time.monotonic() + QUIET_S
            log.warning("%d spans could not be sent: %s", len(seen), error)


def request_of(service: str, spans: list[Span]) -> dict[str, Any]:
    """An ExportTraceServiceRequest in its JSON form: ids in hexadecimal, nanoseconds as text."""
    told = [
        {
            "traceId": each.trace,
            "spanId": each.id,
            "parentSpanId": each.parent,
            "name": each.name,
            "kind": 1,
            "startTimeUnixNano": str(each.started),
            "endTimeUnixNano": str(each.ended),
        }
        for each in spans
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "concave"}, "spans": told}]}]}
