"""JSON text from outside, looked at before it is read, and text that goes out, made whole.

Parsers recurse, so how deep a text nests is counted without them; and JavaScript's strings may hold half of a surrogate pair,
which no UTF-8 can carry.
"""

from __future__ import annotations

import math
import re
from typing import Any

LEVELS = 72
"""Values nest 64 levels; what stands around them in a frame or a request adds some."""
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|-?(?:NaN|Infinity)|-?\d[\d.eE+-]*|undefined', re.DOTALL)
_DIGITS = re.compile(r"\d{309}")
_NO_JSON = re.compile(r"NaN|Infinity|undefined")


def problem(text: str) -> str:
    """Why JSON text holds no values of ours, in a part of a sentence; empty where nothing is wrong that parsers stumble over.

    Linear, and never recursive: brackets are counted, numbers measured, outside of strings.
    """
    nests = text.count("[") + text.count("{") > LEVELS
    if not nests and _DIGITS.search(text) is None and _NO_JSON.search(text) is None:
        return ""
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in ("{", "["):
            depth += 1
            if depth > LEVELS:
                return "its values nest too deep; 64 levels are the limit"
        elif mark in ("}", "]"):
            depth -= 1
        elif mark[0] != '"' and _beyond(mark):
            return f"{mark[:12]}{'…' if len(mark) > 12 else ''} is no number of a float64; write $float or $integer, or a text"
    return ""


def _beyond(mark: str) -> bool:
    """Whether a number, or what stands for one in JavaScript, has no float64."""
    try:
        return not math.isfinite(float(mark))
    except ValueError:  # `undefined`, or no number at all, which the parser will say
        return mark == "undefined"


def whole(text: str) -> str:
    """The text with both halves of a surrogate pair joined, and a half alone as U+FFFD (Unicode: replacement character)."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_value(value: Any) -> Any:
    """A JSON-like value with every text in it `whole`, keys too."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {whole(name) if isinstance(name, str) else name: whole_value(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [whole_value(part) for part in value]
    return value
