"""An app whose functions fail in every way that a function can, on demand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from chalicelib import (
    ActionCtx,
    Crons,
    Index,
    MutationCtx,
    QueryCtx,
    Refused,
    Table,
    action,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.runtime.jobs import Job

SECRET = "hush-4711"
"""In the text of every fault: no client may hear it outside development."""


class Trace(Table, name="faultyTraces"):
    note: str
    job: str = ""

    by_note = Index("note")


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError(SECRET)


class Chained(Exception):
    pass


def _raised(error: BaseException) -> Callable[[], Any]:
    def fault() -> Any:
        raise error

    return fault


def _deep() -> Any:
    return _deep()


def _chain() -> Any:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise Chained(SECRET) from error


def _circle() -> Any:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def _refused(data: Any) -> Callable[[], Any]:
    refused = Refused("Closed", "The shop is closed.")
    refused.data = data
    return _raised(refused)


FAULTS: dict[str, Callable[[], Any]] = {
    "an error": _raised(ValueError(SECRET)),
    "an error with half a surrogate": _raised(ValueError(f"{SECRET} \ud83d")),
    "an error that cannot say itself": _raised(Mute()),
    "an error with a cause": _chain,
    "a division by zero": lambda: 1 // 0,
    "an endless recursion": _deep,
    "no memory": _raised(MemoryError(SECRET)),
    "sys.exit": lambda: sys.exit(SECRET),
    "Ctrl-C": _raised(KeyboardInterrupt(SECRET)),
    "a refusal whose data is no value": _refused({1, 2}),
}
WRONG_RESULTS: dict[str, Callable[[], Any]] = {
    "a result of another type": lambda: 7,
    "a result that is no value": lambda: {1, 2},
    "a result that holds itself": _circle,
    "a result with half a surrogate": lambda: "\ud83d",
}
REFUSALS: dict[str, Any] = {
    "an object": {"code": "Closed", "until": "nine"},
    "a text": "closed until nine",
    "a number": 9,
    "a list": ["closed", 9],
    "null": None,
    "a truth": False,
}


def fail(fault: str) -> Any:
    """Fail as asked; `none`: do not."""
    return (FAULTS | WRONG_RESULTS | {name: _refused(data) for name, data in REFUSALS.items()} | {"none": lambda: "fine"})[
        fault
    ]()


@query
def look(ctx: QueryCtx, fault: str) -> str:
    ctx.log.warn("looked", fault)
    ctx.db.get(Trace, "nothing")
    return fail(fault)  # type: ignore[no-any-return]


@mutation
def change(ctx: MutationCtx, fault: str) -> str:
    ctx.log.warn("changed", fault)
    ctx.db.insert(Trace(note=fault))
    return fail(fault)  # type: ignore[no-any-return]


@action
def act(ctx: ActionCtx, fault: str) -> str:
    ctx.log.warn("acted", fault)
    return fail(fault)  # type: ignore[no-any-return]


SAYS = {"query": "looked", "mutation": "changed", "action": "acted"}


@action
def through(ctx: ActionCtx, kind: str, fault: str) -> str:
    run = {"query": ctx.run_query, "mutation": ctx.run_mutation, "action": ctx.run_action}[kind]
    return run({"query": look, "mutation": change, "action": act}[kind], fault=fault)  # type: ignore[no-any-return]


@action
def calm(ctx: ActionCtx, fault: str) -> str:
    """Knows what to do when a query fails."""
    try:
        return str(ctx.run_query(look, fault=fault))
    except Exception as error:  # noqa: BLE001 - whatever it is
        return f"calm about {type(error).__name__}"


@mutation
def order(ctx: MutationCtx, kind: str, fault: str) -> str:
    return ctx.scheduler.run_after(0, {"mutation": change, "action": act}[kind], fault=fault)


@query
def ended(ctx: QueryCtx, job: str) -> dict[str, Any] | None:
    found = ctx.db.get(Job, job)
    return None if found is None else {"state": found.state, "error": found.error}


@internal_mutation
def give_up(ctx: MutationCtx) -> None:
    """A job that takes itself back."""
    for trace in ctx.db.query(Trace.by_note("to give up")).collect():
        ctx.scheduler.cancel(trace.job)
    ctx.db.insert(Trace(note="gave up"))


@mutation
def order_giving_up(ctx: MutationCtx) -> str:
    job = ctx.scheduler.run_after(0, give_up)
    ctx.db.insert(Trace(note="to give up", job=job))
    return job


@query
def traces(ctx: QueryCtx, note: str) -> int:
    return len(ctx.db.query(Trace.by_note(note)).collect())


def crons_of(*names: str) -> Crons:
    """A cron by each name."""
    made = Crons()
    for name in names:
        made.interval(name, change, seconds=60, fault="none")
    return made
