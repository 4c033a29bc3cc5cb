"""How a reply can end: `Finished`, or `ModelFailed` with one of twelve reasons. Partial text is kept in either case.

| reason | what happened | again? |
|---|---|---|
| overloaded | 529, or `overloaded_error` in the middle of a reply | yes |
| rate_limited | 429 | yes |
| model_error | 5xx, `api_error`, an answer that cannot be read | yes |
| timeout | no byte for too long, at the start or later | yes |
| connection | no connection, or it broke | yes |
| truncated | the answer ended without `message_stop`; the SDK reports this as success | yes |
| deadline | our own time was up | yes |
| invalid_request | 400, 404: the request is wrong, an unknown model for instance | no |
| unauthorized | 401, 402, 403, or no key | no |
| too_large | 413, or a prompt beyond the model's context | no |
| refused | the model stopped with `refusal` | no |
| mcp_error | a server of tools cannot be reached or does not accept its token, or the operator keeps no such token | no |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from chalicelib.llm.chunks import Chunk

Reason = Literal[
    "overloaded",
    "rate_limited",
    "model_error",
    "timeout",
    "connection",
    "truncated",
    "deadline",
    "invalid_request",
    "unauthorized",
    "too_large",
    "refused",
    "mcp_error",
]
FINAL: frozenset[Reason] = frozenset({"invalid_request", "unauthorized", "too_large", "refused", "mcp_error"})
"""Asking again would end the same way."""

Usage = dict[str, int]
"""`inputTokens` (without the cached), `outputTokens`, `cacheReadTokens`, `cacheCreationTokens`. Always all four."""

PAUSED = "pause_turn"
"""The stop reason of a turn that the provider paused while a tool took long: the model goes on when it is asked again."""
TOOL_USE = "tool_use"
"""The stop reason of a turn in which the model wants tools used by who asked it, and goes on when it is told their answers."""
STOPPED = "stopped"
"""The stop reason of a reply that the caller stopped; every other one is the API's (`end_turn`, `max_tokens`, …)."""


def no_usage() -> Usage:
    """The usage of a request that cost nothing."""
    return {"inputTokens": 0, "outputTokens": 0, "cacheReadTokens": 0, "cacheCreationTokens": 0}


def add_usage(one: Usage, other: Usage) -> Usage:
    """What two requests cost together."""
    return {name: one[name] + other[name] for name in one}


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply is complete, or was stopped on request. Always the last event.

    `usage` is the API's count; for a stopped reply, whose final count never comes, `outputTokens` is estimated from the text.
    `blocks` are the whole answer as the API said it, only of a turn that was paused or wants tools used: it wants them back to
    go on.
    """

    stop_reason: str
    usage: Usage = field(default_factory=no_usage)
    blocks: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model's provider called for it (the MCP connector), or what that tool answered; without a server: a tool
    that the model wants used by who asked it."""

    kind: Literal["tool_call", "tool_result"]
    id: str
    name: str = ""
    server: str = ""
    input: Any = None
    content: Any = None
    is_error: bool = False

    @property
    def part(self) -> dict[str, Any]:
        """As a part of a message."""
        if self.kind == "tool_call":
            return {"type": "tool_call", "id": self.id, "name": self.name, "server": self.server, "input": self.input}
        return {"type": "tool_result", "id": self.id, "isError": self.is_error, "content": self.content}


Event = Chunk | Tool | Finished


class ModelFailed(Exception):
    """The reply ended early; what was yielded before stays valid.

    Args:
        reason: see the file's head.
        message: a sentence for people, without secrets.
        retryable: asking again later may help. Default: what the table says.
        usage: what the failed request cost, as far as it is known.
        retry_after_s: how long the server asked to be left alone.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        retryable: bool | None = None,
        usage: Usage | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason: Reason = reason
        self.message = message
        self.retryable = reason not in FINAL if retryable is None else retryable
        self.usage = no_usage() if usage is None else usage
        self.retry_after_s = retry_after_s
