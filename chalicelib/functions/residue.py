"""Late writes into conversations that are gone, found and erased by a sweep (`domain/conversations/late_writes.py` says why).

The deletion knows where the writers put their chunks. Where one was begun under another epoch its first chunk is in the indexes
by session and by message; these lag, so a look is repeated.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, internal_mutation, sweep
from chalicelib.domain.conversations.late_writes import LOOK_MS
from chalicelib.schema import ChatChunk, ChatMessage, Conversation, Residue

AT_ONCE = 30


@sweep
def look(executor: Any) -> None:
    """Erase what has come since: over all orgs."""
    for item in executor.listed(Residue.by_state_look, ("open",), executor.clock.now_ms()):
        org, session = item["org"], item["_id"]
        opened = executor.listed(ChatChunk.by_session_and_sequence, (session,), org=org, limit=AT_ONCE)
        for message in item["messages"]:
            opened += executor.listed(ChatChunk.by_message_and_sequence, (message,), org=org, limit=AT_ONCE)
        begun = sorted({(each["reply"], each["sequence"]) for each in opened})[:AT_ONCE]
        entries = executor.listed(ChatMessage.by_session, (session,), org=org, limit=AT_ONCE)
        found = [int(each["sequence"]) for each in entries if each["conversation"] == item["conversation"]]
        executor.repair(org, erase, session_id=session, pieces=[[reply, int(number)] for reply, number in begun], entries=found)


@internal_mutation
def erase(ctx: MutationCtx, session_id: str, pieces: list[Any], entries: list[int]) -> None:
    """Erase what the sweep has found, and say when the next look is due.

    Args:
        pieces: chunks, by reply and sequence, with all that their writers put after them.
    """
    row = ctx.db.get(Residue, session_id)
    if row is None or ctx.db.get(Conversation, row.conversation) is not None:
        return
    chunks: list[ChatChunk] = []
    for stream in dict.fromkeys([*row.streams, *(str(reply) for reply, _ in pieces)]):
        if len(chunks) < AT_ONCE:
            chunks += ctx.db.query(ChatChunk.log(stream)).take(AT_ONCE - len(chunks))
    for chunk in chunks:
        if chunk.session_id == session_id or chunk.message_id in row.messages:
            ctx.db.delete(chunk)
    for sequence in entries:
        entry = ctx.db.get(ChatMessage, row.conversation, sequence)
        if entry is not None:
            ctx.db.delete(entry)
    if chunks or entries:
        ctx.log(f"{len(chunks)} chunks and {len(entries)} messages came to a deleted session")
    if ctx.now >= row.until and not chunks and not entries:
        ctx.db.delete(row)
    else:
        ctx.db.patch(row, look_at=ctx.now + LOOK_MS)
