"""Replies as they are told to who has subscribed a session: `streaming-started` … `streaming-ended`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import QueryCtx
from chalicelib.domain import access
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.schema import ChatMessage, ChatSession, Conversation

CONTEXT_TOKENS = 200_000
"""What the provider's models take in at least; `token-budget` is told against it."""
FIRST_REPLY = 2
"""The entry of a conversation that is its first reply: the session is new then (`isNewSession`)."""
SENTENCES = {"failed": "The reply could not be written.", "interrupted": "The reply was cut off."}


def names(conversation: Conversation, session_id: str) -> dict[str, Any]:
    """What every event says of the conversation that it is about: exactly one of a task and an agent."""
    about = {"taskId": conversation.task, "agentId": conversation.cron_agent}
    given = {name: value for name, value in about.items() if value is not None}
    return {"conversationId": conversation.conversation_id, "sessionId": session_id, **given}


def streaming_ended(told: dict[str, Any], entry: ChatMessage) -> dict[str, Any]:
    """The event that a reply has ended. A reply that somebody stopped is no error."""
    data = {**told, "messageId": entry.id, "status": entry.status, "isError": entry.status in SENTENCES}
    return {"event": "streaming-ended", "data": data}


class SessionStream(reply_feed.Stream):
    """One session of one socket.

    Args:
        begun: replies of which the same socket was told that they begin, because it follows their task: conversation → entry.
    """

    names: dict[str, Any]

    def __init__(
        self, ctx: QueryCtx, session_id: str, first: int, cursor: dict[str, Any] | None, begun: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(ctx, first, cursor)
        self.session_id, self.begun = session_id, begun or {}

    def conversation(self) -> str | None:
        """The session's conversation, for its readers."""
        session: ChatSession | None = access.readable(self.ctx, self.session_id)
        conversation = self.ctx.db.get(Conversation, session.conversation) if session is not None else None
        if conversation is None:
            return None
        self.names = names(conversation, self.session_id)
        return conversation.id

    def started(self, entry: ChatMessage) -> None:
        """`streaming-started`; of a new conversation also that it and its session are there, once."""
        if self.begun.get(entry.conversation) != entry.sequence:
            self._tell("streaming-started", messageId=entry.id)
        if entry.sequence == FIRST_REPLY:
            self._tell("conversation-created")
            self._tell("session-created")
        self._status("Thinking")

    def text(self, entry: ChatMessage, text: str) -> None:
        """`claude-response` with a chunk of text."""
        self._status("Writing")
        delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
        self._tell("claude-response", messageId=entry.id, data=delta)

    def tool(self, entry: ChatMessage, part: dict[str, Any]) -> None:
        """`claude-response` with what a tool was asked, or answered."""
        self._status(f"Using {part['name']}" if part["type"] == "tool_call" else "Thinking")
        kind = {"tool_call": "tool_use", "tool_result": "tool_result"}[part["type"]]
        self._tell("claude-response", messageId=entry.id, data={**part, "type": kind})

    def ended(self, entry: ChatMessage) -> None:
        """`claude-complete`, or `claude-error` for who waits for a reply that failed; then `streaming-ended`."""
        # A worker's own counts may have other names, and more than numbers.
        usage = {name: count for name, count in (entry.usage or {}).items() if isinstance(count, int | float)}
        if usage:
            self._status("Done", tokens=int(usage.get("outputTokens", 0)), can_interrupt=False)
            self._tell("token-budget", used=sum(usage.values()), total=CONTEXT_TOKENS)
        new = entry.sequence == FIRST_REPLY
        if entry.status == "completed":
            self._tell("claude-complete", messageId=entry.id, exitCode=0, isNewSession=new)
        elif entry.status in SENTENCES:
            self._tell("claude-error", messageId=entry.id, error=SENTENCES[entry.status], reason=entry.reason)
        self.events.append(streaming_ended(self.names, entry))

    def _status(self, text: str, *, tokens: int = 0, can_interrupt: bool = True) -> None:
        """`claude-status`, where it changes. How many tokens a reply has is known when the provider has counted them."""
        if self.cursor.get("status") == text:
            return
        self.cursor["status"] = text
        self._tell("claude-status", tokens=tokens, text=text, can_interrupt=can_interrupt)

    def _tell(self, event: str, **data: Any) -> None:
        self.events.append({"event": event, "data": {**self.names, **data}})
