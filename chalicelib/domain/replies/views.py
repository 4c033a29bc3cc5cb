"""What a reader is told of a session, a message and a chunk: the shapes that clients see.

Fields that are absent are left out, so that a client's `field?: T` is true.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib.domain import answer_size
from chalicelib.domain.machines.workers import Answering
from chalicelib.schema import ChatChunk, ChatMessage, ChatSession, Status
from chalicelib.words import marked

SessionStatus = Literal["active", "idle", "terminated"]
Role = Literal["user", "assistant", "system", "tool"]


class SessionView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A session as its owner sees it. Times are milliseconds since the epoch."""

    session_id: str
    id: str = msgspec.field(name="_id")
    creation_time: float = msgspec.field(name="_creationTime")
    name: str
    status: SessionStatus
    user_id: str
    image_id: str
    """Its configuration (`images:get`), and what forks, edits and second tries go by."""
    created_at: float
    last_activity: float
    ready: bool
    """Whether a reply can be had now: at once where the model answers, else when the worker has said so."""
    model: str | None = None
    worker_id: str | None = None
    agent_session_id: str | None = None
    directory: str | None = None
    agent: str | None = None
    on_offline: Literal["reject"] | None = None
    worker: Answering | None = None
    """Who answers, where that is a worker; of `chat:getSession` alone."""
    cut: list[str] | None = None
    """Fields that are too long for the list; `chat:getSession` has them whole."""


class MessageView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One entry of the log. A reply has its content when it is `completed`; until then it arrives as chunks."""

    message_id: str
    session_id: str
    role: Role
    content: str
    completed: bool
    status: Status
    sequence: int
    timestamp: float
    model: str | None = None
    usage: dict[str, Any] | None = None
    reason: str | None = None
    """Why a reply failed, was aborted or was interrupted."""
    reasoning: str | None = None
    parts: list[Any] | None = None
    """Of a reply with tools, in order: `{type: "text" | "thinking", text}`, `{type: "tool_call", id, name, server, input}`,
    `{type: "tool_result", id, isError, content}`. Of a message with images: `{type: "image", mediaType, bytes}`."""
    superseded: bool | None = None
    """Whether it no longer counts: another reply stands for it, or its turn was rolled back."""
    cut: list[str] | None = None
    """Fields that are too long for one answer: of texts this is the beginning, `chat:getMessagePart` gives all of it."""


class ChunkView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A chunk of a reply that is being written."""

    chunk_id: str
    message_id: str
    sequence: int
    chunk: str
    timestamp: float
    part: dict[str, Any] | None = None
    """A tool was called (`tool_call`) or has answered (`tool_result`); the chunk is empty then."""


class ChunkText(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A chunk of a reply, for who follows the reply: without what such a reader knows."""

    sequence: int
    chunk: str
    part: dict[str, Any] | None = None
    """A tool was called (`tool_call`) or has answered (`tool_result`); the chunk is empty then."""


class Piece(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A piece of a text. The pieces in their order are the text."""

    text: str
    found: bool
    """It is what was searched for."""


class MessageHit(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A message that has the words."""

    message_id: str
    sequence: int
    role: Role
    timestamp: float
    excerpt: list[Piece]
    """Some 160 characters around the first of the words."""


class SessionHit(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A session that was found, by its name or by what was said in it."""

    session: SessionView
    name: list[Piece]
    messages: list[MessageHit]
    """The three that fit best."""


def pieces(text: str, words: list[str]) -> list[Piece]:
    """A text, with what was searched for set apart."""
    return [Piece(text=each, found=found) for each, found in marked(text, words)]


def session_view(session: ChatSession, worker: Answering | None = None) -> SessionView:
    """A session's document → what its readers see."""
    return SessionView(
        session_id=session.id,
        id=session.id,
        creation_time=session.creation_time,
        name=session.name or "New Chat",
        status=session.status,
        model=session.model,
        worker_id=session.worker_id,
        user_id=session.user_id or "",
        image_id=session.image_id,
        created_at=session.creation_time,
        last_activity=session.last_activity,
        agent_session_id=session.agent_session_id,
        ready=session.ready or session.worker_id is None,
        directory=session.directory,
        agent=session.agent,
        on_offline="reject" if session.on_offline == "reject" else None,
        worker=worker,
    )


def message_view(message: ChatMessage) -> MessageView:
    """A message's document → what its readers see, as it fits one answer."""
    return answer_size.shortened(whole_message(message))


def whole_message(message: ChatMessage) -> MessageView:
    """The same, whatever its size."""
    return MessageView(
        message_id=message.id,
        session_id=message.session_id,
        role=message.role,
        content=message.content,
        completed=message.completed,
        status=message.status,
        model=message.model,
        sequence=message.sequence,
        timestamp=message.timestamp,
        usage=message.usage,
        reason=message.reason,
        reasoning=message.reasoning,
        parts=message.parts,
        superseded=message.superseded or None,
    )


def chunk_view(chunk: ChatChunk) -> ChunkView:
    """A chunk's document → what its readers see."""
    return ChunkView(
        chunk_id=chunk.id,
        message_id=chunk.message_id,
        sequence=chunk.sequence,
        chunk=chunk.chunk,
        timestamp=chunk.timestamp,
        part=chunk.part,
    )


def chunk_text(chunk: ChatChunk) -> ChunkText:
    """A chunk's document → what who follows the reply is told."""
    return ChunkText(sequence=chunk.sequence, chunk=chunk.chunk, part=chunk.part)
