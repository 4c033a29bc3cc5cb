"""What can still be read of a frame that cannot be read as a whole.

The official clients send a call again until it is answered, and a query set at every reconnect. So a frame with an argument
that is no JSON value, nests without end or holds a number of 400 digits is not a reason to close a connection: the client
would come back with the same frame, for ever. What names the call or the query stands at the top of the frame and is found
here by counting brackets, without reading what lies within; then that call, or that query, fails with a sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from chalicelib.data.json_text import problem
from chalicelib.live.messages import UNREADABLE, BadFrame, read_change

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]|[^\s{}\[\],:"]+', re.DOTALL)
_FIELD = re.compile(r'\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*(.*)', re.DOTALL)
_NUMBER = re.compile(r"\d{1,10}")


def fields(text: str) -> dict[str, str]:
    """The names at the top of a JSON object → the text of their values, as far as brackets are balanced."""
    found: dict[str, str] = {}
    for part in _parts(text):
        match = _FIELD.fullmatch(part)
        if match is not None:
            found[match[1][1:-1]] = match[2].strip()
    return found


def number(text: str | None) -> int | None:
    """An id or a version of 32 bits, or None."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) and int(text) < 2**32 else None


def word(text: str | None) -> str:
    """A string that can be read, or nothing."""
    try:
        read = json.loads(text) if text is not None and len(text) <= 1024 else ""
    except ValueError:
        return ""
    return read if isinstance(read, str) else ""


def fault(error: BadFrame) -> str:
    """The sentence that says why a frame, or a part of it, cannot be read."""
    return f"This frame cannot be read: {str(error)[:500]}."


def query_set(top: dict[str, str]) -> dict[str, Any] | None:
    """A ModifyQuerySet whose unreadable queries fail instead of itself; None where it does not even say which they are."""
    base, new = number(top.get("baseVersion")), number(top.get("newVersion"))
    changes = [_change(part) for part in _parts(top.get("modifications", ""))]
    if base is None or new is None or not top.get("modifications", "").startswith("[") or None in changes:
        return None
    return {"type": "ModifyQuerySet", "baseVersion": base, "newVersion": new, "modifications": changes}


def named(body: str) -> tuple[str, int | None, dict[str, Any] | None]:
    """What an unreadable frame names: its type, its request id, and the query set it would make (see `query_set`)."""
    top = fields(body)
    kind = word(top.get("type"))
    return kind, number(top.get("requestId")), query_set(top) if kind == "ModifyQuerySet" else None


def _change(text: str) -> dict[str, Any] | None:
    try:
        if wrong := problem(text):
            raise BadFrame(wrong)
        return read_change(text)
    except BadFrame as error:
        top = fields(text)
        query = number(top.get("queryId"))
        if query is None or word(top.get("type")) != "Add":
            return None
        return {"type": "Add", "queryId": query, "udfPath": word(top.get("udfPath")), "args": {UNREADABLE: fault(error)}}


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas of the outermost bracket."""
    depth = start = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in ("{", "["):
            depth += 1
            start = token.end() if depth == 1 else start
        elif mark in ("}", "]"):
            depth -= 1
        closed = depth == 0 and mark in ("}", "]")
        if closed or (mark == "," and depth == 1):
            part = text[start : token.start()].strip()
            start = token.end()
            if part:
                yield part
        if closed:
            return
