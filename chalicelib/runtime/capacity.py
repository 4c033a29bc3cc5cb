"""How much fits into one commit of several calls."""

from __future__ import annotations

from chalicelib.data.entries import ROWS
from chalicelib.data.pending import Pending
from chalicelib.data.store import Key
from chalicelib.data.tables import MARK
from chalicelib.data.touched import moves, new_standing, stored_standing
from chalicelib.data.transaction import Transaction

MOST_ACTIONS = 90
"""A group ends before its commit would have more; a commit holds 100, and the count is a little too careful."""
MOST_RESULT_BYTES = 1_000_000
"""A group ends when its answers have more than this together; a transaction holds 4 MB."""


class Capacity:
    """How much a group's commit holds still."""

    def __init__(self) -> None:
        self._calls = self._bytes = 0
        self._shards: dict[Key, tuple[Pending, frozenset[str]]] = {}

    def holds(self, tx: Transaction, answer: int) -> bool:
        """Whether the call that has just run fits beside those before it.

        Args:
            answer: how many characters its answer has.
        """
        self._calls += 1
        self._bytes += answer
        changed = {Key("fences", shard, MARK) for key, each in tx.writes.items() for shard in self._moved(tx.org, key, each)}
        changed |= {Key("claims", address) for address in tx.uniques.now}
        changed |= tx.writes.keys()
        changed |= {
            Key(ROWS, key.pk, name) for key, each in tx.writes.items() for side in each.table.sides for name in (side, f"{side}-")
        }
        return len(changed | tx.reads.versions.keys()) + self._calls <= MOST_ACTIONS and self._bytes <= MOST_RESULT_BYTES

    def _moved(self, org: str, key: Key, pending: Pending) -> frozenset[str]:
        """The shards of indexes that a document enters or leaves."""
        known = self._shards.get(key)
        if known is None or known[0] is not pending:
            pairs = moves(stored_standing(org, pending), new_standing(pending))
            shards = frozenset(place.shard for old, new in pairs if old != new for place in (old, new) if place is not None)
            known = self._shards[key] = (pending, shards)
        return known[1]
