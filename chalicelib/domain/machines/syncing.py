"""The sessions of an agent's own program and those of the chat, brought together: a plan says what differs, and applying it twice
changes nothing more.

    renamed there, later than here          the chat's session is renamed
    renamed here                            the worker renames it there
    deleted there                           the chat's session says so; it goes on with a new one
    ended here                              the worker deletes it there
    made there                              a session of the worker's owner, with what was said so far
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx
from chalicelib.domain.conversations.opening import id_suffix, later, open_conversation
from chalicelib.schema import ChatMessage, ChatSession, Conversation, Worker

IMPORTED = 50
"""Sessions that one plan takes in, and messages of each."""
COMPARED = 200
"""The newest sessions of a worker that a plan looks at."""
NAME_CHARS = 200
Kind = Literal["rename", "renameInEngine", "deletedInEngine", "deleteInEngine", "import"]


class EngineSession(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A session as an agent's program lists it."""

    agent_session_id: Annotated[str, Meta(min_length=1, max_length=200)]
    title: Annotated[str, Meta(max_length=1000)]
    updated_at: float
    """Milliseconds since the epoch."""
    directory: Annotated[str, Meta(max_length=1000)] | None = None
    deleted: bool = False


class Entry(msgspec.Struct, rename="camel", kw_only=True):
    """Something that was said in a session that the chat did not know."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Meta(max_length=20_000)]


class SyncAction(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One difference. `renameInEngine` and `deleteInEngine` are the worker's to do, before it says that they are applied."""

    kind: Kind
    agent_session_id: Annotated[str, Meta(min_length=1, max_length=200)]
    session_id: Annotated[str, Meta(max_length=200)] | None = None
    name: Annotated[str, Meta(max_length=1000)] | None = None
    directory: Annotated[str, Meta(max_length=1000)] | None = None
    messages: Annotated[list[Entry], Meta(max_length=IMPORTED)] | None = None
    """Of an import: what was said so far, oldest first; the worker fills it in."""


class Planned(msgspec.Struct, rename="camel", kw_only=True):
    """What differs."""

    actions: list[SyncAction]


class Applied(msgspec.Struct, rename="camel", kw_only=True):
    """How many actions changed something."""

    applied: int


def plan(engine: Iterable[EngineSession], chats: Iterable[ChatSession]) -> list[SyncAction]:
    """What differs. A pure function: once its actions were applied on both sides it finds nothing."""
    there = {each.agent_session_id: each for each in engine}
    known = {each.agent_session_id: each for each in chats if each.agent_session_id}
    found = [action for own, chat in known.items() if (action := _of_known(there.get(own), chat)) is not None]
    new = [each for name, each in there.items() if name not in known and not each.deleted]
    newest = sorted(new, key=lambda each: -each.updated_at)[:IMPORTED]
    return found + [
        SyncAction(kind="import", agent_session_id=each.agent_session_id, name=_name(each.title), directory=each.directory)
        for each in newest
    ]


def _of_known(engine: EngineSession | None, chat: ChatSession) -> SyncAction | None:
    own: dict[str, Any] = {"agent_session_id": chat.agent_session_id, "session_id": chat.id}
    if chat.gone_in_engine:
        return None
    if engine is None or engine.deleted:
        return SyncAction(kind="deletedInEngine", **own)
    if chat.status == "terminated":
        return SyncAction(kind="deleteInEngine", **own)
    title, name = _name(engine.title), chat.name or ""
    if title == _name(name) or not (title or name):
        return None
    if title and engine.updated_at > chat.last_activity:
        return SyncAction(kind="rename", name=title, **own)
    return SyncAction(kind="renameInEngine", name=_name(name), **own) if name else None


def _name(text: str) -> str:
    return " ".join(text.split())[:NAME_CHARS]


def chats_of(ctx: Any, worker: Worker) -> list[ChatSession]:
    """The sessions of a worker that are compared."""
    found: list[ChatSession] = ctx.db.query(ChatSession.by_worker(worker.id)).newest().take(COMPARED)
    return found


def apply(ctx: MutationCtx, worker: Worker, actions: list[SyncAction]) -> int:
    """Apply these, those that were applied before left out. Returns how many changed something."""
    known = {each.agent_session_id: each for each in chats_of(ctx, worker) if each.agent_session_id}
    return sum(_applied(ctx, worker, known.get(action.agent_session_id), action) for action in actions)


def _applied(ctx: MutationCtx, worker: Worker, chat: ChatSession | None, action: SyncAction) -> bool:
    if action.kind == "import":
        if chat is None:
            _take_in(ctx, worker, action)
        return chat is None
    if chat is None:
        return False
    if action.kind == "rename" and action.name and chat.name != action.name:
        ctx.db.patch(chat, name=action.name, title_generated=True)
        return True
    if action.kind in ("deletedInEngine", "deleteInEngine") and not chat.gone_in_engine:
        ctx.db.patch(chat, gone_in_engine=True)
        return True
    return False


def _take_in(ctx: MutationCtx, worker: Worker, action: SyncAction) -> None:
    session = open_conversation(ctx, worker.owner, responder="worker", worker_id=worker.id, name=action.name or None)
    ctx.db.patch(session, agent_session_id=action.agent_session_id, directory=action.directory, ready=True, title_generated=True)
    conversation = ctx.db.get(Conversation, session.conversation)
    for entry in action.messages or ():
        if conversation is None or not entry.content.strip():
            continue
        number, now = conversation.message_count + 1, later(ctx, conversation)
        ctx.db.insert(
            ChatMessage(
                id=f"msg-{id_suffix(ctx, number)}",
                conversation=conversation.id,
                session_id=session.id,
                sequence=number,
                role=entry.role,
                content=entry.content,
                completed=True,
                status="completed",
                timestamp=now,
            )
        )
        conversation = ctx.db.patch(conversation, message_count=number, updated_at=ctx.now, last_message_at=now)
