"""Erasing over all layers of memory, with one receipt ("right to erasure").

A receipt names whose memories, or which space, or which memories are meant, and the layers that are still to be looked at. Each
step is one commit that erases as much of one layer as it holds and writes down what: so the receipt survives the death of
whoever carries it on. What is erased is not found from its commit on; when nothing is left, the indexes of the spaces are
cleared of its words and vectors (`ctx.settle`), and only then the receipt says `completed`.

A layer is a line in `layers.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from chalicelib import ActionCtx, MutationCtx
from chalicelib.schema import MemoryErasure

ACTIONS = 80
"""Writes of one commit, of the 100 that the store allows."""
STILL_MS = 60_000
"""After this long without a step somebody else carries an erasure on."""
PATIENCE_MS = 15_000
"""How long a caller waits for the end; after that jobs do the rest."""
LEFT_MS = 20_000
"""So long before its process is ended an action hands over to the next."""
MOST_SPACES = 50
"""Spaces whose indexes are cleared at once."""
State = Literal["running", "completed"]


@dataclass
class Work:
    """An erasure while one commit works at one layer."""

    receipt: MemoryErasure
    actions: int = ACTIONS
    ids: list[str] | None = None
    children: list[str] = field(default_factory=list)
    spaces: list[str] = field(default_factory=list)
    erased: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    parts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, receipt: MemoryErasure, actions: int) -> Work:
        """Go on with a receipt, by so many writes."""
        return cls(
            receipt,
            actions,
            ids=None if receipt.ids is None else list(receipt.ids),
            children=list(receipt.children),
            spaces=list(receipt.spaces),
            erased=dict(receipt.erased),
            digest=receipt.digest,
            parts=dict(receipt.parts),
        )

    def remove(self, ctx: MutationCtx, document: Any, *, cost: int = 1) -> bool:
        """Erase a document, and note it. False: it does not fit any more."""
        if self.actions < cost:
            return False
        self.actions -= cost
        ctx.db.delete(document)
        self.note({type(document).table_name: 1}, f"{type(document).table_name}|{document.id}")
        space = getattr(document, "space", None)
        if space is not None and space not in self.spaces:
            self.spaces.append(space)
        return True

    def note(self, erased: dict[str, int], link: str) -> None:
        """Count what was erased, and chain it into the digest."""
        for table, number in erased.items():
            self.erased[table] = self.erased.get(table, 0) + number
        self.digest = hashlib.sha256(f"{self.digest}{link}".encode()).hexdigest()

    def changes(self) -> dict[str, Any]:
        """The receipt's fields."""
        return {
            "ids": self.ids,
            "children": self.children,
            "spaces": self.spaces,
            "erased": self.erased,
            "digest": self.digest,
            "parts": self.parts,
        }


Step = Callable[[MutationCtx, Work], float | None]
"""Erases some of a layer. Returns when (ms since the epoch) to go on; None: nothing of it is left."""


@dataclass(frozen=True)
class Layer:
    """A layer of memory.

    Args:
        whole_user_only: it has no spaces: it is erased only where everything of a user is.
        indexes: the searches and vectors that keep its texts, each with `space` as its partition.
    """

    name: str
    step: Step
    indexes: tuple[Any, ...] = ()
    whole_user_only: bool = False


class Told(msgspec.Struct, rename="camel", kw_only=True):
    """How an erasure stands: what to do next."""

    do: Literal["step", "wait", "settle", "nothing"]
    at: float = 0.0
    spaces: list[str] = []
    layers: list[str] = []


def begin(
    ctx: MutationCtx,
    layers: list[Layer],
    *,
    user_id: str | None = None,
    space: str | None = None,
    ids: list[str] | None = None,
    now: int = 0,
) -> MemoryErasure:
    """Write down an erasure. `now`: do its first step in this commit, by so many writes. A job carries it on."""
    receipt = MemoryErasure(
        id=ctx.new_id("erasure-"),
        org=ctx.org,
        requested_by=ctx.user.token_identifier if ctx.user is not None else "",
        user_id=user_id,
        space=space,
        ids=ids,
        todo=[each.name for each in layers],
        layers=[each.name for each in layers],
        started_at=ctx.now,
        touched_at=ctx.now,
    )
    ctx.db.insert(receipt)
    if now:
        step(ctx, receipt.id, layers, now)
    ctx.scheduler.run_after(0 if now else PATIENCE_MS, "memory_jobs:carryOn", erasure_id=receipt.id)
    return receipt


def step(ctx: MutationCtx, erasure_id: str, layers: list[Layer], actions: int = ACTIONS) -> Told:
    """Erase as much as one commit holds, of the first layer that has something left."""
    receipt = ctx.db.get(MemoryErasure, erasure_id)
    if receipt is None or receipt.state == "completed":
        return Told(do="nothing")
    if not receipt.todo or len(receipt.spaces) >= MOST_SPACES:
        return Told(do="settle", spaces=receipt.spaces, layers=receipt.layers)
    work = Work.of(receipt, actions)
    layer = next(each for each in layers if each.name == receipt.todo[0])
    at = layer.step(ctx, work)
    todo = receipt.todo if at is not None else receipt.todo[1:]
    ctx.db.patch(receipt, todo=todo, touched_at=ctx.now, **work.changes())
    return Told(do="wait", at=at) if at is not None and at > ctx.now else Told(do="step")


def settled(ctx: MutationCtx, erasure_id: str, spaces: list[str]) -> None:
    """The indexes of these spaces are cleared; with the last of them the erasure is completed."""
    receipt = ctx.db.get(MemoryErasure, erasure_id)
    if receipt is None or receipt.state == "completed":
        return
    left = [each for each in receipt.spaces if each not in spaces]
    done = not left and not receipt.todo
    ctx.db.patch(
        receipt,
        spaces=left,
        touched_at=ctx.now,
        state="completed" if done else "running",
        completed_at=ctx.now if done else None,
    )


def drive(ctx: ActionCtx, erasure_id: str, layers: list[Layer], until: float) -> float | None:
    """Carry an erasure on until a time. Returns when to go on; None when it is completed."""
    while ctx.now < until:
        told = msgspec.convert(ctx.run_mutation("memory_jobs:step", erasure_id=erasure_id), Told)
        if told.do == "nothing":
            return None
        if told.do == "wait":
            return told.at
        if told.do == "settle":
            for layer in layers:
                for index in layer.indexes if layer.name in told.layers else ():
                    for space in told.spaces:
                        ctx.settle(index, space=space)
            ctx.run_mutation("memory_jobs:settled", erasure_id=erasure_id, spaces=told.spaces)
    return ctx.now
