"""Facts with supersession: of one slot one fact is held to be true, and what it took the place of stays with its history.

A slot is a subject and a predicate (`alice`, `lives in`), whatever their case and accents; a fact without these is a slot by its
text. What says the same again confirms the fact that is there; what says something else supersedes it, in one commit.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain.conversations.codes import check_id, check_required, refused
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories.codes import check_importance, check_tags
from chalicelib.schema import Fact, FactType, Memory
from chalicelib.words import fold

LONGEST_FACT = 4_000
"""Characters of one statement."""
MOST_FACTS = 6
"""Facts that are taken from one memory: forgetting it with them is one commit."""
MOST_HISTORY = 200
"""Facts of one slot that a history shows, the newest."""
AT_ONCE = 20
"""Facts of one slot that may stand in another order than that of their commits: a call that is run again keeps its time."""
Action = Literal["ADD", "NONE", "SUPERSEDE"]


class NewFact(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A statement. With `subject` and `predicate` a later one about the same supersedes it."""

    fact: str
    fact_type: FactType = "knowledge"
    subject: str | None = None
    predicate: str | None = None
    object: str | None = None
    confidence: int = 80
    tags: list[str] | None = None


class FactView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A fact. Times are milliseconds since the epoch."""

    fact_id: str
    space: str
    fact: str
    fact_type: FactType
    status: Literal["active", "superseded"]
    confidence: int
    confirmations: int
    """How often it was said again."""
    created_at: float
    updated_at: float
    subject: str | None = None
    predicate: str | None = None
    object: str | None = None
    tags: list[str] = []
    user_id: str | None = None
    agent_id: str | None = None
    memory_id: str | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    valid_until: float | None = None
    score: float | None = None


class FactStored(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What became of a statement: `ADD` a new fact, `NONE` it was known and is confirmed, `SUPERSEDE` it replaces one."""

    action: Action
    fact: FactView
    superseded: str | None = None


def view(row: Fact, score: float | None = None) -> FactView:
    """A fact's document → what its readers see."""
    return FactView(
        fact_id=row.id,
        space=row.space,
        fact=row.fact,
        fact_type=row.fact_type,
        status=row.status,
        confidence=row.confidence,
        confirmations=row.confirmations,
        created_at=row.creation_time,
        updated_at=row.updated_at,
        subject=row.subject,
        predicate=row.predicate,
        object=row.object,
        tags=row.tags,
        user_id=row.user_id,
        agent_id=row.agent_id,
        memory_id=row.memory,
        supersedes=row.supersedes,
        superseded_by=row.superseded_by,
        valid_until=row.valid_until,
        score=score,
    )


def not_found() -> Refused:
    """The answer for a fact that is not there, and for one that is somebody else's."""
    return refused("FACT_NOT_FOUND", "there is no such fact")


def check(new: NewFact, field: str = "fact") -> None:
    """The rules that types do not say. Raises `Refused`."""
    check_required(new.fact, field)
    if len(new.fact) > LONGEST_FACT:
        raise refused("CONTENT_TOO_LONG", f"{field} has {len(new.fact)} characters; {LONGEST_FACT} is the limit", field)
    for name in ("subject", "predicate", "object"):
        value = getattr(new, name)
        if value is not None:
            check_id(value, name)
    if (new.subject is None) != (new.predicate is None):
        raise refused("MISSING_REQUIRED_FIELD", "a fact names subject and predicate, or neither", "predicate")
    try:
        check_importance(new.confidence, "confidence")
    except Refused as error:
        raise refused("INVALID_CONFIDENCE", "confidence is a whole number from 0 to 100", "confidence") from error
    if new.tags is not None:
        check_tags(new.tags, "tags")


def store(
    ctx: MutationCtx, space: str, new: NewFact, user_id: str | None, agent_id: str | None, memory: Memory | None = None
) -> FactStored:
    """Hold a statement to be true. The owner must be the caller's (`access.owner`)."""
    check(new)
    owner = may.key_of(user_id, agent_id)
    slot = _slot(space, owner, new)
    newest: list[Fact] = ctx.db.query(Fact.by_slot(slot)).newest().take(AT_ONCE)
    held = next((each for each in newest if each.status == "active"), None)
    if held is not None and _same(held, new):
        known = ctx.db.patch(
            held,
            confidence=max(held.confidence, new.confidence),
            confirmations=held.confirmations + 1,
            updated_at=ctx.now,
        )
        return FactStored(action="NONE", fact=view(known))
    if memory is not None and ctx.db.count(Fact.by_memory(memory.id)) >= MOST_FACTS:
        raise refused("TOO_MANY_FACTS", f"{MOST_FACTS} facts are taken from one memory at most", "memoryId")
    row = Fact(
        id=ctx.new_id("fact-"),
        space=space,
        fact=new.fact,
        fact_type=new.fact_type,
        subject=new.subject,
        predicate=new.predicate,
        object=new.object,
        slot=slot,
        owner=owner,
        user_id=user_id,
        agent_id=agent_id,
        confidence=new.confidence,
        tags=list(dict.fromkeys(new.tags or ())),
        memory=None if memory is None else memory.id,
        supersedes=None if held is None else held.id,
        updated_at=ctx.now,
    )
    ctx.db.insert(row)
    if held is None:
        return FactStored(action="ADD", fact=view(row))
    ctx.db.patch(held, status="superseded", superseded_by=row.id, valid_until=ctx.now, updated_at=ctx.now)
    return FactStored(action="SUPERSEDE", fact=view(row), superseded=held.id)


def _slot(space: str, owner: str, new: NewFact) -> str:
    named = [new.subject, new.predicate] if new.subject is not None and new.predicate is not None else [new.fact]
    text = json.dumps([space, owner, *(" ".join(fold(each).split()) for each in named)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _same(held: Fact, new: NewFact) -> bool:
    """Whether two statements of one slot say the same: the same object, or without objects the same text."""
    if held.object is not None and new.object is not None:
        return bool(fold(held.object) == fold(new.object))
    return bool(fold(held.fact) == fold(new.fact))


def found(ctx: QueryCtx | MutationCtx, space: str, fact_id: str) -> Fact | None:
    """A fact for whose it is; None for everybody else, and in every other space."""
    who = may.asks(ctx)
    check_id(space, "space")
    row = ctx.db.get(Fact, fact_id) if who is not None and may.usable(fact_id) else None
    return row if row is not None and who is not None and who.owns(row) and row.space == space else None


def ranges(ctx: QueryCtx, space: str, user_id: str | None, superseded: bool) -> list[Any]:
    """Where the facts of a space stand that the caller may see."""
    who = may.asks(ctx)
    check_id(space, "space")
    if who is None:
        return []
    named = None if user_id is None else may.key_of(user_id, None)
    if not who.everything and named not in (None, who.owner):
        return []
    owner = named if who.everything else who.owner
    statuses = ("active", "superseded") if superseded else ("active",)
    return [Fact.by_space(space, each) if owner is None else Fact.by_owner(space, each, owner) for each in statuses]


def history(ctx: QueryCtx, row: Fact) -> list[Fact]:
    """What was held to be true of the same, oldest first."""
    rows: list[Fact] = ctx.db.query(Fact.by_slot(row.slot)).newest().take(MOST_HISTORY)
    left = {each.id: each for each in rows[::-1]}
    told: list[Fact] = []
    for first in [each for each in left.values() if each.supersedes not in left]:
        following: Fact | None = first
        while following is not None and left.pop(following.id, None) is not None:  # each is followed by what took its place
            told.append(following)
            following = left.get(following.superseded_by or "")
    return told
