"""Starts other Lambda functions of this backend: at once by asynchronous invocation, later through a delay queue."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chalicelib.runtime.ports import HandOverFailed
from chalicelib.settings import Settings

LONGEST_DELAY_S = 900
"""SQS's limit of `DelaySeconds`. Whatever is due later waits for the sweep, which hands it over again in time."""


class LambdaInvoker:
    """The backend's `Invoker`.

    Args:
        settings: the stage is part of the functions' names (`concave-<stage>-<entry point>`, as Chalice names them).
        env: FUNCTION_<ENTRY POINT> replaces such a name; INVOKE_ALIAS is the alias that is started, not the function itself;
            QUEUE_<ENTRY POINT> is the URL of an entry point's delay queue. The template sets the last two.
    """

    def __init__(self, settings: Settings, env: Mapping[str, str] = os.environ) -> None:
        self._prefix = f"concave-{settings.stage}-"
        self._alias = f":{alias}" if (alias := env.get("INVOKE_ALIAS")) else ""
        self._functions, self._queues = _named(env, "FUNCTION_"), _named(env, "QUEUE_")

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        """Start it now, without waiting for it."""
        name = self._functions.get(function, f"{self._prefix}{function}{self._alias}")
        with _handing_over(name):
            self._lambda.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(payload).encode())

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        """Start it after a delay: at least as long as asked, in whole seconds, at most 15 minutes.

        Raises:
            HandOverFailed: the platform refuses, or this entry point has no delay queue.
        """
        delay_s = min(LONGEST_DELAY_S, math.ceil(delay_ms / 1000))
        if delay_s <= 0:
            self.invoke(function, payload)
            return
        queue = self._queues.get(function)
        if queue is None:
            raise HandOverFailed(f"{function} has no delay queue: QUEUE_{function.upper()} is not set")
        with _handing_over(queue):
            self._sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(payload), DelaySeconds=delay_s)

    @functools.cached_property
    def _lambda(self) -> Any:
        return _client("lambda")

    @functools.cached_property
    def _sqs(self) -> Any:
        return _client("sqs")


@contextmanager
def _handing_over(target: str) -> Iterator[None]:
    """Botocore's errors as the port's, with AWS's own words."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise HandOverFailed(f"{target} could not be started: {error}") from error


def _client(service: Any) -> Any:
    """Made on first use: most invocations start nothing."""
    import boto3
    from botocore.config import Config

    return boto3.client(service, config=Config(retries={"total_max_attempts": 2}, connect_timeout=2, read_timeout=5))


def _named(env: Mapping[str, str], start: str) -> dict[str, str]:
    return {name.removeprefix(start).lower(): value for name, value in env.items() if name.startswith(start) and value}
