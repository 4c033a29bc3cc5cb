"""Requests of the Messages API: what is checked of them, how they are refused, and the blocks that they hold.

Names and error shapes follow the types of `anthropic` 2.11 and what was seen of the public API.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

VERSIONS = ("2026-10-21", "2023-06-01")
"""`anthropic-version`: what SDK 2 sends, and what older clients send."""
MAX_BREAKPOINTS = 4


def fresh_id(prefix: str) -> str:
    """An id as the API makes them: `msg_01…`, `req_01…`."""
    return f"{prefix}_01{secrets.token_hex(11)}"


def error_body(kind: str, message: str, request_id: str) -> dict[str, Any]:
    """The shape of every error, in a body or in an `event: error`."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


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
