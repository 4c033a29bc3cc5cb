"""Two transactions that read what the other writes, at the same moment: the engine lets one of them run again, and a reader that
does not have its reads checked shows the anomaly that the checker knows by its name."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib import MutationCtx, mutation
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import User
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore
from tests.apps.lists import Whole
from tests.histories.checker import check
from tests.histories.history import Step, Transaction

ALICE = User("alice", "https://issuer.test", "acme")
MET: dict[str, threading.Barrier] = {}


@mutation
def cross(ctx: MutationCtx, meeting: str, reads: str, appends: str, value: int, checked: bool) -> list[int]:
    """Read one list, wait until the other has read, too, and append to another list. Returns what was read."""
    look: Any = ctx.db.get if checked else ctx.db.peek
    seen = look(Whole, reads)
    try:
        MET[meeting].wait(5)
    except threading.BrokenBarrierError:
        pass  # it runs again, and alone
    else:
        MET[meeting].abort()
    mine = ctx.db.get(Whole, appends)
    if mine is None:
        ctx.db.insert(Whole(id=appends, values=[value]))
    else:
        ctx.db.patch(mine, values=[*mine.values, value])
    return list(seen.values) if seen else []


def crossed(name: str, checked: bool) -> list[str]:
    """Both at once; what is wrong with their history."""
    specs = [*SYSTEM_SPECS, spec(Whole)]
    store, registry = SqliteStore(":memory:", specs), Registry()
    registry.add(cross, "skew")
    executor = Executor(store, registry, SystemClock())
    MET[name] = threading.Barrier(2)

    def call(reads: str, appends: str, value: int) -> Transaction:
        args = {"meeting": name, "reads": reads, "appends": appends, "value": value, "checked": checked}
        done = executor.mutation("skew:cross", args, ALICE)
        assert done.ok, done
        saw = tuple(int(each) for each in done.value)
        return Transaction(f"T{value}", (Step(reads, saw=saw), Step(appends, value=value)))

    with ThreadPoolExecutor() as pool:
        both = [pool.submit(call, "dx", "dy", 1), pool.submit(call, "dy", "dx", 2)]
        history = [each.result() for each in both]
    store.close()
    return check(history, {"dx": (2,), "dy": (1,)})


def test_reads_that_are_checked_leave_one_order() -> None:
    assert crossed("checked", checked=True) == []


@pytest.mark.parametrize("turn", range(3))
def test_reads_that_are_not_checked_are_found_out(turn: int) -> None:
    assert [each.partition(":")[0] for each in crossed(f"peeked {turn}", checked=False)] == ["G2"]
