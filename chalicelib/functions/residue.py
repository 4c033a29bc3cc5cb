"""Late writes into conversations that are gone, found and erased by a sweep (`domain/conversations/late_writes.py` says why).

The indexes by session and by message find what is there whatever epoch it was written under; they lag, so a look is repeated,
and the deletion itself reads each row again.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, internal_mutation, sweep
from chalicelib.domain.conversations.late_writes import LOOK_MS
from chalicelib.schema import ChatChunk, ChatMessage, Conversation, Residue

AT_ONCE = 40


@sweep
def look(executor: Any) -> None:
    """Erase what has come since: over all orgs."""
    for item in executor.listed(Residue.by_state_look, ("open",), executor.clock.now_ms()):
        org, session = item["org"], item["_id"]
        chunks = executor.listed(ChatChunk.by_session_and_sequence, (session,), org=org, limit=AT_ONCE)
        for message in item["messages"]:
            chunks += executor.listed(ChatChunk.by_message_and_sequence, (message,), org=org, limit=AT_ONCE)
        places = sorted({(each["reply"], each["sequence"]) for each in chunks})[:AT_ONCE]
        entries = executor.listed(ChatMessage.by_session, (session,), org=org, limit=AT_ONCE)
        found = [int(each["sequence"]) for each in entries if each["conversation"] == item["conversation"]]
        executor.repair(org, erase, session_id=session, pieces=[[reply, int(number)] for reply, number in places], entries=found)


@internal_mutation
def erase(ctx: MutationCtx, session_id: str, pieces: list[Any], entries: list[int]) -> None:
    """Erase what the sweep has found (`pieces`: chunks by reply and sequence), and say when the next look is due."""
    row = ctx.db.get(Residue, session_id)
    if row is None or ctx.db.get(Conversation, row.conversation) is not None:
        return
    for reply, sequence in pieces:
        chunk = ctx.db.get(ChatChunk, reply, sequence)
        if chunk is not None and (chunk.session_id == session_id or chunk.message_id in row.messages):
            ctx.db.delete(chunk)
    for sequence in entries:
        entry = ctx.db.get(ChatMessage, row.conversation, sequence)
        if entry is not None:
            ctx.db.delete(entry)
    if pieces or entries:
        ctx.log(f"{len(pieces)} chunks and {len(entries)} messages came to a deleted session")
    if ctx.now >= row.until and not pieces and not entries:
        ctx.db.delete(row)
    else:
        ctx.db.patch(row, look_at=ctx.now + LOOK_MS)
