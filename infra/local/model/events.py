"""The events of a streamed message, and the message that comes whole."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.model.prompt import InputUsage
from infra.local.model.wire import fresh_id


def sse(event: Mapping[str, Any]) -> bytes:
    """One event of a stream. The `event:` line is mandatory: the SDK skips events without it.

    Half of a surrogate pair, which UTF-8 cannot carry, is written as JSON's escape.
    """
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Part:
    """One content block of an answer, in the chunks in which it will be streamed."""

    kind: str  # "thinking", "text", "tool_use", "mcp_tool_use" or "mcp_tool_result"
    chunks: tuple[str, ...]
    block: tuple[tuple[str, Any], ...] = ()
    """Of a tool: its block's further fields."""

    @property
    def text(self) -> str:
        """The whole block."""
        return "".join(self.chunks)


def message(model: str, content: list[dict[str, Any]], stop_reason: str | None, usage: Mapping[str, Any]) -> dict[str, Any]:
    """A message: the answer of a request that does not stream, or the empty frame inside `message_start`."""
    return {
        "id": fresh_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": dict(usage),
    }


def content_of(parts: list[Part]) -> list[dict[str, Any]]:
    """Whole content blocks, for a request that does not stream."""
    return [
        {"type": "thinking", "thinking": part.text, "signature": signature(part.text)}
        if part.kind == "thinking"
        else {"type": part.kind, **dict(part.block), "input": json.loads(part.text)}
        if part.kind == "tool_use"
        else {"type": part.kind, **dict(part.block)}
        if part.block
        else {"type": "text", "text": part.text}
        for part in parts
    ]


def signature(thinking: str) -> str:
    """Opaque to clients, as the real one."""
    return base64.b64encode(hashlib.sha512(thinking.encode("utf-8", "surrogatepass")).digest()).decode()


def opening(part: Part, index: int) -> dict[str, Any]:
    """`content_block_start`."""
    if part.block:
        return {"type": "content_block_start", "index": index, "content_block": {"type": part.kind, **dict(part.block)}}
    empty = {"type": "text", "text": ""} if part.kind == "text" else {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "content_block_start", "index": index, "content_block": empty}


def delta(part: Part, index: int, chunk: str) -> dict[str, Any]:
    """`content_block_delta` with the next chunk."""
    if part.block:
        said = {"type": "input_json_delta", "partial_json": chunk}
        return {"type": "content_block_delta", "index": index, "delta": said}
    said = {"type": "text_delta", "text": chunk} if part.kind == "text" else {"type": "thinking_delta", "thinking": chunk}
    return {"type": "content_block_delta", "index": index, "delta": said}


def closing(part: Part, index: int) -> list[dict[str, Any]]:
    """`content_block_stop`, after the signature that ends a thinking block."""
    stop = {"type": "content_block_stop", "index": index}
    if part.kind == "text" or part.block:
        return [stop]
    signed = {"type": "signature_delta", "signature": signature(part.text)}
    return [{"type": "content_block_delta", "index": index, "delta": signed}, stop]


def ending(stop_reason: str, output_tokens: int, priced: InputUsage) -> list[dict[str, Any]]:
    """`message_delta`, whose counts are those of the whole message, and `message_stop`."""
    usage = {
        "input_tokens": priced.fresh,
        "cache_creation_input_tokens": priced.created,
        "cache_read_input_tokens": priced.read,
        "output_tokens": output_tokens,
    }
    change = {"stop_reason": stop_reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": change, "usage": usage}, {"type": "message_stop"}]
