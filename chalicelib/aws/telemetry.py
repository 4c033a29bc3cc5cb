"""Structured logs and metrics of the Lambda functions, through Powertools. Quiet on a laptop.

Powertools' `Logger(service="concave")` *is* the standard logger "concave", so what the engine logs with plain `logging`
comes out as JSON too, with the request's ids on every line. Bodies and tokens are never logged.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from chalice.app import Chalice

from chalicelib.data.meters import LISTENED
from chalicelib.data.trace import listen, step, tracing

SERVICE = "concave"


def install(app: Chalice, load: Callable[[], Any], use: Callable[..., object]) -> None:
    """Add logging and metrics to every handler of the app, when it runs in Lambda (which sets these variables).

    Args:
        load: makes what the first call would make, where a snapshot is taken.
        use: drops it, but for the functions that were found (`aws/snapshot.py`).
    """
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        app.register_middleware(observer(os.environ["AWS_LAMBDA_FUNCTION_NAME"]), "all")
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        from chalicelib.aws import snapshot

        snapshot.install(load, use)


def observer(function: str) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """A middleware that counts and times every invocation (EMF: `Invocations`, `Failures`, `Duration`) and logs failures."""
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    logger = Logger(service=SERVICE)
    metrics = Metrics(namespace="Concave", service=SERVICE)
    metrics.set_default_dimensions(function=function)
    meters = Meters(function, os.environ["STAGE"])
    LISTENED.addHandler(meters)
    LISTENED.setLevel(logging.DEBUG)
    spans = None
    if url := os.environ.get("TRACES_URL"):
        from chalicelib.aws.spans import Spans

        spans = Spans(url, function)
        listen(spans.take)

    def observe(event: Any, get_response: Callable[[Any], Any]) -> Any:
        found = identifiers(event.to_dict())
        logger.append_keys(function=function, **found)
        started = time.perf_counter()
        metrics.add_metric("Invocations", MetricUnit.Count, 1)
        try:
            with tracing(str(found.get("request_id", ""))), step(function):
                return get_response(event)
        except Exception:
            metrics.add_metric("Failures", MetricUnit.Count, 1)
            logger.exception("invocation failed")
            raise
        finally:
            metrics.add_metric("Duration", MetricUnit.Milliseconds, (time.perf_counter() - started) * 1000)
            metrics.flush_metrics()
            meters.flush()
            if spans is not None:
                spans.flush()
            logger.remove_keys(["function", *IDS])

    return observe


WHOLE = {"FailedPosts", "FunctionFaults", "StoreRefused", "StoreThrottled"}
"""What is measured of the whole stage too: an alarm watches one metric, and no function by itself."""


class Meters(logging.Handler):
    """Makes metrics of what the engine measures (`data/meters.py`), each with its one dimension beside the function's.

    Args:
        function: the function's name.
        stage: the stage, of which some are measured as a whole (`WHOLE`).
    """

    def __init__(self, function: str, stage: str) -> None:
        super().__init__(logging.DEBUG)
        self._function, self._stage = function, stage
        self._seen: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], list[float]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take one measurement in."""
        name, value, unit, org, by = record.meter  # type: ignore[attr-defined]
        self._seen.setdefault((name, unit, org, tuple(by.items())), []).append(value)

    def flush(self) -> None:
        """Write what this invocation has measured: counts as their sum, durations one by one."""
        seen, self._seen = self._seen, {}
        for (name, unit, org, by), values in seen.items():
            for value in [sum(values)] if unit == "Count" else values[:20]:
                self._write(name, unit, value, {"function": self._function, **dict(by)}, org)
            if name in WHOLE:
                self._write(name, unit, sum(values), {"stage": self._stage})

    @staticmethod
    def _write(name: str, unit: str, value: float, dimensions: dict[str, str], org: str = "") -> None:
        from aws_lambda_powertools.metrics import MetricUnit, single_metric

        with single_metric(name=name, unit=MetricUnit(unit), value=value, namespace="Concave") as metric:
            for dimension, of in dimensions.items():
                metric.add_dimension(name=dimension, value=of)
            if org:
                metric.add_metadata("org", org)


IDS = ("request_id", "connection_id", "message_id", "records", "first_sequence")


def identifiers(event: dict[str, Any]) -> dict[str, Any]:
    """What finds this event again: ids and counts, never content."""
    context = event.get("requestContext") or event.get("context") or {}
    records = event.get("Records") or []
    found = {
        "request_id": context.get("requestId") or event.get("id"),
        "connection_id": context.get("connectionId") or event.get("connectionId"),
        "message_id": context.get("messageId"),
        "records": len(records) or None,
        "first_sequence": records[0].get("dynamodb", {}).get("SequenceNumber") if records else None,
    }
    return {name: value for name, value in found.items() if value is not None}
