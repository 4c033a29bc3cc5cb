"""The sessions of an agent's own program and those of the chat, brought together: a plan says what differs, and applying it twice
changes nothing more.

    renamed there                           the chat's session is renamed
    renamed here                            the worker renames it there
    deleted there                           the chat's session says so; it goes on with a new one
    ended here                              the worker puts it away there
    made there                              a session of the worker's owner, with what was said so far

Who renamed is seen by the title of the last time (`engine_title`), and not by clocks: agents do not tell when a title changed,
and a turn makes a session newer without renaming it. Where both sides changed, the name that a person gave here stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx
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
    agent: Annotated[str, Meta(max_length=40)] | None = None
    """Which of the worker's agents it is a session of."""
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
    agent: Annotated[str, Meta(max_length=40)] | None = None
    """Which of the worker's agents it is a session of, where that is known."""
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
        SyncAction(
            kind="import",
            agent_session_id=each.agent_session_id,
            name=_name(each.title),
            directory=each.directory,
            agent=each.agent,
        )
        for each in newest
    ]


def _of_known(engine: EngineSession | None, chat: ChatSession) -> SyncAction | None:
    own: dict[str, Any] = {"agent_session_id": chat.agent_session_id, "session_id": chat.id, "agent": chat.agent}
    if chat.gone_in_engine:
        return None
    if engine is None or engine.deleted:
        return SyncAction(kind="deletedInEngine", **own)
    if chat.status == "terminated":
        return SyncAction(kind="deleteInEngine", **own)
    title, name = _name(engine.title), _name(chat.name or "")
    if title == name:
        return None
    if title and not (name and _named_here(chat)):
        return SyncAction(kind="rename", name=title, **own)
    return SyncAction(kind="renameInEngine", name=name, **own)


def _named_here(chat: ChatSession) -> bool:
    """Whether a session got its name here since both sides were last brought together."""
    return not chat.title_generated if chat.engine_title is None else _name(chat.name or "") != chat.engine_title


def _name(text: str) -> str:
    return " ".join(text.split())[:NAME_CHARS]


def chats_of(ctx: QueryCtx | MutationCtx, worker: Worker, agents: list[str] | None = None) -> list[ChatSession]:
    """The sessions of a worker that are compared: the newest, of these agents where some are named."""
    found: list[ChatSession] = ctx.db.query(ChatSession.by_worker(worker.id)).newest().take(COMPARED)
    first = worker.agents[0]["kind"] if worker.agents else None
    return [each for each in found if agents is None or (each.agent or first) in agents]


def unknown(ctx: QueryCtx | MutationCtx, worker: Worker, action: SyncAction) -> bool:
    """Whether no session of the worker, however old, is the one of an action."""
    return ctx.db.query(ChatSession.by_engine(worker.id, action.agent_session_id)).first() is None


def apply(ctx: MutationCtx, worker: Worker, actions: list[SyncAction]) -> int:
    """Apply these, those that were applied before left out. Returns how many changed something."""
    return sum(_applied(ctx, worker, action) for action in actions)


def _applied(ctx: MutationCtx, worker: Worker, action: SyncAction) -> bool:
    chat = ctx.db.query(ChatSession.by_engine(worker.id, action.agent_session_id)).first()
    if action.kind == "import":
        if chat is None:
            _take_in(ctx, worker, action)
        return chat is None
    if chat is None:
        return False
    if action.kind in ("rename", "renameInEngine"):
        return _renamed(ctx, chat, action)
    if not chat.gone_in_engine:
        ctx.db.patch(chat, gone_in_engine=True)
        return True
    return False


def _renamed(ctx: MutationCtx, chat: ChatSession, action: SyncAction) -> bool:
    """Both sides have this name now; what was renamed here meanwhile stays, and goes there with the next plan."""
    if not action.name or chat.engine_title == action.name:
        return False
    chat = ctx.db.patch(chat, engine_title=action.name)
    if action.kind == "rename" and chat.name != action.name:
        ctx.db.patch(chat, name=action.name, title_generated=True)
        conversation = ctx.db.get(Conversation, chat.conversation)
        if conversation is not None:
            ctx.db.patch(conversation, title=action.name)
    return True


def _take_in(ctx: MutationCtx, worker: Worker, action: SyncAction) -> None:
    session = open_conversation(ctx, worker.owner, responder="worker", worker_id=worker.id, name=action.name or None)
    agent = action.agent if action.agent in [each["kind"] for each in worker.agents] else None
    ctx.db.patch(
        session,
        agent_session_id=action.agent_session_id,
        directory=action.directory,
        agent=agent,
        engine_title=action.name or None,
        ready=True,
        title_generated=True,
    )
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
    if conversation is not None and conversation.message_count:  # behind this commit, which is full, they enter the search
        ctx.scheduler.run_after(0, "history:handOver", conversation=conversation.id)
