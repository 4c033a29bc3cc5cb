"""What clients saw: transactions of appends and reads, with when they began and ended and how."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True)
class Step:
    """An append of `value` to the list of `key`, or a read of it that saw `saw`."""

    key: str
    value: int | None = None
    saw: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Transaction:
    """What one client asked for.

    Args:
        name: of the transaction, for whoever reads a verdict.
        steps: in order. Of an unknown outcome only the appends count.
        outcome: "unknown" when nobody was told; it may have happened at any time after `began`, or not.
        began, ended: seconds. `ended` is None of who may have been told something older than the present: a live query.
        after: the transaction that the same client was shown before this one, where the order of its screen is promised.
    """

    name: str
    steps: tuple[Step, ...]
    outcome: Outcome = "ok"
    began: float = 0.0
    ended: float | None = None
    after: str | None = None


@dataclass
class History:
    """Transactions as they become known, from many threads."""

    transactions: list[Transaction] = field(default_factory=list)
    errors: set[str] = field(default_factory=set)
    """What clients were told of transactions that failed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def done(self) -> tuple[int, int]:
        """How many have gone well, and how many values were shown live."""
        with self._lock:
            well = [each for each in self.transactions if each.outcome == "ok"]
        return sum(each.ended is not None for each in well), sum(each.ended is None for each in well)

    def add(self, steps: Sequence[Step], outcome: Outcome, began: float, live: bool = False, after: str | None = None) -> str:
        """One more; returns its name."""
        ended = time.monotonic() if outcome == "ok" and not live else None
        with self._lock:
            name = f"T{len(self.transactions)}"
            self.transactions.append(Transaction(name, tuple(steps), outcome, began, ended, after))
        return name
