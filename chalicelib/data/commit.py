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

A run that wrote nothing changes nothing, so it needs no transaction: what it read must have been true at one instant, and
that is all. Its answer is kept only under an idempotency key, by one plain put.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.data import snapshot, trace
from chalicelib.data.errors import BadRequest, ConditionFailed, Conflict, Contention, LimitExceeded, StoreFailed
from chalicelib.data.reads import UNVERSIONED, Touched
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
from chalicelib.data.stored import stored_attributes, stored_claims, stored_positions
from chalicelib.data.tables import MARK, Position
from chalicelib.data.transaction import Pending, Transaction

FRESH_SECONDS = 3600
"""How long a fresh row lives: longer than any index lag plus the longest invocation."""
RECEIPT_TRIES = 50
COMMIT_SECONDS = 14 * 86400
"""How long an answer can be asked for again (Convex keeps 14 days)."""


@dataclass(frozen=True)
class Receipt:
    """A commit that happened: what its `commits` row says.

    `result` is the function's encoded answer (JSON text), `touched` the places written, `jobs` what is to be started.
    """

    id: str
    result: str
    touched: list[Touched]
    jobs: list[dict[str, Any]] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)
    repeated: bool = False


@dataclass(frozen=True)
class Intent:
    """What to commit beside the documents. `id` names the commit row; `call` identifies function and arguments.

    `kept`: whether anybody may ask for the answer again, by its key, when nothing was written.
    """

    id: str
    stamp: str
    call: str
    path: str
    org: str
    result: str
    now_s: int
    connection: str = ""
    jobs: tuple[dict[str, Any], ...] = ()
    log_lines: tuple[str, ...] = ()
    kept: bool = True


def receipt(store: Store, commit_id: str, call: str | None = None, pause: Callable[[float], None] = time.sleep) -> Receipt | None:
    """The commit under this id, if it happened. Another call under the same id is an error, not an answer.

    Read by TransactGetItems: a plain read may miss the row of a transaction whose other half is already seen.
    """
    for attempt in range(RECEIPT_TRIES):
        try:
            row = store.transact_get([Key("commits", commit_id)])[0]
            return None if row is None else from_row(row, call)
        except Contention:
            if attempt == RECEIPT_TRIES - 1:
                raise
            pause(0.02)
    return None


def from_row(row: Item, call: str | None = None) -> Receipt:
    """A `commits` row as a receipt."""
    if call is not None and row["call"] != call:
        raise BadRequest("This idempotency key was used for another call; choose a new key.", "IdempotencyKeyReused")
    touched = [(address, position) for address, position in row["touched"]]
    return Receipt(row["pk"], row["result"], touched, row.get("jobs", []), row.get("logs", []), repeated=True)


def commit(store: Store, tx: Transaction, intent: Intent) -> Receipt:
    """Make a run's writes true, all or none. Raises `Conflict` to be run again, `LimitExceeded` when it cannot fit."""
    plan = _Plan(tx, intent)
    actions = plan.actions()
    if len(actions) > MAX_ACTIONS:
        raise LimitExceeded(
            f"{intent.path} would need {len(actions)} actions in one commit ({len(tx.writes)} documents written, "
            f"{len(tx.reads.versions)} read); a commit holds {MAX_ACTIONS}. Read a smaller range, use ctx.db.peek for "
            "return values, or split the work with ctx.scheduler.",
            "TooManyWrites" if len(tx.writes) > len(tx.reads.versions) // 2 else "TooManyReads",
        )
    try:
        if plan.changes_nothing():
            _answer(store, tx, plan, intent)
        else:
            for put in plan.fresh_rows():
                store.write(put)
            store.transact(actions)
    except (ConditionFailed, Conflict, StoreFailed) as failure:
        done = receipt(store, intent.id, intent.call, tx.pause)
        if done is not None:
            return done
        if isinstance(failure, Conflict):
            raise
        raise Conflict(_blame(actions, failure), _taken(tx, actions, failure)) from failure
    return Receipt(intent.id, intent.result, plan.touched, list(intent.jobs), list(intent.log_lines))


def _answer(store: Store, tx: Transaction, plan: _Plan, intent: Intent) -> None:
    """What a commit of nothing comes to: its reads were true at one instant, and its answer is kept under its key.

    A single document is looked at again, too: a plain read may still miss a transaction that its caller knows to be done.
    """
    if not snapshot.holds(store, tx.reads, tx.pause):
        raise Conflict
    if intent.kept:
        store.write(plan.row())


def _blame(actions: Sequence[Action], failure: Exception) -> str:
    """The table whose document changed, for the error that a caller sees after the last retry."""
    if not isinstance(failure, ConditionFailed) or not failure.failed:
        return ""
    action = actions[failure.failed[0]]
    table = action.table if isinstance(action, Put) else action.key.table
    pk = action.item["pk"] if isinstance(action, Put) else action.key.pk
    return str(pk).split("|")[1].split(".")[0] if table in ("fences", "claims") and "|" in str(pk) else table


def _taken(tx: Transaction, actions: Sequence[Action], failure: Exception) -> tuple[Key, ...]:
    """The keys of documents that were inserted without a look (those with a composite key are) and were there already."""
    failed = failure.failed if isinstance(failure, ConditionFailed) else ()
    puts = [actions[position] for position in failed]
    keys = [Key(each.table, each.item["pk"], each.item.get("sk")) for each in puts if isinstance(each, Put)]
    return tuple(key for key in keys if key in tx.writes and key not in tx.reads.versions)


@dataclass
class _Fence:
    """What a commit does to one fence."""

    membership: int = 0
    size: int = 0


class _Plan:
    """The actions of one commit."""

    def __init__(self, tx: Transaction, intent: Intent) -> None:
        self.tx, self.intent = tx, intent
        self.touched: list[Touched] = []
        self.fences: dict[str, _Fence] = defaultdict(_Fence)
        self.entered: list[tuple[Position, Key]] = []
        self.claimed = tx.uniques.changes()
        for key, pending in tx.writes.items():
            self._memberships(key, pending)

    def _memberships(self, key: Key, pending: Pending) -> None:
        org, touched = self.tx.org, [(key.pk, key.sk or MARK)]
        before = {index.name: (index, place) for index, place in stored_positions(pending.table, org, pending.item)}
        after = {name: (pending.table.indexes[name], place) for name, place in pending.places.items()}
        for name in before.keys() | after.keys():
            index, old = before.get(name, (None, None))
            index, new = after.get(name, (index, None))
            if index is None or index.eventual or index.unique:
                continue
            touched += [(place.address, place.order) for place in (old, new) if place is not None]
            if old == new:
                continue
            for place, change in ((old, -1), (new, 1)):
                if place is not None:
                    self.fences[place.shard].membership += 1
                    self.fences[place.shard].size += change
                    touched.append((place.address, MARK))
            if new is not None:
                self.entered.append((new, key))
        touched += [(address, MARK) for address in stored_claims(pending.table, pending.item) ^ pending.claims()]
        self.touched += [place for place in dict.fromkeys(touched) if place not in self.touched]

    def fresh_rows(self) -> list[Put]:
        """Hints, written before the transaction: "this document entered here"."""
        ttl = self.intent.now_s + FRESH_SECONDS
        return [
            Put("fences", {"pk": place.shard, "sk": place.order, "t": key.table, "dpk": key.pk, **_sk(key), "ttl": ttl})
            for place, key in self.entered
        ]

    def changes_nothing(self) -> bool:
        """Whether the run only read: nothing was written, no unique value changed hands, nothing is to be started."""
        return not self.tx.writes and not self.claimed and not self.intent.jobs

    def row(self) -> Put:
        """The `commits` row, which is the proof: the first one under its id stays."""
        return Put("commits", self._row(), Absent())

    def actions(self) -> list[Action]:
        """Everything, in one transaction."""
        written: list[Action] = [self._write(key, pending) for key, pending in self.tx.writes.items()]
        written += [self._fence(address, change) for address, change in self.fences.items() if change.membership]
        written += [self._claim(address, owner) for address, owner in self.claimed.items()]
        taken = {self._key_of(action) for action in written}
        checks = [Check(key, self._seen(key, version)) for key, version in self.tx.reads.versions.items() if key not in taken]
        return [*written, *checks, self.row()]

    @staticmethod
    def _key_of(action: Action) -> Key:
        return Key(action.table, action.item["pk"], action.item.get("sk")) if isinstance(action, Put) else action.key

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
            item = {**key.attributes(), **fields(pending.after), **index_attributes, "_v": 1, "_c": self.intent.stamp}
            return Put(key.table, {**item, **self._ttl(pending)}, condition)
        changed = {
            name: part for name, part in pending.after.items() if name not in pending.before or pending.before[name] != part
        }
        gone = [name for name in pending.before if name not in pending.after]
        old_attributes = stored_attributes(pending.table, pending.item)
        gone += [name for name in old_attributes if name not in index_attributes]
        sets: dict[Path, Any] = {(name,): part for name, part in {**fields(changed), **self._ttl(pending)}.items()}
        sets |= {(name,): part for name, part in index_attributes.items() if old_attributes.get(name) != part}
        sets[("_c",)] = self.intent.stamp
        return Update(key, sets, {("_v",): 1}, tuple((name,) for name in gone), condition)

    @staticmethod
    def _index_attributes(pending: Pending) -> Item:
        attributes: Item = {}
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
        item = {"pk": address, "t": owner.table, "dpk": owner.pk, **_sk(owner), "_c": self.intent.stamp}
        # One that was not looked up was given up by a document of this commit, whose version says that it had it.
        seen = self.tx.reads.versions
        return Put("claims", item, self._seen(key, seen[key]) if key in seen else None)

    def _row(self) -> Item:
        intent = self.intent
        row: Item = {
            "pk": intent.id,
            "call": intent.call,
            "path": intent.path,
            "org": intent.org,
            "result": intent.result,
            "touched": [list(place) for place in self.touched],
            "ttl": intent.now_s + COMMIT_SECONDS,
            "_c": intent.stamp,
        }
        if intent.connection:
            row["connection"] = intent.connection
        if trace.current():
            row["trace"] = trace.current()
        if intent.jobs:
            row["jobs"] = list(intent.jobs)
        if intent.log_lines:
            row["logs"] = list(intent.log_lines)
        return row


def _sk(key: Key) -> Item:
    return {} if key.sk is None else {"dsk": key.sk}
