"""Rows outside transactions: one conditional append to a streamed log, and what a sweep finds by an index that lags."""

from __future__ import annotations

from functools import partial
from typing import Any

from chalicelib.data import gate
from chalicelib.data.errors import ConditionFailed
from chalicelib.data.records import fields
from chalicelib.data.store import Absent, Item, Key, Put, Store
from chalicelib.data.tables import Index, Table, places, record_key
from chalicelib.runtime.contexts import new_id
from chalicelib.runtime.parallel import IN_TURN, Parallel

TOLD = "_told"
"""What a row says of those whom its writer tells of it (`live/viewers.py`). It is no field of the document."""


def append(store: Store, now_ms: int, org: str, doc: Table, told: bytes = b"") -> bool:
    """Add one row to a streamed log by a single conditional write: the road of a reply's chunks.

    Args:
        told: who is told of it by its writer.

    Returns: True when the row is this one (also when an earlier answer was lost), False when another is in its place.
    Raises: `StoreFailed` when the store did not say; call again with the same document. `BadValue`, `LimitExceeded`: the table
    does not allow it, and nothing was written.
    """
    if not doc.id:
        doc.id = new_id()
    if not doc.creation_time:
        doc.creation_time = float(now_ms)
    rec = gate.of(doc)
    gate.check(type(doc), rec)
    key, stands = record_key(type(doc), org, rec), places(type(doc), org, rec)
    gate.check_size(type(doc), key, rec, stands)
    item = {**key.attributes(), **fields(rec), "_v": 1, "_c": doc.id}
    for name, place in stands.items():
        item[f"{name}#p"], item[f"{name}#o"] = place.shard, place.order
    if told:
        item[TOLD] = told
    expires = rec.get(type(doc).ttl) if type(doc).ttl else None
    if expires is not None:
        item["ttl"] = int(expires // 1000)
    try:
        store.write(Put(key.table, item, Absent()))
    except ConditionFailed as refused:
        return refused.old is not None and refused.old.get("_c") == doc.id
    return True


def listed(
    store: Store,
    index: Index,
    values_: tuple[Any, ...],
    until: float | None = None,
    limit: int = 500,
    *,
    org: str = "",
    moving: bool = False,
    parallel: Parallel = IN_TURN,
    since: float | None = None,
    newest: bool = False,
) -> list[Item]:
    """Items of an eventual index, each read again by its key; of all its shards together, in the index's order.

    The index lags, so this is for sweeps: what follows must look again inside a transaction.

    Args:
        until: the largest value of its order field.
        since: the smallest.
        newest: the last first.
        org: whose; nothing for an `everywhere` index, which is over all orgs.
        moving: whether documents may still stand where the index had them when it had no shards.
        parallel: how shards are read.
    """
    wanted = index(*values_)
    wanted = wanted if since is None else wanted.at_least(since)
    low, high = (wanted if until is None else wanted.at_most(until)).bounds()
    table, address = index.table.table_name, index.address(org, values_)
    partitions = index.shard_addresses(address)
    if moving and address not in partitions:
        partitions.append(address)

    def read(partition: str) -> list[Item]:
        return store.query(table, partition, low=low, high=high, limit=limit, index=index.name, newest=newest).items

    found = [row for rows in parallel([partial(read, each) for each in partitions]) for row in rows]
    if not found:
        return []
    if len(partitions) > 1:
        found.sort(key=lambda row: str(row[f"{index.name}#o"]), reverse=newest)
    items = store.batch_get([Key(table, row["pk"], row.get("sk")) for row in found[:limit]])
    return [item for item in items if item is not None]
