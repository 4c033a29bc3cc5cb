"""The protective steps of the data room, each switched off by replacing the code that takes it.

Nothing in the product knows of these switches: a mutant swaps a class or function while it is active.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import chalicelib.data.commit as commit_module
import chalicelib.data.ranges as ranges_module
import chalicelib.data.receipts as receipts_module
import chalicelib.data.snapshot as snapshot_module
import chalicelib.data.transaction as transaction_module
import chalicelib.runtime.attempts as attempts_module
import chalicelib.runtime.lines as lines_module
import chalicelib.runtime.transactor as transactor_module
from chalicelib.data.errors import ConcaveError, Conflict, StoreFailed
from chalicelib.data.reads import version_of
from chalicelib.data.receipts import Receipt
from chalicelib.data.store import Absent, Check, Key, Put, Rows, Update
from chalicelib.runtime.attempts import Verdict
from infra.local.sqlite.writer import Writer

Plan = commit_module._Plan
Reader = ranges_module.RangeReader


class FencesUnchecked(Plan):
    """A commit does not mind that the range it read has changed."""

    def actions(self) -> list[Any]:
        kept = [each for each in super().actions() if not (isinstance(each, Check) and each.key.table == "fences")]
        return [
            Update(each.key, each.set, each.add, each.remove) if isinstance(each, Update) and each.key.table == "fences" else each
            for each in kept
        ]


class ReadsUnchecked(Plan):
    """A commit checks what it writes, not what it only read."""

    def actions(self) -> list[Any]:
        return [each for each in super().actions() if not isinstance(each, Check) or each.key.table == "fences"]


class WithoutFreshRows(Plan):
    """Nobody is told of a document before the index shows it."""

    def fresh_rows(self) -> list[Put]:
        return []


class CommitRowUnconditional(Plan):
    """The commits row is no proof: it is written over."""

    def actions(self) -> list[Any]:
        return [
            Put(each.table, each.item) if isinstance(each, Put) and each.table == "commits" else each
            for each in super().actions()
        ]


class ClaimsUnchecked(Plan):
    """A unique value is taken whoever has it."""

    def actions(self) -> list[Any]:
        kept = [each for each in super().actions() if not (isinstance(each, Check) and each.key.table == "claims")]
        return [Put(each.table, each.item) if isinstance(each, Put) and each.table == "claims" else each for each in kept]


class RefusedBelieved(Reader):
    """A candidate that is elsewhere is believed to be, although it may be half of a transaction."""

    def _truly(self, refused: Any) -> bool:
        return True


class WithoutRefill(Reader):
    """One page of the index is all there is."""

    def _candidates(self, *args: Any, **kwargs: Any) -> Any:
        real = self.store
        self.store = _OnePage(real)  # type: ignore[assignment]
        try:
            return super()._candidates(*args, **kwargs)
        finally:
            self.store = real


class _OnePage:
    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def query(self, *args: Any, **kwargs: Any) -> Rows:
        found = self._store.query(*args, **kwargs)
        return Rows(found.items, False)


class FreshUnfilled(Reader):
    """One page of fresh rows is all there is."""

    def _fresh(self, *args: Any) -> Any:
        return replace(super()._fresh(*args), edge=None)


class FreshFromTheOldest(Reader):
    """Fresh rows are read from the oldest on, whichever end of the range is asked for."""

    def _fresh(self, shard: str, low: str, high: str, newest: bool, limit: Any) -> Any:
        return replace(super()._fresh(shard, low, high, False, limit), edge=None)


class FreshTooShort(Reader):
    """A fresh row is past its time at once."""

    def _fresh(self, *args: Any) -> Any:
        self.now_s += 3600
        try:
            return super()._fresh(*args)
        finally:
            self.now_s -= 3600


class FenceLast(Reader):
    """The fence is read after the index, so it vouches for what was never seen."""

    def index(
        self, index: Any, shard: str, low: str, high: str, newest: bool, limit: Any, belongs: Any, apart: bool = False
    ) -> Any:
        found = self._candidates(index, shard, low, high, newest, limit, belongs)
        key = Key("fences", shard, "!")
        self.reads.saw(key, self.store.get(key))
        return found or []


class ProposedBelieved(Reader):
    """Whom fresh rows and the index show is there, however many there should be."""

    def members(self, index: Any, shard: str, low: str, high: str, belongs: Any) -> Any:
        key = Key("fences", shard, "!")
        self.reads.saw(key, self.store.get(key))
        return self._proposed(index, shard, low, high)


class FenceHeld(Reader):
    """A fence that a transaction still holds is believed, and the documents beside it."""

    def _settled(self, fence: Key) -> Any:
        return True, self.store.get(fence)


def as_many_as_there_are(*_: Any) -> bool:
    """Nobody counts."""
    return True


class HolesBelieved(Reader):
    """A log is whatever rows are there."""

    def dense_log(self, table: str, address: str, low: str, high: str, newest: bool, limit: Any, dense: Any) -> Any:
        self.reads.saw(dense.parent, self.store.get(dense.parent))
        return self.log(table, address, low, high, newest, limit)


def no_second_look(store: Any, reads: Any, pause: Any = None) -> bool:
    """A query believes its first look."""
    return not reads.torn


def plain_second_look(store: Any, reads: Any, pause: Any = None) -> bool:
    """The second look is by plain reads, which may meet the same half twice."""
    keys = list(reads.versions)
    items = store.batch_get(keys)
    return not reads.torn and all(version_of(key, item) == reads.versions[key] for key, item in zip(keys, items, strict=True))


def answered_unlooked(store: Any, _tx: Any, call: Any) -> None:
    """A mutation that only read believes its first look."""
    if call.intent.kept:
        store.write(Put("commits", commit_module.row_of(call), Absent()))


def answered_and_forgotten(store: Any, tx: Any, _call: Any) -> None:
    """A mutation that only read keeps its answer for nobody."""
    if not snapshot_module.holds(store, tx.reads, tx.pause):
        raise Conflict


def no_rows(*_asked: Any) -> dict[str, Any]:
    """After a failure nobody looks whether it had happened."""
    return {}


@contextmanager
def swapped(*swaps: tuple[Any, str, Any]) -> Iterator[None]:
    """Replace attributes of modules for a while."""
    kept = [(module, name, getattr(module, name)) for module, name, _ in swaps]
    for module, name, new in swaps:
        setattr(module, name, new)
    try:
        yield
    finally:
        for module, name, old in kept:
            setattr(module, name, old)


def drops_refused_reads(self: Any, mark: Any, *, keep_reads: bool = False) -> None:
    """What a refused call has read is no condition."""
    _roll_back(self, mark)


def keeps_claims(self: Any, mark: Any, *, keep_reads: bool = False) -> None:
    """A call that is taken back keeps the unique values that it took."""
    held = self.uniques.held()
    _roll_back(self, mark, keep_reads=keep_reads)
    self.uniques.put_back(held)


def tells_refusals_early(self: Any, tx: Any, ran: Any) -> Any:
    """Who was refused hears it whether or not the group is committed."""
    try:
        return _decided(self, tx, ran)
    except Conflict as conflict:
        refused = {one.wanted.commit_id: one.refusal for one in ran if one.refusal is not None}
        conflict.done |= {id: _Refusal(error) for id, error in refused.items()}
        raise


class _Refusal(dict[str, Any]):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def first_answer_or_refusal(row: Any, wanted: Any) -> Any:
    """Believes what `tells_refusals_early` says."""
    return Verdict(refusal=row.error) if isinstance(row, _Refusal) else _first_answer(row, wanted)


def answers_early(self: Any, tx: Any, ran: Any) -> Any:
    """Answers are given whatever the store says."""
    try:
        return _decided(self, tx, ran)
    except (Conflict, StoreFailed):
        return [Verdict(Receipt(one.planned.intent.id, one.planned.intent.result, [])) for one in ran]


def without_refused(store: Any, tx: Any, calls: Any, refused: Any = ()) -> Any:
    """A refused call may have been committed before."""
    return _commit_all(store, tx, calls)


_roll_back = transaction_module.Transaction.roll_back
_decided, _commit_all = attempts_module.Attempts._decided, commit_module.commit_all
_first_answer = transactor_module._first_answer

GROUP_MUTANTS: dict[str, Callable[[], Any]] = {
    "refused reads dropped": lambda: swapped((transaction_module.Transaction, "roll_back", drops_refused_reads)),
    "refusals before the commit": lambda: swapped(
        (attempts_module.Attempts, "_decided", tells_refusals_early),
        (transactor_module, "_first_answer", first_answer_or_refusal),
    ),
    "a savepoint keeps a claim": lambda: swapped((transaction_module.Transaction, "roll_back", keeps_claims)),
    "a repeat in a group not looked for": lambda: swapped(
        (commit_module, "_Plan", CommitRowUnconditional),
        (commit_module, "commit_rows", no_rows),
        (receipts_module, "commit_rows", no_rows),
    ),
    "a refused call not looked for": lambda: swapped((attempts_module, "commit_all", without_refused)),
    "answers before the commit": lambda: swapped((attempts_module.Attempts, "_decided", answers_early)),
}


class TellsBeforeCommit(Writer):
    """A transaction's caller goes on when it has been carried out, not when it is committed."""

    def _one(self, work: Any, changed: list[int]) -> None:
        super()._one(work, changed)
        if work.turn is not None and work.error is None:
            work.decided = True
            work.turn.release()
            work.turn = None

    def _commit(self) -> None:
        threading.Event().wait(0.05)  # the caller has gone by now
        super()._commit()


class KeepsRefused(Writer):
    """A transaction of a group that is refused keeps what it had written until then."""

    def _one(self, work: Any, changed: list[int]) -> None:
        try:
            work.result = work.body(changed)
        except ConcaveError as refused:
            work.error = refused


class LastFirst(lines_module.Line):
    """Who came last is served first."""

    def _lead(self, serve: lines_module.Serve) -> None:
        with self._lock:
            self._waiting.reverse()
        super()._lead(serve)


LINE_MUTANTS: dict[str, Callable[[], Any]] = {"last first": lambda: swapped((lines_module, "Line", LastFirst))}

WRITER_MUTANTS: dict[str, type[Writer]] = {"told before COMMIT": TellsBeforeCommit, "a refused one kept": KeepsRefused}

MUTANTS: dict[str, Callable[[], Any]] = {
    "fence condition off": lambda: swapped((commit_module, "_Plan", FencesUnchecked)),
    "read-only documents unchecked": lambda: swapped((commit_module, "_Plan", ReadsUnchecked)),
    "claims unchecked": lambda: swapped((commit_module, "_Plan", ClaimsUnchecked)),
    "fresh rows off": lambda: swapped((commit_module, "_Plan", WithoutFreshRows)),
    "commits row not the proof": lambda: swapped(
        (commit_module, "_Plan", CommitRowUnconditional),
        (commit_module, "commit_rows", no_rows),
        (receipts_module, "commit_rows", no_rows),
    ),
    "refused candidates believed": lambda: swapped((transaction_module, "RangeReader", RefusedBelieved)),
    "no refill": lambda: swapped((transaction_module, "RangeReader", WithoutRefill)),
    "fresh rows not refilled": lambda: swapped((transaction_module, "RangeReader", FreshUnfilled)),
    "fresh rows read in one direction only": lambda: swapped((transaction_module, "RangeReader", FreshFromTheOldest)),
    "fresh rows past their time too early": lambda: swapped((transaction_module, "RangeReader", FreshTooShort)),
    "fence read last": lambda: swapped((transaction_module, "RangeReader", FenceLast)),
    "those who are proposed are there": lambda: swapped((transaction_module, "RangeReader", ProposedBelieved)),
    "a fence that is held is believed": lambda: swapped((transaction_module, "RangeReader", FenceHeld)),
    "members are not counted": lambda: swapped((ranges_module, "_all", as_many_as_there_are)),
    "log density unchecked": lambda: swapped((transaction_module, "RangeReader", HolesBelieved)),
    "what vouches for settled rows is not looked at again": lambda: swapped((snapshot_module, "holds", no_second_look)),
    "no second look": lambda: swapped((snapshot_module, "holds", no_second_look)),
    "a mutation that only read believes its first look": lambda: swapped((commit_module, "_answer", answered_unlooked)),
    "a keyed answer without writes is not kept": lambda: swapped((commit_module, "_answer", answered_and_forgotten)),
    "second look by plain reads": lambda: swapped((snapshot_module, "holds", plain_second_look)),
}
