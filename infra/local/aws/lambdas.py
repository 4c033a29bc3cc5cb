"""AWS Lambda on a laptop: the real `app.py` handlers, called with events, in threads.

* `call` waits for the answer (API Gateway, the stream pump), `invoke` hands over and returns (asynchronous invocation),
  `later` waits first (the delay queue), `every` repeats (EventBridge). One thread serves one invocation at a time, many
  run at once and in no particular order, as in the cloud.
* A Lambda process serves one event at a time, and Chalice counts on it: its request object is a plain attribute. Here many
  threads share the app, so `adopt` makes those attributes per thread and builds the middleware chains ahead.
* The code can be replaced while it runs (`reload.py`): new invocations wait at the gate for the moment of the exchange.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from chalice.app import Chalice, EventSourceHandler

from chalicelib.data.trace import step, tracing
from infra.local.invocation_log import gathering, line

log = logging.getLogger("concave.local")

CONCURRENCY = 1000
"""An account's default number of concurrent executions (Lambda quotas)."""

_CONFIGURED_AS = {
    "app": "api_handler",
    "ws_connect": "websocket_connect",
    "ws_message": "websocket_message",
    "ws_disconnect": "websocket_disconnect",
}
"""What `.chalice/config.json` calls the handlers that Chalice deploys under names of its own."""


@dataclass(frozen=True)
class Context:
    """The context object of one invocation: the attributes of Lambda's that anyone reads."""

    function_name: str
    timeout_s: float
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    memory_limit_in_mb: int = 1024
    started: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """An ARN of the right shape."""
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would end the invocation. Nothing ends it here: a thread cannot be killed."""
        return max(0, int((self.timeout_s - (time.monotonic() - self.started)) * 1000))


def timeouts(config: Path) -> dict[str, float]:
    """The timeout of each handler in seconds, from `.chalice/config.json` (Lambda's own default is 60 under Chalice)."""
    functions = json.loads(config.read_text()).get("lambda_functions", {})
    return {name: float(entry["lambda_timeout"]) for name, entry in functions.items() if "lambda_timeout" in entry}


class ProcessEnded(Exception):
    """An invocation did what ends a process (Lambda: `Runtime.ExitError`)."""


@dataclass(order=True)
class _Timer:
    due: float
    number: int
    start: Callable[[], object] = field(compare=False)
    every_s: float | None = field(compare=False, default=None)


class Lambdas:
    """The functions of one app, callable by name. Implements the backend's `Invoker`."""

    def __init__(self, module: Any = None, seconds: Mapping[str, float] | None = None, threads: int = CONCURRENCY) -> None:
        self._module = module
        self._timeouts = dict(seconds or {})
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lambda")
        self._gate = threading.Event()
        self._gate.set()
        self._numbers = itertools.count()
        self._timers: list[_Timer] = []
        self._wake = threading.Condition()
        self._stopped = False
        self._running, self._quiet = 0, threading.Condition()
        self._clock = threading.Thread(target=self._tick, name="timers", daemon=True)
        self._clock.start()

    # Code ---------------------------------------------------------------------------------------------------------------

    def adopt(self, module: ModuleType | Any) -> None:
        """Serve the handlers of this module from now on."""
        app = getattr(module, "app", None)
        if isinstance(app, Chalice):
            _make_safe_for_threads(app)
        self._module = module

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No invocation starts inside this block; those that run go on."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    # Calls --------------------------------------------------------------------------------------------------------------

    def call(self, function: str, event: Any) -> Any:
        """Invoke and wait, in the caller's thread. Returns what the handler returns; logs and raises what it raises."""
        self._gate.wait()
        name = _CONFIGURED_AS.get(function, function)
        context = Context(function, self._timeouts.get(name, 60.0))
        with self._counted(), gathering() as notes, tracing(context.aws_request_id), step(function):
            try:
                result = getattr(self._module, function)(event, context)
            except Exception:
                log.exception("%s failed", function, extra={"door": "lambda", "path": function})
                raise
            except BaseException as error:
                # There such an invocation ends its process, and the next one gets another; here all share one.
                log.exception("%s would have ended its process", function, extra={"door": "lambda", "path": function})
                raise ProcessEnded(f"{function}: {type(error).__name__}") from error
        level, fields = line(function, event, result, (time.monotonic() - context.started) * 1000, notes)
        log.log(level, "", extra=fields)
        return result

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._quiet:
            self._running += 1
        try:
            yield
        finally:
            with self._quiet:
                self._running -= 1
                self._quiet.notify_all()

    def submit(self, function: str, event: Any) -> Future[Any]:
        """Invoke in a thread of its own. The future has the handler's answer or its exception."""
        return self._pool.submit(self.call, function, event)

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        """Hand over and return; a failure is logged and not tried again. The payload crosses as JSON, as it would there."""
        if not self._stopped:
            self.submit(function, json.loads(json.dumps(payload)))

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        """`invoke` after this many milliseconds (to the millisecond, where the cloud's queue counts seconds)."""
        self._add(delay_ms / 1000, lambda: self.invoke(function, payload))

    def every(self, seconds: float, function: str) -> None:
        """Invoke on a schedule, with EventBridge's event; first after one interval."""
        self.repeat(seconds, lambda: self.invoke(function, _scheduled(function)))

    def repeat(self, seconds: float, work: Callable[[], object]) -> None:
        """Do something quick of the machinery's own on a schedule; first after one interval."""
        self._add(seconds, work, seconds)

    # Timers -------------------------------------------------------------------------------------------------------------

    def _add(self, delay_s: float, start: Callable[[], object], every_s: float | None = None) -> None:
        with self._wake:
            heapq.heappush(self._timers, _Timer(time.monotonic() + delay_s, next(self._numbers), start, every_s))
            self._wake.notify()

    def _tick(self) -> None:
        while True:
            with self._wake:
                if self._stopped:
                    return
                wait = self._timers[0].due - time.monotonic() if self._timers else None
                if wait is None or wait > 0:
                    self._wake.wait(wait)
                    continue
                timer = heapq.heappop(self._timers)
                if timer.every_s is not None:
                    heapq.heappush(self._timers, _Timer(timer.due + timer.every_s, timer.number, timer.start, timer.every_s))
            try:
                timer.start()
            except Exception:  # one timer must not end all the others
                log.exception("a timer failed")

    def finish(self, wait_s: float) -> bool:
        """Wait until nothing runs, for so long at most. Whether it was so."""
        with self._quiet:
            return self._quiet.wait_for(lambda: not self._running, max(0.0, wait_s))

    def stop(self, wait_s: float = 1.0) -> None:
        """Start nothing any more. Invocations that run get a moment to end; the others die with the process."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._gate.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._quiet:
            self._quiet.wait_for(lambda: not self._running, wait_s)


def _scheduled(function: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "local",
        "resources": [f"arn:aws:events:local:000000000000:rule/{function}"],
        "detail": {},
    }


def _make_safe_for_threads(app: Chalice) -> None:
    """See the head of this file. `configure` gives the WebSocket helper an endpoint, which Chalice wants before any event."""
    here = threading.local()

    def per_thread(name: str) -> property:
        return property(lambda _: getattr(here, name, None), lambda _, value: setattr(here, name, value))

    shared = {name: per_thread(name) for name in ("current_request", "lambda_context")}
    app.__dict__.pop("current_request", None)
    app.__dict__.pop("lambda_context", None)
    app.__class__ = type("ChaliceInThreads", (type(app),), dict(shared))
    app.websocket_api.configure("127.0.0.1", "local")
    for handler in app.handler_map.values():
        if isinstance(handler, EventSourceHandler) and handler.handler is None:
            handler.handler = handler._build_middleware_handlers(handler.middleware_handlers, handler.func)
