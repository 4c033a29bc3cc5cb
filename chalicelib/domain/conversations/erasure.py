"""Deleting conversations completely, with a receipt ("right to erasure").

1. **One commit takes a conversation down**: its row, its claims, its session, image and members. From then on it is null for
   everybody, its id can be used again, and watchers are told. Nothing can be added: every writer reads that row.
2. **Its log is erased behind it**: messages with their replies' runs, chunks and client keys. A short log goes in the same
   commit; a long one in a chain of jobs, each of which does as much as a commit holds and names the next. The chain lives in
   the receipt, so it survives the death of any process.
3. **A reply that was being written** loses its run, so its writer stops within half a second; its chunks are looked for
   once more after that. A writer that was frozen and wakes later leaves chunks that nobody can read; `functions/residue.py`
   erases them.

The receipt counts what was erased, table by table, and chains a SHA-256 over all of it. What it cannot erase it names: the
answers of earlier calls, which are kept for 14 days so that a repeated call is not carried out twice. The words of the messages
are found by no search from the first commit on, and leave the rows of the index at the next sweep, within a minute or two.

Further documents that hang on a conversation have a step in `CHILDREN`, at the end of this file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chalicelib import Index, MutationCtx
from chalicelib.domain import budget
from chalicelib.domain.conversations import late_writes, listing
from chalicelib.domain.conversations.filters import Filters
from chalicelib.domain.memories import refs
from chalicelib.domain.replies import lifecycle
from chalicelib.schema import (
    AgentRoom,
    ChatChunk,
    ChatMessage,
    ChatSession,
    ClientKey,
    Conversation,
    Erasure,
    Image,
    ParkedReply,
    Participant,
    Permission,
    Presence,
    Receipt,
    Run,
)

ACTIONS = 84
"""Writes of one commit, of the 100 that the store allows: the receipt, the job and the checks need theirs."""
ROW_AND_INDEXES = 16
"""What taking one conversation down writes at most, beside its members: documents, claims, and one fence an index."""
MEMBERS_AT_ONCE = 20
RESIDUE_MS = 14 * 86400 * 1000
"""How long the answers of earlier calls are kept."""
LOOK_AGAIN_MS = 2_000
"""A writer looks every 0.4 seconds whether it still has its run."""
SAFETY_MS = 10_000
"""When a caller carries a deletion on by itself, and dies, a job does it after this long."""
STILL_MS = 60_000
"""After this long without a step somebody else carries a deletion on."""
LISTED_IDS = 100


@dataclass
class Work:
    """A deletion while one commit works at it: what is left, and what is gone. `actions` are writes that still fit."""

    actions: int = ACTIONS
    todo: list[str] = field(default_factory=list)
    filters: dict[str, Any] | None = None
    started_at: float = 0.0
    children: list[dict[str, Any]] = field(default_factory=list)
    conversation_ids: list[str] = field(default_factory=list)
    conversations: int = 0
    messages: int = 0
    erased: dict[str, int] = field(default_factory=dict)
    digest: str = ""

    @property
    def left(self) -> bool:
        """Whether anything is still to be done."""
        return bool(self.todo or self.children or self.filters is not None)

    def following(self, now: float) -> float | None:
        """When to go on: at once, or when a writer that lost its run must have noticed. None: it is complete."""
        if not self.left:
            return None
        waits = [each["lookAt"] for each in self.children if each["gone"] >= each["messages"]]
        only_waits = not self.todo and self.filters is None and len(waits) == len(self.children)
        return max(now, min(waits)) if only_waits else now

    def remove(self, ctx: MutationCtx, table: Any, *ids: Any, cost: int = 1) -> bool:
        """Erase one document, if it is there, and note it. False: it does not fit any more."""
        if self.actions < cost:
            return False
        document = ctx.db.get(table, *ids)
        self.actions -= cost
        if document is not None:
            ctx.db.delete(document)
            name = table.table_name
            self.erased[name] = self.erased.get(name, 0) + 1
            self.digest = hashlib.sha256(f"{self.digest}{name}|{document.id}".encode()).hexdigest()
        return True

    def changes(self, now: float) -> dict[str, Any]:
        """The receipt's fields."""
        done = not self.left
        return {
            "state": "completed" if done else "running",
            "completed_at": now if done else None,
            "conversation_ids": self.conversation_ids,
            "conversations": self.conversations,
            "messages": self.messages,
            "erased": self.erased,
            "digest": self.digest,
            "todo": self.todo,
            "touched_at": now,
            "filters": self.filters,
            "children": self.children,
        }


Step = Callable[[MutationCtx, Work, str], bool]
"""Erases what else hangs on a conversation (its internal id), as far as `work.actions` go. True: nothing is left."""


def begin(ctx: MutationCtx, todo: list[str], filters: dict[str, Any] | None = None, *, wait_ms: float = 0) -> Erasure:
    """Start a deletion: as much as this commit holds, the rest by jobs. Returns the receipt."""
    work = Work(todo=list(todo), filters=filters, started_at=ctx.now)
    _proceed(ctx, work)
    receipt = Erasure(
        id=ctx.new_id("erasure-"),
        org=ctx.org,
        requested_by=ctx.user.token_identifier if ctx.user is not None else "",
        started_at=ctx.now,
        residue_until=ctx.now + RESIDUE_MS,
        **work.changes(ctx.now),
    )
    ctx.db.insert(receipt)
    if work.left:
        at_ms = max(ctx.now + wait_ms, work.following(ctx.now) or 0)
        ctx.scheduler.run_at(at_ms, "conversation_delete:carryOn", erasure_id=receipt.id)
    return receipt


def continue_erasure(ctx: MutationCtx, erasure_id: str) -> float | None:
    """Do the next part of a deletion. Returns when (ms since the epoch) to go on; None when it is complete."""
    receipt = ctx.db.get(Erasure, erasure_id)
    if receipt is None or receipt.state == "completed":
        return None
    work = Work(
        todo=list(receipt.todo),
        filters=receipt.filters,
        started_at=receipt.started_at,
        children=list(receipt.children),
        conversation_ids=list(receipt.conversation_ids),
        conversations=receipt.conversations,
        messages=receipt.messages,
        erased=dict(receipt.erased),
        digest=receipt.digest,
    )
    _proceed(ctx, work)
    ctx.db.patch(receipt, **work.changes(ctx.now))
    return work.following(ctx.now)


def _proceed(ctx: MutationCtx, work: Work) -> None:
    """As much as one commit holds: first conversations, so that they are gone at once, then what hung on them."""
    while work.todo or work.filters is not None:
        if not work.todo and not _next_of_filter(ctx, work):
            break
        if not _take_down(ctx, work, work.todo[0]):
            return
        del work.todo[0]
    for child in list(work.children):
        if all(erase(ctx, work, child["conversation"]) for erase in CHILDREN) and _erase_log(ctx, work, child):
            work.children.remove(child)
        elif work.actions <= 0:
            return


def _next_of_filter(ctx: MutationCtx, work: Work) -> bool:
    """The next conversations of a filter, as many as fit; those made after its start stay."""
    assert work.filters is not None
    fit = (work.actions - 4) // (ROW_AND_INDEXES + 2)
    if fit < 1:
        return False
    wanted = msgspec.convert({**work.filters, "createdBefore": work.started_at + 1}, Filters)
    work.todo = [each.id for each in listing.select(ctx, wanted, fit, newest_first=False)]
    if len(work.todo) < fit:
        work.filters = None
    return bool(work.todo)


def _take_down(ctx: MutationCtx, work: Work, conversation: str) -> bool:
    """Remove a conversation and what makes it reachable. False: this commit has no room for it."""
    if work.actions < ROW_AND_INDEXES:
        return False
    found = ctx.db.get(Conversation, conversation)
    if found is None:  # somebody else deleted it meanwhile
        work.actions -= 1
        return True
    members = ctx.db.query(Participant.by_conversation(conversation)).take(MEMBERS_AT_ONCE)
    cost = ROW_AND_INDEXES + len(members) + sum(each.guest is not None for each in members)
    if work.actions < cost:
        return False
    work.actions -= cost
    for each in members:
        work.remove(ctx, Participant, each.id, cost=0)
    if found.session_id is not None:
        work.remove(ctx, ChatSession, found.session_id, cost=0)
    if found.image_id is not None:
        work.remove(ctx, Image, found.image_id, cost=0)
    _forget_room(ctx, work, found)
    work.remove(ctx, Conversation, found.id, cost=0)
    work.conversations += 1
    work.messages += found.message_count
    if len(work.conversation_ids) < LISTED_IDS:
        work.conversation_ids.append(found.conversation_id)
    streams = _streams_of_writer(ctx, found)
    if found.message_count or streams or found.room is not None or len(members) == MEMBERS_AT_ONCE:
        look_at = ctx.now + LOOK_AGAIN_MS if streams else 0.0
        child = {"conversation": conversation, "messages": found.message_count, "gone": 0, "streams": streams, "lookAt": look_at}
        work.children.append(child)
    if streams:
        late_writes.expect(ctx, found, streams)
    return True


def _forget_room(ctx: MutationCtx, work: Work, conversation: Conversation) -> None:
    """An agent whose room it was finds none, so that its next connection makes one."""
    agent_id = conversation.participants.get("agentId")
    room = ctx.db.peek(AgentRoom, str(agent_id)) if agent_id and conversation.room is not None else None
    if room is not None and room.conversation == conversation.id:
        work.remove(ctx, AgentRoom, room.id)


def _streams_of_writer(ctx: MutationCtx, conversation: Conversation) -> list[str]:
    """Where a reply that is being written may still put chunks."""
    run = ctx.db.peek(Run, conversation.active_run) if conversation.active_run else None
    return [] if run is None else [lifecycle.stream_of(run.message_id, epoch) for epoch in range(run.epoch + 2)]


def _erase_log(ctx: MutationCtx, work: Work, child: dict[str, Any]) -> bool:
    """Erase a log from its beginning. True: all of it is gone, and nobody writes to it any more."""
    if child["gone"] < child["messages"]:
        page = ctx.db.peek_log(ChatMessage.log(child["conversation"]), max(1, work.actions), newest=False)
        for message in page:
            if not _erase_message(ctx, work, message):
                return False
            child["gone"] += 1
        if page and child["gone"] < child["messages"]:
            return False
    if ctx.now < child["lookAt"]:
        return False
    return all(_erase_chunks(ctx, work, stream) for stream in child["streams"])


def _erase_message(ctx: MutationCtx, work: Work, message: ChatMessage) -> bool:
    """Erase a message, and its reply's run and chunks before it. False: there was no room; it is still there."""
    run = None
    if message.role == "assistant":
        run = ctx.db.peek(Run, f"run-{message.id.removeprefix('msg-')}")
    if run is not None:
        for epoch in range(run.epoch + 1):
            if not _erase_chunks(ctx, work, lifecycle.stream_of(message.id, epoch)):
                return False
        if (run.asking or run.parked) and not _erase_asked(ctx, work, run):
            return False
        if work.actions < 4 or not work.remove(ctx, Run, run.id, cost=3 if budget.let_go(ctx, run) else 1):
            return False
    if message.client_key is not None:
        if work.actions < 3:
            return False
        work.remove(ctx, ClientKey, f"{message.session_id}:{message.client_key}")
    cost = 1 + (message.named is not None) + (message.reader is not None and message.content != "")
    return work.remove(ctx, ChatMessage, message.conversation, message.sequence, cost=cost)


def _erase_asked(ctx: MutationCtx, work: Work, run: Run) -> bool:
    """Erase what was asked for a reply, and how far it had come when it was asked. False: there was no room for all of it."""
    asked = ctx.db.query(Permission.by_run(run.id)).take(200)
    fits = all(work.remove(ctx, Permission, each.id, cost=1 + len(Permission.indexes)) for each in asked)
    return fits and (not run.parked or work.remove(ctx, ParkedReply, f"{run.id}-{run.step}"))


def _erase_chunks(ctx: MutationCtx, work: Work, stream: str) -> bool:
    if work.actions < 1:
        return False
    chunks = ctx.db.peek_log(ChatChunk.log(stream), work.actions, newest=False)
    for chunk in chunks:
        work.remove(ctx, ChatChunk, chunk.reply, chunk.sequence)
    return work.actions > 0


def _of(index: Index) -> Step:
    """A step that erases a conversation's rows of an index: of members, those that its first commit had no room for."""

    def erase(ctx: MutationCtx, work: Work, conversation: str) -> bool:
        if work.actions < 3:
            return False
        fit = (work.actions - 1) // 2
        rest = ctx.db.query(index(conversation)).take(fit)
        work.actions -= 1
        for each in rest:
            work.remove(ctx, index.table, each.id, cost=2)
        return len(rest) < fit

    return erase


CHILDREN: list[Step] = [*(_of(each.by_conversation) for each in (Participant, Receipt, Presence)), refs.let_go]
"""What else hangs on a conversation, in the order of erasure."""
