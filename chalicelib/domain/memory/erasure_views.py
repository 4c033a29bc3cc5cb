"""What is told of an erasure over the layers of memory."""

from __future__ import annotations

from typing import Literal

import msgspec

from chalicelib.schema import MemoryErasure


class MemoryErasureView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """The receipt of an erasure. It names ids and numbers, never contents. Times are milliseconds since the epoch."""

    receipt_id: str
    state: Literal["running", "completed"]
    requested_by: str
    layers: list[str]
    user_id: str | None = None
    space: str | None = None
    erased: dict[str, int]
    """Documents by table."""
    digest: str
    """SHA-256 over digest so far, table and id of every erased document, in the order of their erasure."""
    started_at: float
    completed_at: float | None = None


def erasure_view(receipt: MemoryErasure) -> MemoryErasureView:
    """A receipt's document → what who asked for the erasure sees."""
    return MemoryErasureView(
        receipt_id=receipt.id,
        state=receipt.state,
        requested_by=receipt.requested_by,
        layers=receipt.layers,
        user_id=receipt.user_id,
        space=receipt.space,
        erased=receipt.erased,
        digest=receipt.digest,
        started_at=receipt.started_at,
        completed_at=receipt.completed_at,
    )
