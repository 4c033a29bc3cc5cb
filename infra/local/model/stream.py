"""One streamed answer of the scripted model: its blocks, its events, its pace, and the fault that was ordered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from infra.local.model import answers as model_answers
from infra.local.model import client_tools, events
from infra.local.model import wire as model_wire
from infra.local.model.events import Part
from infra.local.model.prompt import InputUsage
from infra.local.model.script import Call, Script

HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "transfer-encoding": "chunked"}
PING_S = 0.25


@dataclass(frozen=True)
class Pace:
    """How fast it speaks. `tokens_per_s` 0: as fast as possible, without a pause before the first token."""

    tokens_per_s: float = 50.0
    first_token_s: float = 0.4


class Connection(Protocol):
    """As much of a request's connection as a stream needs."""

    request_id: str

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""

    def write(self, data: bytes, chunks: int = 0) -> None:
        """Send a part of the body, which holds so many chunks of the answer."""

    def finish(self, data: bytes) -> None:
        """Send the last part of the body, and its end."""

    def wait(self, seconds: float) -> None:
        """Let time pass, or raise because the client left."""

    def break_off(self, fault: str | None) -> None:
        """End the connection the way this fault does."""


class Stream:
    """Events in chunks, at a pace, with at most one ordered fault."""

    def __init__(self, connection: Connection, body: Mapping[str, Any], script: Script, fault: str | None) -> None:
        self._connection = connection
        self._body = body
        self._script = script
        self._fault = fault
        self._spoken = 0

    def run(self, parts: list[Part], reason: str, pace: Pace, priced: InputUsage) -> None:
        """Write it all."""
        connection = self._connection
        rate = pace.tokens_per_s if self._script.pace is None else self._script.pace
        connection.head(200, HEADERS)
        frame = events.message(self._body["model"], [], None, {**priced.fields(), "output_tokens": 1})
        self._write({"type": "message_start", "message": frame})
        self._think_it_over(self._script.slow_s or (pace.first_token_s if rate else 0.0))
        if self._speak(parts, 1 / rate if rate else 0.0):
            reason = "refusal" if self._fault == "refusal" else reason
            last = events.ending(reason, max(1, self._spoken), priced)
            connection.finish(b"".join(events.sse(event) for event in last))
        else:
            self._break()

    def _think_it_over(self, seconds: float) -> None:
        """The time before the first token; the API sends pings meanwhile."""
        while seconds > PING_S:
            self._connection.wait(PING_S)
            self._write({"type": "ping"})
            seconds -= PING_S
        self._connection.wait(seconds)

    def _speak(self, parts: list[Part], pause_s: float) -> bool:
        """The blocks. False when the ordered fault cut them off."""
        for event, speaks in self._events(parts):
            if speaks and self._fault is not None and self._spoken >= self._script.after:
                return self._fault == "refusal"
            self._write(event, int(speaks))
            if speaks:
                self._spoken += 1
                self._connection.wait(pause_s)
        return self._fault in (None, "refusal")

    def _events(self, parts: list[Part]) -> Iterator[tuple[dict[str, Any], bool]]:
        """(event, whether it carries a chunk of the answer)."""
        for index, part in enumerate(parts):
            yield events.opening(part, index), False
            if index == 0:
                yield {"type": "ping"}, False
            for chunk in part.chunks:
                yield events.delta(part, index, chunk), True
            for event in events.closing(part, index):
                yield event, False

    def _break(self) -> None:
        """Do what the fault orders; where the body ends, the connection ends with it or goes on as h11 says."""
        connection = self._connection
        match self._fault:
            case "midstream":
                error = model_wire.error_body("overloaded_error", "Overloaded", connection.request_id)
                connection.finish(events.sse(error))
            case "truncated":
                connection.finish(b"")
            case "json":
                connection.finish(b'event: content_block_delta\ndata: {"type":"content_block_delta","ind\n\n')
            case _:
                connection.break_off(self._fault)

    def _write(self, event: Mapping[str, Any], chunks: int = 0) -> None:
        self._connection.write(events.sse(event), chunks)


def compose(body: Mapping[str, Any], script: Script) -> tuple[list[Part], str]:
    """The blocks of an answer, cut to the tokens allowed, and the stop reason."""
    talk = model_answers.read(body, script.question)
    parts = []
    thinking = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    done = model_wire.continued(body)
    if script.thoughts is not None and not done:
        parts.append(Part("thinking", script.thoughts))
    elif (thinking or script.think is not None) and not done:
        parts.append(_part("thinking", script.think or model_answers.thoughts(talk)))
    if (use := client_tools.upcoming(body, script)) is not None:
        return [*parts, client_tools.called(use)], "tool_use"
    calls = script.tools if body.get("mcp_servers") else ()
    if script.pauses and calls and (answered := sum(block["type"] == "mcp_tool_result" for block in done)) < len(calls):
        return [*parts, *_tool(body["mcp_servers"][0]["name"], calls[answered])], "pause_turn"
    for call in () if done else calls:
        parts += _tool(body["mcp_servers"][0]["name"], call)
    told = client_tools.told(body, script)
    text = script.unknown or script.words
    text = (told or model_answers.answer(talk)) if text is None else text
    if script.deltas is not None:
        parts.append(Part("text", script.deltas))
    elif text:
        parts.append(_part("text", text))
    kept, reason = _cut(parts, min(body["max_tokens"], script.max_tokens or body["max_tokens"]))
    return kept, "pause_turn" if script.pauses and not calls else reason


def _tool(server: str, call: Call) -> list[Part]:
    """A call, whose input comes in chunks, and the answer, which comes whole."""
    number = model_wire.fresh_id("mcptoolu")
    asked: tuple[tuple[str, Any], ...] = (("id", number), ("name", call.name), ("server_name", server), ("input", {}))
    answer = [{"type": "text", "text": call.answer}] if isinstance(call.answer, str) else call.answer
    result = (("tool_use_id", number), ("is_error", call.fails), ("content", answer))
    half = len(call.input) // 2
    return [Part("mcp_tool_use", (call.input[:half], call.input[half:]), asked), Part("mcp_tool_result", (), result)]


def _part(kind: str, text: str) -> Part:
    """Word chunks: a space belongs to the word after it, and long words come in several."""
    return Part(kind, tuple(re.findall(r"\s*\S{1,6}|\s+", text)))


def _cut(parts: list[Part], allowed: int) -> tuple[list[Part], str]:
    kept: list[Part] = []
    for part in parts:
        if len(part.chunks) > allowed:
            return ([*kept, Part(part.kind, part.chunks[:allowed], part.block)] if allowed else kept), "max_tokens"
        kept.append(part)
        allowed -= len(part.chunks)
    return kept, "end_turn"
