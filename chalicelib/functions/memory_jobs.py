"""What happens behind the calls of memory: working out what texts mean, and carrying erasures on."""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query, sweep
from chalicelib.domain.conversations import erasure as conversations
from chalicelib.domain.memory import embedding as meaning
from chalicelib.domain.memory import erasure, retention
from chalicelib.domain.memory.erasure import STILL_MS, Told
from chalicelib.domain.memory.layers import LAYERS
from chalicelib.schema import Memory, MemoryErasure, MemoryModel, MemoryRetention


@internal_action
def embed(ctx: ActionCtx, memory_id: str, version: int) -> None:
    """The job: work out what a memory means, if it has no vector yet, and keep it."""
    meaning.embed(ctx, memory_id)


@internal_query
def unembedded(ctx: QueryCtx, memory_id: str) -> str | None:
    """A memory's text, if there is no vector of it."""
    row = ctx.db.get(Memory, memory_id)
    return None if row is None or row.embedding is not None else row.content


@internal_query
def is_known(ctx: QueryCtx, model: str) -> bool:
    """Whether it is written down that a model has made vectors here."""
    return ctx.db.peek(MemoryModel, model) is not None


@internal_mutation
def keep(ctx: MutationCtx, memory_id: str, text: str, embedding: list[float], model: str, known: bool = False) -> None:
    """Keep what a memory means, if it says that still."""
    meaning.keep(ctx, memory_id, text, embedding, model, known)


@sweep
def reembed_old(executor: Any) -> None:
    """Vectors of a model that is not the embedder's any more."""
    meaning.look(executor, succeed)


@internal_mutation
def succeed(ctx: MutationCtx, model: str, successor: str, memory_ids: list[str]) -> None:
    """Another model takes the place of this one."""
    meaning.succeed(ctx, model, successor, memory_ids)


@internal_action
def reembed(ctx: ActionCtx, model: str, memory_ids: list[str]) -> None:
    """The job: embed memories again whose vectors a model has made, by the embedder that is now."""
    meaning.reembed(ctx, model, memory_ids)


@internal_query
def made_by(ctx: QueryCtx, model: str, memory_ids: list[str]) -> dict[str, str]:
    """The texts of those of these memories whose vectors a model has made."""
    return meaning.made_by(ctx, model, memory_ids)


@internal_mutation
def replace(
    ctx: MutationCtx, model: str, successor: str, texts: dict[str, str], vectors: dict[str, list[float]], last: bool = False
) -> None:
    """Keep the vectors of another model, of what still says the same and has the old one's."""
    meaning.replace(ctx, model, successor, texts, vectors, last)


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
