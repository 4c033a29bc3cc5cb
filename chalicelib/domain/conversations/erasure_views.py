"""What is told of a deletion: what it has done so far, and its receipt."""

from __future__ import annotations

from typing import Literal

import msgspec

from chalicelib.schema import Erasure


class DeletedView(msgspec.Struct, rename="camel", kw_only=True):
    """A deleted conversation. `state` says whether its log is already erased; the receipt says when it was."""

    deleted: bool
    conversation_id: str
    messages_deleted: int
    deleted_at: float
    restorable: bool
    receipt_id: str
    state: Literal["running", "completed"]


class DeletedManyView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Several deleted conversations, or with `dryRun` those that would be."""

    dry_run: bool
    deleted: int
    total_messages_deleted: int
    conversation_ids: list[str]
    """The first 900, as far as 32 KB hold them; `deleted` counts all."""
    would_delete: int | None = None
    would_delete_messages: int | None = None
    not_found: list[str] | None = None
    """Ids that name nothing that the caller may delete."""
    receipt_id: str | None = None
    state: Literal["running", "completed"] = "completed"


class ErasureView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """The receipt of a deletion. It names ids and numbers, never contents. Times are milliseconds since the epoch."""

    receipt_id: str
    state: Literal["running", "completed"]
    requested_by: str
    conversations: int
    conversation_ids: list[str]
    """The first hundred."""
    messages: int
    erased: dict[str, int]
    """Documents by table."""
    digest: str
    """SHA-256 over digest so far, table and id of every erased document, in the order of their erasure."""
    started_at: float
    residue_until: float
    """Until then the answers of earlier calls are kept, so that a repeated call is not carried out twice."""
    completed_at: float | None = None


def erasure_view(erasure: Erasure) -> ErasureView:
    """A receipt's document → what who asked for the deletion sees."""
    return ErasureView(
        receipt_id=erasure.id,
        state=erasure.state,
        requested_by=erasure.requested_by,
        conversations=erasure.conversations,
        conversation_ids=erasure.conversation_ids,
        messages=erasure.messages,
        erased=erasure.erased,
        digest=erasure.digest,
        started_at=erasure.started_at,
        residue_until=erasure.residue_until,
        completed_at=erasure.completed_at,
    )
