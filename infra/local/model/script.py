"""The scripted model's directives: what a person or a test writes into a message to make the model behave badly.

A line of the last message that starts with a slash is a directive; what remains is the question. Only the last text block of
the last user message counts: clients merge several user turns into one message, and an old directive must not act again.

| directive | effect |
|---|---|
| `/fail overloaded [times]` | 529 before anything is sent; with `times` only so often for this prompt, then the answer |
| `/fail rate_limited [seconds] [times]` | 429; `retry-after: seconds` (default 1) |
| `/fail invalid [times]` | 400; so also `unauthorized` 401, `forbidden` 403, `not_found` 404 |
| `/fail server [times]` | 500; so also `too_large` 413, `gateway` 504, `mcp` 400 |
| `/fail midstream [after] [times]` | after so many chunks (default 5) an `event: error` with `overloaded_error`, on a 200 |
| `/fail reset [after] [times]` | the TCP connection is reset (RST) |
| `/fail broken [after] [times]` | the connection ends inside a chunk |
| `/fail truncated [after] [times]` | the body ends cleanly, without `message_stop` |
| `/fail json [after] [times]` | an event whose JSON is cut off |
| `/fail stall [after] [times]` | nothing more comes, the connection stays open |
| `/fail refusal [after]` | stop reason `refusal` |
| `/fail empty` | an answer without content |
| `/max_tokens N` | stop reason `max_tokens` after N tokens |
| `/slow N` | the first token comes after N seconds; the start of the stream at once |
| `/silent N` | not a byte for N seconds |
| `/pace N` | N tokens a second; 0 is as fast as possible |
| `/think [words]` | a thinking block first, also without the request asking for one |
| `/say words` | exactly these words |
| `/repeat N words` | these words N times, a delta each |
| `/deltas ["a", "b"]` | exactly these deltas, halves of surrogate pairs as they are; `/thoughts [...]`: of a thought |
| `/tool name [words]` | the first MCP server's tool is called and answers these words, before anything is said; may be repeated |
| `/tool name {"json": 1}` | the same, called with this input; it answers `done` |
| `/tool_says name [json]` | the same, and it answers this content |
| `/tool_error name [words]` | the same, and the tool fails with these words |
| `/use name {"json": 1}` | the client's tool of this name is called, if the request offers it; may be repeated |
| `/insist` | a call of the client's tools that failed is asked again, for ever |
| `/pause` | the turn pauses after each tool (`pause_turn`); without a tool it pauses whenever it is asked |
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

STATUS_FAULTS: dict[str, tuple[int, str, str]] = {
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "rate_limited": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "invalid": (400, "invalid_request_error", "messages: a scripted failure"),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "forbidden": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "not_found": (404, "not_found_error", "model: no-such-model"),
    "too_large": (413, "request_too_large", "Request exceeds the maximum size"),
    "server": (500, "api_error", "Internal server error"),
    "mcp": (400, "invalid_request_error", "Invalid authorization token for MCP server 'scripted'."),
    "gateway": (504, "timeout_error", "The request timed out."),
}
"""What `/fail` can answer instead of a stream: status, the error's type, its message."""

STREAM_FAULTS = ("midstream", "reset", "broken", "truncated", "json", "stall", "refusal")
"""What `/fail` can do to a stream that has begun."""

DEFAULT_AFTER = 5
NUMBER = r"\d{1,9}(\.\d{1,9})?"


@dataclass(frozen=True)
class Call:
    """A tool that is called: its input, and what it answers."""

    name: str
    input: str
    answer: str | list[Any]
    fails: bool = False


@dataclass(frozen=True)
class Script:
    """What the last message orders. `times` 0 means always; times are in seconds.

    `question` is the message without its directives. `words` None: the model chooses what to say.
    """

    question: str = ""
    fault: str | None = None
    after: int = DEFAULT_AFTER
    times: int = 0
    retry_after: float | None = None
    max_tokens: int | None = None
    slow_s: float = 0.0
    silent_s: float = 0.0
    pace: float | None = None
    think: str | None = None
    words: str | None = None
    deltas: tuple[str, ...] | None = None
    thoughts: tuple[str, ...] | None = None
    tools: tuple[Call, ...] = ()
    uses: tuple[Call, ...] = ()
    insists: bool = False
    pauses: bool = False
    unknown: str | None = None


def parse(text: str) -> Script:
    """Read the directives of a message. A word that is none (`/shrug`) belongs to the question; a bad argument is reported."""
    script, rest = Script(), []
    for line in text.splitlines():
        found = re.match(r"\s*/([a-z_]+)\b[ \t]*(.*)", line)
        ordered = _apply(script, found[1], found[2].strip()) if found else None
        if ordered is None:
            rest.append(line)
        else:
            script = ordered
    return replace(script, question="\n".join(rest).strip())


def _apply(script: Script, word: str, rest: str) -> Script | None:
    """The script with one directive more; None when the word is no directive."""
    match word:
        case "fail":
            return _fail(script, rest)
        case "think":
            return replace(script, think=rest)
        case "say":
            return replace(script, words=rest)
        case "repeat":
            return _repeat(script, rest)
        case "deltas" | "thoughts":
            return _deltas(script, word, rest)
        case "tool_says":
            return _says(script, rest)
        case "tool" | "tool_error":
            return replace(script, tools=(*script.tools, _call(rest, word == "tool_error")))
        case "use":
            return _use(script, rest)
        case "insist":
            return replace(script, insists=True)
        case "pause":
            return replace(script, pauses=True)
        case "max_tokens" | "slow" | "silent" | "pace":
            return _number(script, word, rest)
    return None


def _call(rest: str, fails: bool) -> Call:
    name, _, words = rest.partition(" ")
    if words.startswith("{") and words.endswith("}"):
        with suppress(ValueError, RecursionError):
            json.loads(words)
            return Call(name, words, "failed" if fails else "done", fails)
    answer = words or ("failed" if fails else "done")
    return Call(name or "tool", json.dumps({"words": answer}), answer, fails)


def _use(script: Script, rest: str) -> Script:
    name, _, given = rest.partition(" ")
    with suppress(ValueError, RecursionError):
        if name and isinstance(json.loads(given or "{}"), dict):
            return replace(script, uses=(*script.uses, Call(name, given or "{}", "")))
    return replace(script, unknown="/use takes a tool's name and a JSON object")


def _deltas(script: Script, word: str, rest: str) -> Script:
    with suppress(ValueError):
        given = json.loads(rest)
        if isinstance(given, list) and all(isinstance(each, str) for each in given):
            return replace(script, deltas=tuple(given)) if word == "deltas" else replace(script, thoughts=tuple(given))
    return replace(script, unknown=f"/{word} takes a JSON array of strings")


def _repeat(script: Script, rest: str) -> Script:
    number, _, words = rest.partition(" ")
    if not re.fullmatch(r"\d{1,6}", number):
        return replace(script, unknown="/repeat needs a number and words")
    return replace(script, deltas=(words,) * int(number))


def _says(script: Script, rest: str) -> Script:
    name, _, text = rest.partition(" ")
    with suppress(ValueError, RecursionError):
        content = json.loads(text)
        if isinstance(content, list):
            return replace(script, tools=(*script.tools, Call(name, "{}", content)))
    return replace(script, unknown="/tool_says takes a name and a JSON array")


def _number(script: Script, word: str, rest: str) -> Script:
    if not re.fullmatch(NUMBER, rest):
        return replace(script, unknown=f"/{word} needs a number")
    match word:
        case "max_tokens":
            return replace(script, max_tokens=int(float(rest)))
        case "slow":
            return replace(script, slow_s=float(rest))
        case "silent":
            return replace(script, silent_s=float(rest))
        case _:
            return replace(script, pace=float(rest))


def _fail(script: Script, rest: str) -> Script:
    name, *arguments = rest.split() or [""]
    if not all(re.fullmatch(NUMBER, argument) for argument in arguments):
        return replace(script, unknown=f"/fail {name} takes numbers")
    numbers = [float(argument) for argument in arguments]

    def given(at: int, default: float) -> float:
        return numbers[at] if at < len(numbers) else default

    if name == "rate_limited":
        return replace(script, fault=name, retry_after=given(0, 1), times=int(given(1, 0)))
    if name in STATUS_FAULTS:
        return replace(script, fault=name, times=int(given(0, 0)))
    if name in STREAM_FAULTS:
        return replace(script, fault=name, after=int(given(0, DEFAULT_AFTER)), times=int(given(1, 0)))
    if name == "empty":
        return replace(script, fault=name, words="")
    return replace(script, unknown=f"/fail {name} is unknown; ask me for help")


def usage() -> str:
    """The table above as the model tells it to a person."""
    rows = [line for line in (__doc__ or "").splitlines() if line.startswith("|")]
    return "\n".join(rows)
