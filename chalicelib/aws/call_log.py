"""The calls of a stage: each function writes a line a call to its log group, and an operator's question reads the groups.

Only where there are operators by key (DASHBOARD=on): a line a call costs what CloudWatch takes for it. Calls of the operators'
own functions are not written. Reading asks `logs:FilterLogEvents`, the newest span first, until enough is found.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from chalicelib.data.errors import Refused
from chalicelib.runtime.call_log import Call, call_of

MARK = "concave-call"
"""What a line of a call has, and no other."""
WRITERS = ("api", "ws_message", "ws_disconnect", "welcome", "on_change", "serve", "act", "run_job", "generate", "sweep")
"""Functions that run calls."""
SETTLED_MS = 5_000
"""A line is to be found so long after it was written, at the latest; what is followed is told after that."""
SPANS_S = (15, 60, 300, 3_600, 86_400)
"""How far back is looked for the last calls, one after the other, until there are enough."""
ONE_CALL_S = 14 * 86_400
"""So far back a Request ID is looked for."""
PATIENCE_S = 12.0
"""So long one question may take; what was found by then is the answer."""
PAGES = 20
KEPT_S = 10.0
"""So long the answer to a question serves those who ask the same: a page asks again and again."""
LINE_BYTES = 100_000
"""A line that would be longer is written without what the call said (CloudWatch takes 256 KB)."""


class CallLines(logging.Handler):
    """Writes a line a call to standard output, which is the function's log group; a handler of the logger `concave.calls`."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a call's line."""
        call = call_of(record, 0)
        if call is not None and not call.path.startswith("_system/"):
            sys.stdout.write(line_of(call) + "\n")


def line_of(call: Call) -> str:
    """A call as one line of JSON."""
    text = msgspec.json.encode({"mark": MARK, "call": call})
    if len(text) > LINE_BYTES:
        short = msgspec.structs.replace(call, lines=("[WARN] what this call said is too long for a line of the log",))
        text = msgspec.json.encode({"mark": MARK, "call": short})
    return text.decode()


def install() -> None:
    """Have every call of this process written."""
    calls = logging.getLogger("concave.calls")
    if not any(isinstance(each, CallLines) for each in calls.handlers):
        calls.addHandler(CallLines())
        calls.setLevel(logging.DEBUG)
        calls.propagate = False


class StageCalls:
    """Reads the calls of a stage.

    Args:
        prefix: how the names of its functions begin, `concave-<stage>-`.
        client: CloudWatch Logs'; made when it is first needed.
        now: seconds since the epoch.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        prefix: str,
        client: Any = None,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._groups = [f"/aws/lambda/{prefix}{entry}" for entry in WRITERS]
        self._client, self._now, self._pause = client, now, pause
        self._kept: tuple[float, Any, list[Call]] = (0.0, None, [])

    def since(self, number: int, most: int = 1_000, wait_s: float = 0.0) -> tuple[list[Call], int]:
        """See `KeptCalls`; the number is a moment (milliseconds), and the calls of one moment come together."""
        if number < 2:
            found = self.last(most)[::-1]
            return found, int(self._now() * 1000) - SETTLED_MS
        until = self._now() + wait_s
        while True:
            end = int(self._now() * 1000) - SETTLED_MS
            found = sorted(self._found(number + 1, end, "", until + PATIENCE_S), key=lambda call: call.number)
            if found or self._now() >= until:
                break
            self._pause(2.0)
        if len(found) > most:
            last = found[most - 1].number
            found = [call for call in found if call.number <= last]
            end = last
        return found, max(number, end)

    def last(self, most: int = 200, span_s: float | None = None, **wanted: Any) -> list[Call]:
        """See `KeptCalls`: of the last day, of one Request ID of the last two weeks."""
        asked = (most, span_s, tuple(sorted(wanted.items())))
        at, before, kept = self._kept
        if before == asked and self._now() < at + KEPT_S:
            return kept
        request = str(wanted.get("request") or "")
        found: dict[tuple[str, str, float], Call] = {}
        now, until = self._now(), self._now() + PATIENCE_S
        later = now
        for span in (ONE_CALL_S,) if request else SPANS_S if span_s is None else (span_s,):
            for call in self._found(int((now - span) * 1000), int(later * 1000) + 1, request, until):
                if all(str(text) in str(getattr(call, name)) for name, text in wanted.items()):
                    found[call.request, call.path, call.at] = call
            later = now - span
            if len(found) >= most or self._now() > until:
                break
        told = sorted(found.values(), key=lambda call: call.at, reverse=True)[:most]
        self._kept = (self._now(), asked, told)
        return told

    def _found(self, start: int, end: int, request: str, until: float) -> Iterator[Call]:
        """The calls of a span of time, of every group."""
        if start > end:
            return
        pattern = f'"{request}"' if request.isalnum() else f'"{MARK}"'
        for group in self._groups:
            yield from self._of(group, {"startTime": start, "endTime": end, "filterPattern": pattern}, until)

    def _of(self, group: str, asked: dict[str, Any], until: float) -> Iterator[Call]:
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._client = self._client or _logs()
        token: dict[str, str] = {}
        for _ in range(PAGES):
            try:
                page = client.filter_log_events(logGroupName=group, **asked, **token)
            except (BotoCoreError, ClientError) as error:
                if "ResourceNotFound" in str(error):  # a function that this app does not have
                    return
                raise Refused("LogsUnavailable", f"CloudWatch does not tell the log: {error}") from error
            yield from _calls(page["events"])
            if "nextToken" not in page or self._now() > until:
                return
            token = {"nextToken": page["nextToken"]}


def _calls(events: Sequence[dict[str, Any]]) -> Iterator[Call]:
    """The calls in a page of a log group: lines of anything else are none."""
    for event in events:
        try:
            line = msgspec.json.decode(event["message"], type=_Line)
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
        if line.mark == MARK:
            yield msgspec.structs.replace(line.call, number=int(event["timestamp"]))


class _Line(msgspec.Struct):
    mark: str
    call: Call


def _logs() -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client("logs", config=Config(retries={"total_max_attempts": 3}, connect_timeout=2, read_timeout=10))
