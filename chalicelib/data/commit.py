"""From a run to one TransactWriteItems, and how we know whether it happened.

The order of steps, each with its reason:

1. **Fresh rows first, as plain puts.** A reader that sees the new fence number must find the document, even while the
   index lags. A hint without a commit does no harm.
2. **One transaction.** Written documents are conditioned on the version that was read (`_c`, unique: a counter would
   restart when a document is made again) or on absence; documents and ranges only read are checked; fences of
   membership changes grow by one; unique values are claims; and one `commits` row carries the answer, the touched
   addresses and the jobs. One commit is one whole event.
3. **On any failure look at the `commits` row first.** SDKs retry lost answers; a retry meets its own writes and sees a
   failed condition. The row, keyed by the idempotency key (or by an id drawn once per logical commit), is the only
   proof of success, and holds the first result.

**Several calls may be one transaction** (`commit_all`): each has a commits row of its own, with the places that it wrote
itself. A call that was refused has no row; what it read, and that it has not been committed before, are conditions, so
its refusal was true at the moment of the commit.

A run that wrote nothing changes nothing, so it needs no transaction: what it read must have been true at one instant, and
that is all. Its answer is kept only under an idempotency key, by one plain put.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.data import entries, snapshot
from chalicelib.data.capabilities import exact_indexes
from chalicelib.data.errors import ConditionFailed, Conflict, Contention, LimitExceeded, StoreFailed
from chalicelib.data.pending import Pending
from chalicelib.data.reads import UNVERSIONED
from chalicelib.data.receipts import Intent, Planned, Receipt, commit_rows, from_row, row_of
from chalicelib.data.records import fields
from chalicelib.data.store import (
    MAX_ACTIONS,
    Absent,
    Action,
    All,
    Check,
    Delete,
    Equals,
    Exists,
    Item,
    Key,
    Lacks,
    Path,
    Put,
    Store,
    Update,
)
from chalicelib.data.stored import stored_attributes
from chalicelib.data.tables import MARK, Position
from chalicelib.data.touched import moves, new_standing, stored_standing, touched_between
from chalicelib.data.transaction import Transaction

FRESH_SECONDS = 3600
"""How long a fresh row lives: longer than any index lag plus the longest invocation."""


def commit(store: Store, tx: Transaction, intent: Intent) -> Receipt:
    """Make a run's writes true, all or none. Raises `Conflict` to be run again, `LimitExceeded` when it cannot fit."""
    try:
        return commit_all(store, tx, [Planned(intent, touched_between(tx.org, {}, tx.writes))])[0]
    except Conflict as conflict:
        if intent.id in conflict.done:
            return from_row(conflict.done[intent.id], intent.call)
        raise


def commit_all(store: Store, tx: Transaction, calls: Sequence[Planned], refused: Sequence[str] = ()) -> list[Receipt]:
    """Make the writes of several calls true in one transaction, a commits row each.

    Args:
        calls: they have worked in `tx`, in this order.
        refused: commit ids of calls that were refused beside them: they must not have been committed before.

    Returns: the receipts, in the order of the calls.

    Raises:
        Conflict: nothing was committed here; `done` are the rows of those that were committed before. The rest may be run again.
        LimitExceeded: it cannot fit.
    """
    plan = _Plan(tx, calls, refused)
    actions = plan.actions()
    if len(actions) > MAX_ACTIONS:
        raise LimitExceeded(
            f"{calls[0].intent.path} would need {len(actions)} actions in one commit ({len(tx.writes)} documents written, "
            f"{len(tx.reads.versions)} read); a commit holds {MAX_ACTIONS}. Read a smaller range, use ctx.db.peek for "
            "return values, or split the work with ctx.scheduler.",
            "TooManyWrites" if len(tx.writes) > len(tx.reads.versions) // 2 else "TooManyReads",
        )
    try:
        number = _committed(store, tx, plan, actions)
    except (ConditionFailed, Conflict, StoreFailed) as failure:
        done = commit_rows(store, [*(each.intent.id for each in calls), *refused], tx.pause)
        if _happened(done, calls):
            return [_receipt(each, done.get(each.intent.id)) for each in calls]
        where = _where(tx, actions, failure)
        table = failure.table if isinstance(failure, Conflict) else _blame(where)
        raise Conflict(table, _taken(tx, where), where, done) from failure
    return [_receipt(each, number=number) for each in calls]


def _receipt(call: Planned, row: Item | None = None, number: int | None = None) -> Receipt:
    intent = call.intent
    if row is not None:
        return from_row(row, intent.call)
    return Receipt(intent.id, intent.result, call.touched, list(intent.jobs), list(intent.log_lines), number=number)


def _committed(store: Store, tx: Transaction, plan: _Plan, actions: Sequence[Action]) -> int | None:
    """Make it so. Returns the commit's number."""
    if plan.changes_nothing() and len(plan.calls) == 1 and not plan.refused:
        _answer(store, tx, plan.calls[0])
        return None
    for put in () if exact_indexes(store) else plan.fresh_rows():
        store.write(put)
    return store.transact(actions) if actions else None


def _answer(store: Store, tx: Transaction, call: Planned) -> None:
    """What a commit of nothing comes to: its reads were true at one instant, and its answer is kept under its key.

    A single document is looked at again, too: a plain read may still miss a transaction that its caller knows to be done.
    """
    if not snapshot.holds(store, tx.reads, tx.pause):
        raise Conflict
    if call.intent.kept:
        store.write(Put("commits", row_of(call), Absent()))


def _happened(done: Mapping[str, Item], calls: Sequence[Planned]) -> bool:
    """Whether it was this very attempt that wrote the rows: another one's would not vouch for what this one has read."""
    rows = [done.get(each.intent.id) for each in calls if each.has_row()]
    return bool(rows) and all(row is not None and row["_c"] == calls[0].intent.stamp for row in rows)


def _where(tx: Transaction, actions: Sequence[Action], failure: Exception) -> tuple[Key, ...]:
    """The items that someone else has changed, or is changing: of those the store names the table. Those that were there when
    they were read come first: it is them that others want, too; a new document's key is wanted once."""
    if isinstance(failure, Contention):
        keys = [key_of(action) for action in actions if not isinstance(action, Check)]
        keys = [key for key in keys if key.table == failure.table]
    else:
        keys = [key_of(actions[position]) for position in (failure.failed if isinstance(failure, ConditionFailed) else ())]
    wanted = [key for key in keys if key.table != "commits"]
    return tuple(sorted(wanted, key=lambda key: (tx.reads.versions.get(key) is None, key.table == "fences")))


def _blame(where: Sequence[Key]) -> str:
    """The table whose document changed, for the error that a caller sees after the last retry."""
    if not where:
        return ""
    table, pk = where[0].table, where[0].pk
    return pk.split("|")[1].split(".")[0] if table in ("fences", "claims") and "|" in pk else table


def _taken(tx: Transaction, where: Sequence[Key]) -> tuple[Key, ...]:
    """The keys of documents that were inserted without a look (those with a composite key are) and were there already."""
    return tuple(key for key in where if key in tx.unseen)


def key_of(action: Action) -> Key:
    """Which item an action is about."""
    return Key(action.table, action.item["pk"], action.item.get("sk")) if isinstance(action, Put) else action.key


@dataclass
class _Fence:
    """What a commit does to one fence."""

    membership: int = 0
    size: int = 0


class _Plan:
    """The actions of one commit."""

    def __init__(self, tx: Transaction, calls: Sequence[Planned], refused: Sequence[str] = ()) -> None:
        self.tx, self.calls, self.refused = tx, calls, refused
        self.stamp, self.now_s = calls[-1].intent.stamp, calls[-1].intent.now_s
        self.fences: dict[str, _Fence] = defaultdict(_Fence)
        self.entered: list[tuple[Position, Key]] = []
        self.claimed = tx.uniques.changes()
        for key, pending in tx.writes.items():
            self._memberships(key, pending)

    def _memberships(self, key: Key, pending: Pending) -> None:
        for old, new in moves(stored_standing(self.tx.org, pending), new_standing(pending)):
            if old == new:
                continue
            for place, change in ((old, -1), (new, 1)):
                if place is not None:
                    self.fences[place.shard].membership += 1
                    self.fences[place.shard].size += change
            if new is not None:
                self.entered.append((new, key))

    def fresh_rows(self) -> list[Put]:
        """Hints, written before the transaction: "this document entered here"."""
        ttl = self.now_s + FRESH_SECONDS
        return [
            Put("fences", {"pk": place.shard, "sk": place.order, "t": key.table, "dpk": key.pk, **_sk(key), "ttl": ttl})
            for place, key in self.entered
        ]

    def changes_nothing(self) -> bool:
        """Whether the run only read: nothing was written, no unique value changed hands, nothing is to be started."""
        return not self.tx.writes and not self.tx.unseen and not self.claimed and not any(each.intent.jobs for each in self.calls)

    def actions(self) -> list[Action]:
        """Everything, in one transaction."""
        written: list[Action] = [self._write(key, pending) for key, pending in self.tx.writes.items()]
        written += [self._fence(address, change) for address, change in self.fences.items() if change.membership]
        written += [self._claim(address, owner) for address, owner in self.claimed.items()]
        for key, pending in self.tx.writes.items():
            written += entries.actions(self.tx.org, key, pending, self.stamp, self.now_s) if pending.table.sides else ()
        taken = {key_of(action) for action in written}
        seen, vouched = self.tx.reads.versions, self.tx.reads.vouched
        # What the version of a document says of its claim need not be asked of the claim, too.
        sure = taken | {claim for claim, owner in vouched.items() if owner in seen or owner in self.tx.writes}
        checks = [Check(key, self._seen(key, version)) for key, version in seen.items() if key not in sure]
        rows: list[Action] = [Put("commits", row_of(each), Absent()) for each in self.calls if each.has_row()]
        return [*written, *checks, *rows, *(Check(Key("commits", id), Absent()) for id in self.refused)]

    @staticmethod
    def _seen(key: Key, version: str | int | None) -> Any:
        if version is None:
            return Absent()
        if version == UNVERSIONED:
            return All((Exists(), Lacks(("_c",))))
        return Equals(("n",) if key.table == "fences" else ("_c",), version)

    def _write(self, key: Key, pending: Pending) -> Action:
        condition = self._seen(key, pending.version)
        if pending.after is None:
            return Delete(key, condition)
        index_attributes = self._index_attributes(pending)
        if pending.before is None:
            item = {**key.attributes(), **fields(pending.after), **index_attributes, "_v": 1, "_c": self.stamp}
            return Put(key.table, {**item, **self._ttl(pending)}, condition)
        changed = {
            name: part for name, part in pending.after.items() if name not in pending.before or pending.before[name] != part
        }
        gone = [name for name in pending.before if name not in pending.after]
        old_attributes = stored_attributes(pending.table, pending.item)
        gone += [name for name in old_attributes if name not in index_attributes]
        sets: dict[Path, Any] = {(name,): part for name, part in {**fields(changed), **self._ttl(pending)}.items()}
        sets |= {(name,): part for name, part in index_attributes.items() if old_attributes.get(name) != part}
        sets[("_c",)] = self.stamp
        return Update(key, sets, {("_v",): 1}, tuple((name,) for name in gone), condition)

    def _index_attributes(self, pending: Pending) -> Item:
        attributes = entries.attributes(pending.table, self.tx.org, pending.after)
        for name, place in pending.places.items():
            attributes[f"{name}#p"], attributes[f"{name}#o"] = place.shard, place.order
        return attributes

    @staticmethod
    def _ttl(pending: Pending) -> Item:
        value = (pending.after or {}).get(pending.table.ttl) if pending.table.ttl else None
        return {} if value is None else {"ttl": int(value // 1000)}

    def _fence(self, address: str, change: _Fence) -> Update:
        key = Key("fences", address, MARK)
        condition = None
        if key in self.tx.reads.versions:
            seen = self.tx.reads.versions[key]
            condition = Lacks(("n",)) if seen is None else Equals(("n",), seen)
        return Update(key, {}, {("n",): 1, ("size",): change.size}, (), condition)

    def _claim(self, address: str, owner: Key | None) -> Action:
        key = Key("claims", address)
        if owner is None:
            return Delete(key)
        item = {"pk": address, "t": owner.table, "dpk": owner.pk, **_sk(owner), "_c": self.stamp}
        # One that was not looked up was given up by a document of this commit, whose version says that it had it.
        seen = self.tx.reads.versions
        return Put("claims", item, self._seen(key, seen[key]) if key in seen else None)


def _sk(key: Key) -> Item:
    return {} if key.sk is None else {"dsk": key.sk}
