"""Replies as the image engine tells them: events with the image's context, filtered by it.

Every event has its context; one that had none would reach nobody.
"""

from __future__ import annotations

from typing import Any

from chalicelib import QueryCtx
from chalicelib.domain import access, domains
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.domain.images.access import Owned, found
from chalicelib.schema import ChatMessage

TIMEOUTS = ("timeout", "deadline")
TOOLS = {"tool_call": ("tool_planned", "tool_executing"), "tool_result": ("tool_result_message",)}
"""The provider calls a tool as soon as the model has asked for it, so both are told at once."""
RETRIEVER = "retriever"
"""The system's server that finds sources."""
SENTENCES = {
    "GENERATION_ABORTED": "The reply was stopped.",
    "GENERATION_TIMEOUT": "The model did not answer in time.",
    "AGENTX_ERROR": "The reply could not be written.",
}
STATUSES = {"GENERATION_ABORTED": 499, "GENERATION_TIMEOUT": 504, "AGENTX_ERROR": 502}
"""What a request would have been answered that waits for its reply."""
HOPELESS = ("invalid_request", "unauthorized", "too_large", "refused", "mcp_error")
"""Reasons that the same question meets again (`recoverable`)."""


def category_of(message: ChatMessage) -> str:
    """Where a reply went wrong: reaching the model, the model, or what runs it."""
    if message.reason in ("connection", "truncated"):
        return "connection"
    return "driver" if message.status == "failed" and message.reason not in TIMEOUTS else "runtime"


def code_of(message: ChatMessage) -> str | None:
    """How a reply ended, in the image engine's words; None for an ordinary end."""
    if message.status == "aborted":
        return "GENERATION_ABORTED"
    if message.status in ("failed", "interrupted"):
        return "GENERATION_TIMEOUT" if message.reason in TIMEOUTS else "AGENTX_ERROR"
    return None


class ImageStream(reply_feed.Stream):
    """One image of one socket."""

    one: Owned

    def __init__(self, ctx: QueryCtx, image_id: str, first: int, cursor: dict[str, Any] | None) -> None:
        super().__init__(ctx, first, cursor)
        self.image_id = image_id

    def conversation(self) -> str | None:
        """The image's conversation, for its owner."""
        one = found(self.ctx, self.image_id)
        if one is None or access.reader(self.ctx) is None:
            return None
        self.one = one
        return one.conversation.id

    def said(self, entry: ChatMessage) -> None:
        """`user_message`, `system_message`, …"""
        self._tell(entry, f"{entry.role}_message", {"messageId": entry.id, "content": entry.content})

    def started(self, entry: ChatMessage) -> None:
        """`conversation_start` and `turn_request`; the model thinks until it says something."""
        for event in ("conversation_start", "turn_request", "thinking_start"):
            self._tell(entry, event, {"messageId": entry.id})

    def text(self, entry: ChatMessage, text: str) -> None:
        """`text_delta`; before the first one that the model responds."""
        if not self.cursor.get("responding"):
            self.cursor["responding"] = True
            self._tell(entry, "conversation_responding", {"messageId": entry.id})
        self._tell(entry, "text_delta", {"messageId": entry.id, "text": text})

    def tool(self, entry: ChatMessage, part: dict[str, Any]) -> None:
        """`tool_planned` and `tool_executing`, `tool_result_message`; what the retriever found is a `source_reference`."""
        asked: list[str] = self.cursor.get("sources", [])
        if part["type"] == "tool_call" and str(part.get("server")).lower() == RETRIEVER:
            self.cursor["sources"] = [*asked, part["id"]]
        for event in (
            *TOOLS[part["type"]],
            *(["source_reference"] if part["type"] == "tool_result" and part["id"] in asked else []),
        ):
            self._tell(entry, event, {"messageId": entry.id, **part})

    def ended(self, entry: ChatMessage) -> None:
        """`assistant_message`, or what went wrong; then `conversation_end`."""
        code = code_of(entry)
        if code == "GENERATION_ABORTED":
            self._tell(entry, "message_interrupted", {"messageId": entry.id, "content": entry.content})
        if code is not None:
            about = {"code": code, "message": SENTENCES[code], "reason": entry.reason, "status": STATUSES[code]}
            again = {"category": category_of(entry), "recoverable": entry.reason not in HOPELESS}
            self._tell(entry, "error_message", {"messageId": entry.id, **about, **again})
        else:
            usage = {"usage": entry.usage} if entry.usage is not None else {}
            self._tell(entry, "assistant_message", {"messageId": entry.id, "content": entry.content, **usage})
        self._tell(entry, "turn_response", {"messageId": entry.id, "status": entry.status})
        self._tell(entry, "conversation_end", {"messageId": entry.id, "status": entry.status})

    def _tell(self, entry: ChatMessage, event: str, data: dict[str, Any]) -> None:
        one = self.one
        context = {
            "containerId": domains.container_of(one.image.domain_id) if one.image.domain_id else None,
            "imageId": one.image.id,
            "agentId": agent_of(entry.id),
            "sessionId": one.session.id,
        }
        self.events.append({"event": event, "data": {**data, "timestamp": entry.timestamp, "context": context}})


def agent_of(message_id: str) -> str:
    """The handle of a reply: made of its id, and stored nowhere."""
    return f"agent_{message_id.removeprefix('msg-')}"
