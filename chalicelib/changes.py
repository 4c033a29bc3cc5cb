"""What the records of a stream come to: places that were written, connections whose own calls committed, jobs to start."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from chalicelib.data.reads import Touched
from chalicelib.data.receipts import Receipt, from_row
from chalicelib.data.store import Change
from chalicelib.data.tables import MARK, TABLES
from chalicelib.live.answered import Answered
from chalicelib.live.driver import Driver
from chalicelib.runtime.single_rows import TOLD

logger = logging.getLogger("concave")


class Changes:
    """One batch of a stream."""

    def __init__(self, driver: Driver) -> None:
        self.touched: dict[Touched, None] = {}
        """Places whose watchers are to be told; what they know already is left out."""
        self.pieces: dict[Touched, bytes] = {}
        """Those of them that are rows of a log, each written by itself, with what it says of who is told by its writer."""
        self.answered = Answered()
        self.jobs: list[tuple[Receipt, str, str]] = []
        """Commits with jobs to be started, with their org and the id of their request."""
        self.commits: list[tuple[str, str]] = []
        """Commits of requests that are known (`data/trace.py`): the request's id, and the commit's."""
        self._driver = driver

    def take_in(self, changes: Sequence[Change]) -> list[str]:
        """Each by itself. Returns the sequences of those that failed."""
        failed: list[str] = []
        for change in changes:
            try:
                self._take_in(change)
            except Exception:
                logger.exception("a change of %s could not be taken in", change.table)
                failed.append(change.sequence)
        return failed

    def _take_in(self, change: Change) -> None:
        if change.new is None:
            return
        if change.table == "commits":
            receipt, request = from_row(change.new), str(change.new.get("trace", ""))
            if request:
                self.commits.append((request, receipt.id))
            # A streamed table tells its own changes: once is enough.
            places = [place for place in receipt.touched if not streamed(place[0])]
            if not self._driver.told(receipt.id):
                self.touched |= dict.fromkeys(places)
            self.answered.commit(str(change.new.get("connection") or ""), change.new["pk"], places)
            if receipt.jobs:
                self.jobs.append((receipt, change.new["org"], request))
        else:
            place = (change.new["pk"], change.new.get("sk", MARK))
            if not self._driver.told(str(change.new.get("_c"))):
                self.touched[place] = None
                if "_id" in change.new and change.new.get("_c") == change.new["_id"]:  # `runtime/single_rows.py`
                    self.pieces[place] = bytes(change.new.get(TOLD, b""))
            self.answered.changed([place])


def streamed(address: str) -> bool:
    """Whether an address is of a table whose changes travel in its own stream."""
    table = TABLES.get(address.split("|")[1].partition(".")[0])
    return table is not None and table.stream
