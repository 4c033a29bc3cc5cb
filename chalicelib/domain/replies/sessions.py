"""What the functions of chat sessions share: bounds of what is given and shown, whose sessions are listed, a page of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import access, answer_size
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies.views import (
    MessageHit,
    MessageView,
    SessionHit,
    message_view,
    pieces,
    session_view,
)
from chalicelib.schema import ChatChunk, ChatMessage, ChatSession, Conversation, Run
from chalicelib.words import asked_words, excerpt

T = TypeVar("T", bound=Struct)

ShortText = Annotated[str, Meta(min_length=1, max_length=200)]
Chunk = Annotated[str, Meta(max_length=32_000)]

LARGEST_CHUNK = 100_000
"""Bytes of a worker's chunk as JSON: it has to fit one message of a socket."""
PARTS = ("thinking", "tool_call", "tool_result", "plan")
LARGEST_PART = 16 * 1024
CHUNK_PAGE, LARGEST_CHUNK_PAGE = 8, 64
"""Chunks in one answer of `subscribeToChunks`. A watcher moves `after`, so a reply of n chunks costs n times half a page."""
MESSAGE_PAGE, LARGEST_MESSAGE_PAGE = 50, 200
LISTED_SESSIONS = 100
FOUND_SESSIONS, LARGEST_FOUND = 20, 50
MESSAGES_COMPARED, MESSAGES_SHOWN = 50, 3
"""Messages that one search takes, the best first, and that it shows of one session."""
MOST_WORDS = 16
KEY_LIFE_MS = 14 * 24 * 3600 * 1000


def writable(ctx: MutationCtx, session: ChatSession, message_id: str) -> Run:
    """The run of a reply that a worker may write to. Raises `Refused`."""
    run = access.run_of(ctx, session, message_id)
    if run is None:
        raise Refused("MessageNotFound", "Message not found")
    if run.state in lifecycle.TERMINAL or run.read_epoch is not None:
        raise Refused("ReplyEnded", "This reply has ended; nothing can be added to it.")
    return run


def check_chunk(chunk: str) -> None:
    """What a worker writes at once fits an answer. Raises `Refused`: ChunkTooLarge."""
    found = answer_size.weight(chunk)
    if found > LARGEST_CHUNK:
        raise Refused(
            "ChunkTooLarge", f"A chunk has at most {LARGEST_CHUNK} bytes as JSON, not {found}; write two.", field="chunk"
        )


def check_part(part: dict[str, Any], chunk: str) -> None:
    """What a worker writes between its text is one of four kinds, and fits. Raises `Refused`: INVALID_PART, ChunkTooLarge."""
    if part.get("type") not in PARTS or chunk:
        rule = f"part: its type is one of {', '.join(PARTS)}, and the chunk beside it is empty."
        raise Refused("INVALID_PART", rule, field="part")
    found = answer_size.weight(part)
    if found > LARGEST_PART:
        raise Refused("ChunkTooLarge", f"part: at most {LARGEST_PART} bytes as JSON, not {found}; cut it.", field="part")


def message(ctx: QueryCtx, session: ChatSession, message_id: str) -> ChatMessage | None:
    """A message of this session."""
    conversation = ctx.db.get(Conversation, session.conversation)
    return by_id(ctx, conversation, message_id) if conversation is not None and message_id else None


def sessions_of(ctx: QueryCtx, worker_id: str | None) -> Any:
    """Where the caller's sessions are listed. A worker's list is read by that worker alone: its length and its cursors tell
    of others' sessions."""
    assert ctx.user is not None
    if worker_id and access.is_worker(ctx.user, worker_id):
        return ChatSession.by_worker(worker_id)
    return ChatSession.by_user(ctx.user.subject)


def listed(ctx: QueryCtx, session: ChatSession, worker_id: str | None) -> bool:
    """Whether a session belongs in the caller's list."""
    return access.sees(ctx.user, session) and worker_id in (None, session.worker_id)


def messages(ctx: QueryCtx, session_id: str, limit: int, before: int | None) -> list[MessageView]:
    """The newest messages of a session that fit one answer, `limit` at most, oldest first; [] for strangers."""
    session = access.visible(ctx, session_id)
    if session is None:
        return []
    wanted = ChatMessage.log(session.conversation)
    found = ctx.db.query(wanted if before is None else wanted.before(before)).newest().take(limit)
    return answer_size.beginning(map(message_view, found), answer_size.LIST_BYTES)[::-1]


def chunks(
    ctx: QueryCtx, session_id: str, message_id: str, after: int | None, limit: int, view: Callable[[ChatChunk], T]
) -> list[T]:
    """Chunks of a reply that fit one answer, in order: `limit` after a sequence number, or the newest. [] for strangers."""
    session = access.visible(ctx, session_id)
    run = None if session is None else access.run_of(ctx, session, message_id)
    if run is None:
        return []
    stream = ChatChunk.log(lifecycle.shown_stream(run))
    log = ctx.db.query(
        stream if after is None else stream.after(after)
    ).settled()  # chunks never change, the run vouches for them
    found = (log.newest() if after is None else log).take(limit)
    shown = answer_size.beginning(map(view, found), answer_size.LIST_BYTES)
    return shown[::-1] if after is None else shown


def found(ctx: QueryCtx, user_id: str, query: str, limit: int) -> list[SessionHit]:
    """A user's sessions that have all the words in their name, or in one message; best first, then the latest activity."""
    words = asked_words(query)[:MOST_WORDS]
    by_name = ctx.db.search(ChatSession.by_name(query, user_id=user_id, every=True), limit=limit)
    said = ctx.db.search(ChatMessage.by_words(query, reader=user_id, every=True), limit=MESSAGES_COMPARED)
    sessions: dict[str, ChatSession | None] = {hit.document.id: hit.document for hit in by_name}
    scores = {hit.document.id: hit.score for hit in by_name}
    best, messages = dict[str, float](), dict[str, list[MessageHit]]()
    for hit in said:
        message: ChatMessage = hit.document
        name = message.session_id
        if name not in sessions:
            sessions[name] = ctx.db.get(ChatSession, name)
        shown = messages.setdefault(name, [])
        if message.superseded or len(shown) == MESSAGES_SHOWN:
            continue
        best.setdefault(name, hit.score)
        told = pieces(excerpt(message.content, words), words)
        about: dict[str, Any] = {"message_id": message.id, "role": message.role, "timestamp": message.timestamp}
        shown.append(MessageHit(sequence=message.sequence, excerpt=told, **about))
    ranked = [
        (scores.get(name, 0.0) + best.get(name, 0.0), session)
        for name, session in sessions.items()
        if session is not None and session.user_id == user_id and (name in scores or name in best)
    ]
    ranked.sort(key=lambda pair: (-pair[0], -pair[1].last_activity))
    hits = [
        SessionHit(session=view, name=pieces(view.name, words), messages=messages.get(session.id, []))
        for _, session in ranked[:limit]
        for view in [session_view(session)]
    ]
    return answer_size.beginning(hits, answer_size.LIST_BYTES)
