"""Deletions and what they leave, and what replies have cost."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import Index, Table


class Erasure(Table, name="erasures"):
    """The receipt of a deletion: what is gone, and what is still to go. It names ids, never contents."""

    org: str
    requested_by: str
    state: Literal["running", "completed"] = "running"
    touched_at: float
    """When something was last done for it."""
    conversation_ids: list[str] = []
    """The first hundred."""
    conversations: int = 0
    messages: int = 0
    erased: dict[str, int] = {}
    """Documents by table."""
    digest: str = ""
    """A chain of SHA-256 over table and id of every erased document, in the order of their erasure."""
    started_at: float
    completed_at: float | None = None
    residue_until: float
    """Until then the answers of earlier calls, kept so that a repeated call is not carried out twice, may hold its text."""
    todo: list[str] = []
    """Conversations that are still to be deleted."""
    filters: dict[str, Any] | None = None
    """Or all that fit these filters and were there when it started."""
    children: list[dict[str, Any]] = []
    """Deleted conversations whose logs are being erased."""

    by_state_touched = Index("state", order="touched_at", eventual=True, everywhere=True)
    """Which deletions stand still? Asked by the sweep."""


class Residue(Table, name="residues"):
    """A deleted session whose reply was being written: what a writer that wakes late still puts there is erased. The id is the
    session's."""

    org: str
    conversation: str
    messages: list[str]
    """The replies that were not finished."""
    streams: list[str] = []
    """Where their writers put chunks."""
    look_at: float
    until: float
    """After that no writer of its replies is alive."""
    state: Literal["open"] = "open"

    by_state_look = Index("state", order="look_at", eventual=True, everywhere=True)
    """Which are to be looked at? Asked by the sweep."""


class Budget(Table, name="budgets", watched=False):
    """What an org's replies cost on one UTC day: a few rows that are added up. The id is the day, and a number after a colon."""

    spent: int = 0
    held: int = 0
    """Tokens that replies which have not ended may cost."""


class OpenReplies(Table, name="openReplies", watched=False):
    """How many replies a user has asked for that have not ended; the id is the user's."""

    number: int = 0
    newest_session: str | None = None
    """Of the user's sessions the one that stands first in their list: what is said there need not be noted at once."""
