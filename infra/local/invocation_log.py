"""One log line for each invocation: what it was, how long it took, what it committed, whom it reached.

The engine reports what it did with `logging` on "concave", as `extra` fields of DEBUG records; it does not know for which
request. `Gather` collects the fields of everything that is logged inside one invocation, and the invocation prints them.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FIELDS = ("path", "retries", "touched", "connections", "served", "posts")
"""The fields that are gathered. Numbers of several records are added up; of several paths the first one counts."""

_notes: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("notes", default=None)

_DOORS = {"app": "http", "ws_message": "ws", "on_change": "change", "run_job": "job", "generate": "reply"}


class Gather(logging.Handler):
    """Collects fields for the invocation that runs in this thread."""

    def emit(self, record: logging.LogRecord) -> None:
        """Add this record's fields."""
        notes = _notes.get()
        if notes is None:
            return
        for name in FIELDS:
            value = getattr(record, name, None)
            if isinstance(value, int):
                notes[name] = notes.get(name, 0) + value
            elif value is not None:
                notes.setdefault(name, value)


@contextmanager
def gathering() -> Iterator[dict[str, Any]]:
    """What is logged inside this block, gathered."""
    notes: dict[str, Any] = {}
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def line(function: str, event: Any, result: Any, ms: float, notes: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The level and the `extra` fields of the line about one invocation."""
    what = _what(function, event, notes)
    # A reply is some sixteen chunks a second: only commits that reached someone are news.
    quiet = function not in _DOORS or (function == "on_change" and not (what.endswith("commits") and notes.get("connections")))
    fields = {"door": _DOORS.get(function, "lambda"), "ms": ms, **notes, "path": what}
    if function == "app" and isinstance(result, dict):
        fields["status"] = result.get("statusCode")
    return (logging.DEBUG if quiet else logging.INFO), fields


def _what(function: str, event: Any, notes: dict[str, Any]) -> str:
    match function:
        case "app":
            words = [event["httpMethod"], event["path"], _field(event.get("body"), "path") or ""]
        case "ws_message":
            body = event.get("body")
            words = [_field(body, "type") or _field(body, "event") or _event(body), _field(body, "udfPath") or ""]
        case "on_change":
            words = [event["Records"][0]["eventSourceARN"].split("/")[1]]
        case _:
            words = [function, notes.get("path", "")]
    return " ".join(filter(None, words))


def _event(body: str | None) -> str:
    """The name of the event in a Socket.IO packet."""
    found = re.match(r'42[^\["]{0,64}\["([a-z:]{1,40})"', body or "")
    return found[1] if found else "?"


def _field(body: str | None, name: str) -> str | None:
    """A short text field of a JSON body. Nothing else of a body is ever logged."""
    try:
        value = json.loads(body or "null")
    except (ValueError, RecursionError):  # not ours to judge: the handler answers it
        return None
    found = value.get(name) if isinstance(value, dict) else None
    return found[:80] if isinstance(found, str) else None
