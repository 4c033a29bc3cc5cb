"""Memories: what is remembered of a talk, a tool or a system, found by words and by meaning; and what erasing them has done."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import Index, Search, Table, Vector

DIMENSIONS = 256
"""Numbers of a memory's vector, whoever makes it."""
GIVEN = "given"
"""The model of a vector whose caller has not named one."""
SourceType = Literal["conversation", "system", "tool", "a2a"]
ContentType = Literal["raw", "summarized"]


class ConversationRef(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The messages that a memory was made of."""

    conversation_id: str
    message_ids: list[str] = []


class ImmutableRef(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The version of an immutable record that a memory was made of."""

    type: str
    id: str
    version: int | None = None


class MutableRef(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value of the mutable store, as it was when the memory was made."""

    namespace: str
    key: str
    snapshot_value: Any = None
    snapshot_at: float | None = None


class Memory(Table, name="memories"):
    """One memory in its current version."""

    space: str
    content: str
    content_type: ContentType = "raw"
    status: Literal["active", "archived", "partial"] = "active"
    """`partial`: what has come so far of an answer that is still being said; found by nobody."""
    owner: str
    """Whose it is: `user:` and a user's id, `agent:` and an agent's where there is no user, `org` where neither is named."""
    user_id: str | None = None
    agent_id: str | None = None
    participant_id: str | None = None
    """Which of several tools or agents that share a space wrote it."""
    source_type: SourceType
    source_user_id: str | None = None
    source_user_name: str | None = None
    source_at: float
    conversation_ref: ConversationRef | None = None
    conversation: str | None = None
    """The internal id of the conversation, where whoever stored it could see that: its deletion takes the reference away."""
    immutable_ref: ImmutableRef | None = None
    mutable_ref: MutableRef | None = None
    importance: int = 50
    tags: list[str] = []
    metadata: dict[str, Any] | None = None
    """What its writer keeps with it."""
    version: int = 1
    updated_at: float
    """When this version came."""
    last_accessed: float | None = None
    access_count: int = 0
    embedding: list[float] | None = None
    embedding_model: str | None = None
    """What made the vector: vectors of different models are never compared. `GIVEN`: a caller, who has not said by what."""
    indexed_version: int = 0
    """The version whose meaning is in the index; words are there at once."""

    by_text = Search("content", partition=("space",), filter=("status", "owner", "agent_id", "participant_id", "source_type"))
    by_meaning = Vector(
        "embedding",
        dimensions=DIMENSIONS,
        partition=("space",),
        filter=("status", "owner", "agent_id", "participant_id", "source_type", "embedding_model"),
    )
    by_space = Index("space", "status")
    """A space's memories."""
    by_owner = Index("space", "status", "owner")
    """Somebody's memories in a space."""
    by_owner_everywhere = Index("owner")
    """Somebody's memories in all spaces. Asked by their erasure."""
    by_conversation = Index("conversation")
    """What was made of a conversation's messages?"""
    by_model = Index("embedding_model", eventual=True)
    """Which vectors has a model made? Asked when another takes its place."""


class MemoryModel(Table, name="memoryModels"):
    """A model that has made vectors of memories in this org; its id is the model's name. Gone when none of them are left."""

    org: str
    state: Literal["on"] = "on"
    successor: str | None = None
    """The model whose vectors take the place of this one's."""
    done: int = 0
    """Memories that this has been done for."""
    look_at: float
    """When to look whether there is something to do; later, while a job does it."""

    by_state_look = Index("state", order="look_at", eventual=True, everywhere=True)
    """Which models are known, the oldest first? Asked by the sweep."""


class MemoryVersion(Table, name="memoryVersions", key=("memory", "version")):
    """A version of a memory that was replaced; it never changes. Vectors are not kept with it."""

    memory: str
    version: int
    content: str
    content_type: ContentType = "raw"
    importance: int
    tags: list[str] = []
    metadata: dict[str, Any] | None = None
    at: float
    """When it came."""


class MemoryErasure(Table, name="memoryErasures"):
    """The receipt of an erasure over the layers of memory: what is gone, and what is still to go. Ids, never contents."""

    org: str
    requested_by: str
    state: Literal["running", "completed"] = "running"
    user_id: str | None = None
    space: str | None = None
    ids: list[str] | None = None
    """Memories that are still to go, by name, where only these are meant."""
    todo: list[str] = []
    """Layers that are still to be looked at, in order."""
    layers: list[str] = []
    """Layers that it is about."""
    children: list[str] = []
    """Memories that are gone, whose earlier versions are still to go."""
    spaces: list[str] = []
    """Where something was erased: the indexes of these are cleared before it is completed."""
    erased: dict[str, int] = {}
    """Documents by table."""
    digest: str = ""
    """A chain of SHA-256 over table and id of every erased document, in the order of their erasure."""
    parts: dict[str, str] = {}
    """Receipts of layers that erase by themselves, until these are completed."""
    started_at: float
    touched_at: float
    """When something was last done for it."""
    completed_at: float | None = None

    by_state_touched = Index("state", order="touched_at", eventual=True, everywhere=True)
    """Which erasures stand still? Asked by the sweep."""


class MemoryRetention(Table, name="memoryRetentions"):
    """How long the memories of a space are kept; the id is a digest of the space's name."""

    org: str
    space: str
    days: float
    keep_importance: int = 101
    """Memories of at least this importance stay; over 100: none does."""
    passed: float | None = None
    """Memories created up to this moment have been looked at in this round."""
    look_at: float
    state: Literal["on"] = "on"
    updated_at: float

    by_state_look = Index("state", order="look_at", eventual=True, everywhere=True)
    """Which spaces are to be looked at? Asked by the sweep."""
