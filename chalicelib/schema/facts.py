"""Facts: what is held to be true of somebody or something, each with what it has taken the place of."""

from __future__ import annotations

from typing import Literal

from chalicelib import Index, Search, Table

FactType = Literal["preference", "identity", "knowledge", "relationship", "event", "observation", "custom"]


class Fact(Table, name="facts"):
    """One statement. Of one slot (a subject and a predicate, or a text) one fact is active; a newer one supersedes it."""

    space: str
    fact: str
    fact_type: FactType = "knowledge"
    subject: str | None = None
    predicate: str | None = None
    object: str | None = None
    slot: str
    """A digest of space, owner, subject and predicate; without these of the text."""
    status: Literal["active", "superseded"] = "active"
    owner: str
    """As of a memory."""
    user_id: str | None = None
    agent_id: str | None = None
    confidence: int = 80
    confirmations: int = 0
    """How often it was said again."""
    tags: list[str] = []
    memory: str | None = None
    """The memory that it was taken from: who forgets that one forgets the fact."""
    supersedes: str | None = None
    superseded_by: str | None = None
    valid_until: float | None = None
    updated_at: float

    by_text = Search("fact", partition=("space",), filter=("status", "owner"))
    by_space = Index("space", "status")
    """A space's facts."""
    by_owner = Index("space", "status", "owner")
    """Somebody's facts in a space."""
    by_owner_everywhere = Index("owner")
    """Somebody's facts in all spaces. Asked by their erasure."""
    by_slot = Index("slot")
    """What was held to be true of the same, oldest first?"""
    by_memory = Index("memory")
    """What was taken from a memory?"""
