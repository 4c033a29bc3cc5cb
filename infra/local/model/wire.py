"""The Messages API as bytes: request checks, errors, the events of a stream, and what a prompt costs.

Block layout, names and error shapes follow the types of `anthropic` 2.11 and what was seen of the public API. The prompt cache
is modelled too: a prefix that was marked with `cache_control` before is read, not paid again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VERSIONS = ("2026-10-21", "2023-06-01")
"""`anthropic-version`: what SDK 2 sends, and what older clients send."""
CACHE_TTL_S = {"5m": 300.0, "1h": 3600.0}
MAX_BREAKPOINTS = 4


def count_tokens(text: str) -> int:
    """A token is about four characters."""
    return -(-len(text) // 4)


def fresh_id(prefix: str) -> str:
    """An id as the API makes them: `msg_01…`, `req_01…`."""
    return f"{prefix}_01{secrets.token_hex(11)}"


def error_body(kind: str, message: str, request_id: str) -> dict[str, Any]:
    """The shape of every error, in a body or in an `event: error`."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def sse(event: Mapping[str, Any]) -> bytes:
    """One event of a stream. The `event:` line is mandatory: the SDK skips events without it.

    Half of a surrogate pair, which UTF-8 cannot carry, is written as JSON's escape.
    """
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode("utf-8", "backslashreplace")


# Requests ---------------------------------------------------------------------------------------------------------------


class BadModelRequest(Exception):
    """The API would refuse this request; `status` and `kind` are the API's."""

    def __init__(self, message: str, status: int = 400, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


def check_headers(headers: Mapping[str, str]) -> None:
    """A key (either way of sending it) and a known version. Any key will do.

    Raises:
        BadModelRequest: 401 or 400.
    """
    bearer = headers.get("authorization", "")
    if not headers.get("x-api-key") and not (bearer.lower().startswith("bearer ") and bearer[7:].strip()):
        raise BadModelRequest("x-api-key header is required", 401, "authentication_error")
    version = headers.get("anthropic-version")
    if version is None:
        raise BadModelRequest("anthropic-version: header is required")
    if version not in VERSIONS:
        raise BadModelRequest(f'anthropic-version: "{version}" is not a valid version')


def check_body(body: Any, counting: bool = False) -> dict[str, Any]:
    """The rules of a request that a client is likely to break.

    Raises:
        BadModelRequest: 400, its message begins with the field.
    """
    if not isinstance(body, dict):
        raise BadModelRequest("The request body is not valid JSON")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise BadModelRequest("model: Field required")
    if not counting and (not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1):
        raise BadModelRequest("max_tokens: Input should be greater than or equal to 1")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadModelRequest("messages: at least one message is required")
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise BadModelRequest(f"messages.{at}.role: Input should be 'user' or 'assistant'")
        if not blocks_of(message.get("content")):
            raise BadModelRequest(f"messages.{at}: all messages must have non-empty content")
    every = list(prompt_blocks(body))
    if any(block.get("type") == "text" and not str(block.get("text", "")) for _, block in every):
        raise BadModelRequest("messages: text content blocks must be non-empty")
    marked = sum("cache_control" in block for _, block in every)
    if marked > MAX_BREAKPOINTS:
        raise BadModelRequest(f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {marked}.")
    _check_thinking(body)
    _check_servers(body)
    for block in (block for _, block in every if block.get("type") == "image"):
        _check_image(block.get("source") or {})
    return body


def _check_thinking(body: Mapping[str, Any]) -> None:
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise BadModelRequest("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= body.get("max_tokens", budget + 1):
            raise BadModelRequest("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_servers(body: Mapping[str, Any]) -> None:
    """The MCP connector: each server is named by exactly one toolset."""
    named = [server.get("name") for server in body.get("mcp_servers") or []]
    used = [tool.get("mcp_server_name") for tool in body.get("tools") or [] if tool.get("type") == "mcp_toolset"]
    if sorted(map(str, named)) != sorted(map(str, used)):
        raise BadModelRequest("mcp_servers: each server must be referenced by exactly one mcp_toolset in tools")
    if any(
        server.get("type") != "url" or not str(server.get("url")).startswith("https://")
        for server in body.get("mcp_servers") or []
    ):
        raise BadModelRequest("mcp_servers: URL must start with https://")


def _check_image(source: Mapping[str, Any]) -> None:
    if source.get("type") != "base64" or source.get("media_type") not in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        raise BadModelRequest("messages: image.source.base64.media_type: Input should be a supported image type")
    try:
        base64.b64decode(source.get("data") or "", validate=True)
    except ValueError:
        raise BadModelRequest("messages: image.source.base64: invalid base64 data") from None


def continued(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the assistant has said already, where the prompt ends with it: a turn that was paused goes on."""
    last = body["messages"][-1]
    return blocks_of(last.get("content")) if last["role"] == "assistant" else []


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """The blocks of a `content` or `system` field, which may be a plain string."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def prompt_blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, block) of the whole prompt in the order in which the cache sees it: tools, system, messages."""
    for tool in body.get("tools") or []:
        yield "tools", tool
    for block in blocks_of(body.get("system")):
        yield "system", block
    for message in body["messages"]:
        for block in blocks_of(message.get("content")):
            yield message["role"], block


# What a prompt costs ----------------------------------------------------------------------------------------------------


def text_of(block: Mapping[str, Any]) -> str:
    """What of a block counts as prompt."""
    if block.get("type") in ("text", "thinking"):
        return str(block.get("text") or block.get("thinking") or "")
    return json.dumps({name: value for name, value in block.items() if name != "cache_control"}, sort_keys=True)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Tokens of the whole prompt; a few more for each message's frame."""
    return sum(count_tokens(text_of(block)) + 3 for _, block in prompt_blocks(body)) + 4


@dataclass(frozen=True)
class InputUsage:
    """The input side of `usage`; the three add up to the whole prompt."""

    fresh: int
    read: int
    created: int
    created_1h: int = 0

    def fields(self) -> dict[str, Any]:
        """As `message_start` says it."""
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.created,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.created - self.created_1h,
                "ephemeral_1h_input_tokens": self.created_1h,
            },
            "service_tier": "standard",
        }


class PromptCache:
    """Which prefixes were marked lately. The real one wants 1024 tokens or more in a prefix; here `least` may be 0."""

    def __init__(self, least: int = 0) -> None:
        self._least = least
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def price(self, body: Mapping[str, Any]) -> InputUsage:
        """What this prompt costs now; its marked prefixes are remembered."""
        now, total = time.monotonic(), prompt_tokens(body)
        read = marked = size = 0
        ttl = "5m"
        running = hashlib.sha256(body["model"].encode())
        with self._lock:
            self._until = {key: until for key, until in self._until.items() if until > now}
            entries: list[tuple[str, float]] = []
            for where, block in prompt_blocks(body):
                running.update(f"\0{where}\0{text_of(block)}".encode("utf-8", "surrogatepass"))
                size += count_tokens(text_of(block)) + 3
                key = running.copy().hexdigest()
                if key in self._until and size >= self._least:
                    read = size
                if (control := block.get("cache_control")) and size >= self._least:
                    marked, ttl = size, control.get("ttl", "5m")
                    entries.append((key, now + CACHE_TTL_S.get(ttl, 300.0)))
            self._until.update(entries)
        created = max(0, marked - read)
        return InputUsage(total - read - created, read, created, created if ttl == "1h" else 0)


# Streams ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One content block of an answer, in the chunks in which it will be streamed."""

    kind: str  # "thinking", "text", "mcp_tool_use" or "mcp_tool_result"
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
