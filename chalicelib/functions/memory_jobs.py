"""What happens behind the calls of memory: working out what texts mean, and carrying erasures on."""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query, sweep
from chalicelib.domain.conversations import erasure as conversations
from chalicelib.domain.memory import erasure, retention
from chalicelib.domain.memory.erasure import STILL_MS, Told
from chalicelib.domain.memory.layers import LAYERS
from chalicelib.schema import DIMENSIONS, Memory, MemoryErasure, MemoryRetention


@internal_action
def embed(ctx: ActionCtx, memory_id: str, version: int) -> None:
    """The job: work out what a memory means, if it has no vector yet, and keep it."""
    if ctx.embedder is None:
        return
    if ctx.embedder.dimensions != DIMENSIONS:
        ctx.log(f"memories take {DIMENSIONS} numbers and {ctx.embedder.name} makes {ctx.embedder.dimensions}: not embedded")
        return
    text = ctx.run_query(unembedded, memory_id=memory_id)
    if text is not None:
        (vector,) = ctx.embedder.embed([text])
        # Six places: half the bytes of the row, which are paid again whenever a recall notes that it was brought.
        short = [round(part, 6) for part in vector]
        ctx.run_mutation(keep, memory_id=memory_id, text=text, embedding=short, model=ctx.embedder.name)


@internal_query
def unembedded(ctx: QueryCtx, memory_id: str) -> str | None:
    """A memory's text, if there is no vector of it."""
    row = ctx.db.get(Memory, memory_id)
    return None if row is None or row.embedding is not None else row.content


@internal_mutation
def keep(ctx: MutationCtx, memory_id: str, text: str, embedding: list[float], model: str) -> None:
    """Keep what a memory means, if it says that still. Words without a direction have no meaning to keep."""
    row = ctx.db.get(Memory, memory_id)
    if row is not None and row.content == text and row.embedding is None:
        meaning = embedding if any(embedding) else None
        ctx.db.patch(row, embedding=meaning, embedding_model=model if meaning else None, indexed_version=row.version)


@internal_mutation
def step(ctx: MutationCtx, erasure_id: str) -> Told:
    """Do the next part of an erasure."""
    return erasure.step(ctx, erasure_id, LAYERS)


@internal_mutation
def settled(ctx: MutationCtx, erasure_id: str, spaces: list[str]) -> None:
    """The indexes of these spaces are cleared."""
    erasure.settled(ctx, erasure_id, spaces)


@internal_action
def carry_on(ctx: ActionCtx, erasure_id: str) -> None:
    """The job: everything that is left, or as much as this process has time for, and the job after it."""
    until = ctx.now + 10 * erasure.PATIENCE_MS if ctx.deadline is None else ctx.deadline - erasure.LEFT_MS
    following = erasure.drive(ctx, erasure_id, LAYERS, until)
    if following is not None:
        ctx.scheduler.run_at(following, carry_on, erasure_id=erasure_id)


@internal_mutation
def delete_conversation(ctx: MutationCtx, conversation: str) -> None:
    """The job: delete the conversation of a memory that was forgotten with it."""
    conversations.begin(ctx, [conversation])


@internal_mutation
def restart(ctx: MutationCtx, erasure_id: str) -> None:
    """Somebody must carry an erasure on."""
    receipt = ctx.db.get(MemoryErasure, erasure_id)
    if receipt is not None and receipt.state == "running":
        ctx.db.patch(receipt, touched_at=ctx.now)
        ctx.scheduler.run_after(0, carry_on, erasure_id=erasure_id)


@internal_mutation
def look(ctx: MutationCtx, retention_id: str) -> None:
    """The next part of a round over a space whose memories are kept for a time."""
    retention.look(ctx, retention_id)


@sweep
def forget_old(executor: Any) -> None:
    """Memories whose time is over: over all orgs."""
    for item in executor.listed(MemoryRetention.by_state_look, ("on",), executor.clock.now_ms()):
        executor.repair(item["org"], look, retention_id=item["_id"])


@sweep
def resume(executor: Any) -> None:
    """Erasures that stand still, whatever happened to their jobs: over all orgs."""
    for item in executor.listed(MemoryErasure.by_state_touched, ("running",), executor.clock.now_ms() - STILL_MS):
        executor.repair(item["org"], restart, erasure_id=item["_id"])
