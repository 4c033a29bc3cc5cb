"""Who is in a range of an index: ids alone, told by what the index's rows hold.

A range's documents are most of what it costs to read it, and who only asks *who* need not have them. What is watched, and what is
a condition of a commit, is what a range's is (`ranges.py`): its bounds, and its fence. The documents themselves are not, so a
change of one that stays in the range is no conflict; who watches is told of it all the same, as of any write in the range.
"""

from __future__ import annotations

from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.data.pending import order_in
from chalicelib.data.ranges import belongs_to
from chalicelib.data.store import Key
from chalicelib.data.tables import Range
from chalicelib.data.transaction import LARGEST_READ, Transaction


def ids_of(tx: Transaction, wanted: Range, newest: bool) -> list[str]:
    """The ids of the documents of a range, in its order, what this run has written included.

    Raises: `BadRequest` for a log, a table with a composite key, and an index that only sweeps read; `LimitExceeded`;
    `IndexBuilding`.
    """
    index = wanted.index
    if index.is_log or index.table.key:
        raise BadRequest("ids() is for an index of documents that have an id of their own; a log's rows have their numbers.")
    tx.may_range(index)
    low, high = wanted.bounds()
    address = wanted.address(tx.org)
    tx.reads.watch(address, low, high)
    shards = index.shard_addresses(address)
    found = dict[str, Key]()
    for shard in shards:
        found |= {
            order: key
            for order, key in tx.reader.members(index, shard, low, high, belongs_to(index, shards))
            if key not in tx.writes
        }
    for key, pending in tx.writes.items():
        order = order_in(tx.org, index, address, pending.after, pending.table)
        if order is not None and low <= order <= high:
            found[order] = key
    if len(found) > LARGEST_READ:
        raise LimitExceeded(f"ids() names at most {LARGEST_READ} documents; read a page at a time.", "TooManyDocumentsRead")
    return [found[order].pk.split("|", 2)[2] for order in sorted(found, reverse=newest)]
