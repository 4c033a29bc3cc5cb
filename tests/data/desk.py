"""A desk of notes: one table with a field of each kind, functions that write it by every way, and any store under it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import (
    ActionCtx,
    Index,
    Int64,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Table,
    action,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.data.store import Store
from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.paths import camel
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore

ORG = "_public"
"""The org of a caller without a token."""


class Corner(msgspec.Struct, rename="camel"):
    from_left: float
    label: str | None
    hint: str | None = None


class DeskNote(Table, name="deskNotes"):
    owner: str | None
    text: str = ""
    state: Literal["open", "done"] = "open"
    rank: float = 0
    count: int = 0
    big: Int64 | None = None
    raw: bytes | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    meta: dict[str, Any] = msgspec.field(default_factory=dict)
    anything: Any = None
    corner: Corner | None = None
    limit: int | None = 5
    about: Annotated[str, Meta(extra={"table": "deskNotes"})] | None = None

    by_owner = Index("owner", order="rank")
    by_state = Index("state")


class DeskSlip(Table, name="deskSlips", key=("pad", "line"), ttl="until"):
    pad: str
    line: int
    until: float | None = None


def note_of(fields: dict[str, Any]) -> DeskNote:
    return DeskNote(**{"owner": "ann", **fields})


HELD: dict[str, Any] = {}
"""Python values that a test hands to a function as they are: no wire is between them."""


@mutation
def put(ctx: MutationCtx) -> str:
    return ctx.db.insert(note_of(HELD["fields"]))


@mutation
def change(ctx: MutationCtx, id: str) -> DeskNote:
    found = ctx.db.get(DeskNote, id)
    assert found is not None
    return ctx.db.patch(found, **HELD["fields"])


@mutation
def overwrite(ctx: MutationCtx, id: str) -> DeskNote:
    return ctx.db.replace(note_of({"id": id, **HELD["fields"]}))


@mutation
def mend(ctx: MutationCtx, id: str, text: str) -> DeskNote:
    return ctx.db.patch(DeskNote, id, text=text)


@mutation
def drop(ctx: MutationCtx, id: str) -> None:
    ctx.db.delete(DeskNote, id)


@mutation
def slip(ctx: MutationCtx) -> str:
    return ctx.db.insert(DeskSlip(**HELD["fields"]))


@mutation
def try_put(ctx: MutationCtx) -> str:
    """Catches the refusal, and goes on."""
    try:
        ctx.db.insert(note_of(HELD["fields"]))
    except Exception as error:  # noqa: BLE001 - the test wants to see whatever it is
        ctx.db.insert(DeskNote(owner="the catcher"))
        return type(error).__name__
    return ""


@query
def read(ctx: QueryCtx, id: str) -> DeskNote | None:
    return ctx.db.get(DeskNote, id)


@query
def listed(ctx: QueryCtx, state: str = "open") -> list[DeskNote]:
    return ctx.db.query(DeskNote.by_state(state)).take(100)


@query
def paged(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[DeskNote]:
    return ctx.db.query(DeskNote.by_state("open")).page(pagination_opts)


@query
def slips(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[DeskSlip]:
    return ctx.db.query(DeskSlip.log("p")).page(pagination_opts)


@query
def of(ctx: QueryCtx, owner: str | None) -> list[DeskNote]:
    return ctx.db.query(DeskNote.by_owner(owner)).take(100)


@query
def corner(ctx: QueryCtx, label: str | None) -> Corner:
    return Corner(from_left=1, label=label)


@internal_mutation
def take(ctx: MutationCtx, owner: str | None, text: str | None = "nothing said", hint: str | None = None) -> list[Any]:
    """What a function gets is what it was given; and it keeps it."""
    ctx.db.insert(DeskNote(id=f"taken-{hint}", owner=owner, meta={"text": text, "hint": hint}))
    return [owner, text, hint]


@mutation
def later(ctx: MutationCtx) -> str:
    return ctx.scheduler.run_after(0, take, **HELD["args"])


@mutation
def sometime(ctx: MutationCtx) -> str:
    if "after" in HELD:
        return ctx.scheduler.run_after(HELD["after"], take, owner="ann")
    return ctx.scheduler.run_at(HELD["at"], take, owner="ann")


@action
def now(ctx: ActionCtx) -> Any:
    return ctx.run_mutation(take, **HELD["args"])


@mutation
def wants_int64(ctx: MutationCtx, number: Int64) -> str:
    return type(number).__name__


FUNCTIONS = (
    put,
    change,
    overwrite,
    mend,
    drop,
    slip,
    try_put,
    read,
    listed,
    paged,
    slips,
    of,
    corner,
    take,
    later,
    sometime,
    now,
    wants_int64,
)


class Desk:
    """The functions on a store."""

    def __init__(self, store: Store | None = None) -> None:
        self.store: Any = store or SqliteStore(":memory:", all_specs())
        registry = Registry()
        for function in FUNCTIONS:
            registry.add(function, "desk")
        self.executor = Executor(self.store, registry, SystemClock(), development=True)

    def do(self, name: str, /, _fields: dict[str, Any] | None = None, **args: Any) -> Outcome:
        """Call a function; `_fields` are handed to it in Python."""
        if _fields is not None:
            HELD["fields"] = _fields
        call: dict[str, Callable[..., Outcome]] = {
            "query": functools.partial(self.executor.query),
            "mutation": functools.partial(self.executor.mutation, retry_ms=300),
            "action": self.executor.action,
        }
        path = f"desk:{camel(name)}"
        return call[self.executor.registry.get(path).kind](path, args, None)

    def everything(self) -> list[Any]:
        """All that the store holds: to see that a refusal changed nothing."""
        return [self.store.scan(spec.name, limit=10_000).items for spec in all_specs()]


def said(outcome: Outcome) -> str:
    """An outcome's complaint; empty when there is none."""
    return "" if outcome.error is None else outcome.error.message
