"""Working out what memories mean, and doing so again when another model takes the place of the one that did it.

A memory keeps which model made its vector, and only vectors of one model are compared. Which models have made some is written
down in each org; a sweep compares that with the embedder that is now, lists what an old one has made, and has jobs embed that
again.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from chalicelib import ActionCtx, MutationCtx, QueryCtx
from chalicelib.schema import DIMENSIONS, Memory, MemoryModel

AT_ONCE, A_PART = 10, 200
"""Memories that are embedded again in one commit, and by one job."""
LOST_MS = 10 * 60_000
"""After this long without a commit a job that embeds again is taken for lost."""
HOUR_MS = 3_600_000
_LOOK_AT: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
"""When the sweep of this process looks for other models next, by its embedder."""


def embed(ctx: ActionCtx, memory_id: str) -> None:
    """Work out what a memory means, if it has no vector yet, and keep it."""
    if not _embeds(ctx) or ctx.embedder is None:
        return
    text = ctx.run_query("memory_jobs:unembedded", memory_id=memory_id)
    if text is not None:
        (vector,) = _embedded(ctx, [text])
        known = ctx.run_query("memory_jobs:isKnown", model=ctx.embedder.name)
        made = {"text": text, "embedding": vector, "model": ctx.embedder.name, "known": known}
        ctx.run_mutation("memory_jobs:keep", memory_id=memory_id, **made)


def _embeds(ctx: ActionCtx) -> bool:
    """Whether there is an embedder whose vectors memories take."""
    if ctx.embedder is None:
        return False
    if ctx.embedder.dimensions != DIMENSIONS:
        ctx.log(f"memories take {DIMENSIONS} numbers and {ctx.embedder.name} makes {ctx.embedder.dimensions}: not embedded")
        return False
    return True


def _embedded(ctx: ActionCtx, texts: list[str]) -> list[list[float]]:
    """Vectors of six places: half the bytes of a row, which are paid again whenever a recall notes that it was brought."""
    assert ctx.embedder is not None
    return [[round(part, 6) for part in vector] for vector in (ctx.embedder.embed(texts) if texts else ())]


def keep(ctx: MutationCtx, memory_id: str, text: str, embedding: list[float], model: str, known: bool) -> None:
    """Keep what a memory means, if it says that still. Words without a direction have no meaning to keep."""
    row = ctx.db.get(Memory, memory_id)
    if row is not None and row.content == text and row.embedding is None:
        meaning = embedding if any(embedding) else None
        ctx.db.patch(row, embedding=meaning, embedding_model=model if meaning else None, indexed_version=row.version)
        if meaning and not known:
            _write_down(ctx, model)


def _write_down(ctx: MutationCtx, model: str) -> None:
    """That a model has made vectors here: who takes its place finds it by that."""
    if ctx.db.get(MemoryModel, model) is None:
        ctx.db.insert(MemoryModel(id=model, org=ctx.org, look_at=ctx.now))


# Another embedder than before -------------------------------------------------------------------------------------------


def look(executor: Any, succeed: Any) -> None:
    """The sweep: what another model than the embedder's has made, over all orgs; where there is none, once an hour of a process.

    Args:
        succeed: the internal mutation of that name.
    """
    embedder, now = executor.embedder, executor.clock.now_ms()
    if embedder is None or embedder.dimensions != DIMENSIONS or now < _LOOK_AT.get(embedder, 0):
        return
    old = [item for item in executor.listed(MemoryModel.by_state_look, ("on",)) if item["_id"] != embedder.name]
    if not old:
        _LOOK_AT[embedder] = now + HOUR_MS
    for item in old:
        if item["lookAt"] <= now:
            rows = executor.listed(Memory.by_model, (item["_id"],), limit=A_PART, org=item["org"])
            found = {"model": item["_id"], "memory_ids": [row["_id"] for row in rows]}
            executor.repair(item["org"], succeed, **found, successor=embedder.name)


def succeed(ctx: MutationCtx, model: str, successor: str, memory_ids: list[str]) -> None:
    """Another model takes the place of this one: a job does it for these memories. None: nothing of it is left."""
    row = ctx.db.get(MemoryModel, model)
    if row is None or row.look_at > ctx.now:
        return
    if not memory_ids:
        ctx.db.delete(row)
        return
    ctx.db.patch(row, successor=successor, done=row.done if row.successor == successor else 0, look_at=ctx.now + LOST_MS)
    ctx.scheduler.run_after(0, "memory_jobs:reembed", model=model, memory_ids=memory_ids)


def reembed(ctx: ActionCtx, model: str, memory_ids: list[str]) -> None:
    """Embed memories again whose vectors a model has made, by the embedder that is now, a few in one commit."""
    if not _embeds(ctx) or ctx.embedder is None or ctx.embedder.name == model:
        return
    for start in range(0, len(memory_ids), AT_ONCE):
        texts = ctx.run_query("memory_jobs:madeBy", model=model, memory_ids=memory_ids[start : start + AT_ONCE])
        vectors = dict(zip(texts, _embedded(ctx, list(texts.values())), strict=True))
        made = {"successor": ctx.embedder.name, "texts": texts, "vectors": vectors}
        ctx.run_mutation("memory_jobs:replace", model=model, **made, last=start + AT_ONCE >= len(memory_ids))


def made_by(ctx: QueryCtx, model: str, memory_ids: list[str]) -> dict[str, str]:
    """The texts of those of these memories whose vectors a model has made."""
    rows = [ctx.db.get(Memory, each) for each in memory_ids]
    return {row.id: row.content for row in rows if row is not None and row.embedding_model == model}


def replace(
    ctx: MutationCtx, model: str, successor: str, texts: dict[str, str], vectors: dict[str, list[float]], last: bool
) -> None:
    """Keep the vectors of another model, of what still says the same and has the old one's. `last`: the sweep looks for more."""
    done = 0
    for memory_id, text in texts.items():
        row = ctx.db.get(Memory, memory_id)
        if row is not None and _is_still(row, text, model):
            meaning = vectors[memory_id] if any(vectors[memory_id]) else None
            ctx.db.patch(row, embedding=meaning, embedding_model=successor if meaning else None)
            done += 1
    _write_down(ctx, successor)
    known = ctx.db.get(MemoryModel, model)
    if known is not None:
        ctx.db.patch(known, done=known.done + done, look_at=ctx.now if last else ctx.now + LOST_MS)


def _is_still(row: Memory, text: str, model: str) -> bool:
    """Whether a memory says what was embedded, and has the old model's vector."""
    return row.content == text and row.embedding_model == model
