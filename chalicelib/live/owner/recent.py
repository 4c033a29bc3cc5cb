"""The commits that this process knows of: the newest by what they touched, more of them by their ids.

Each is given the next number. A value that was read at number n shows every commit up to n, because whoever commits says so
only when the commit can be seen, and a reading begins after its number was taken. So "has anything touched this read set
since n?" decides whether a value is still true; what the ring has forgotten counts as touched.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from chalicelib.data.reads import Touched, Watch, overlap

KEPT = 2048
"""Commits whose touched places are remembered: those of the longest evaluation, and more."""
IDS = 65_536
"""Commits whose ids are remembered: the feed tells them again within seconds."""


class RecentCommits:
    """Numbers commits, and remembers the newest."""

    def __init__(self, kept: int = KEPT, ids: int = IDS) -> None:
        self.number = 0
        """Of the newest commit."""
        self._places: deque[tuple[int, list[Touched]]] = deque(maxlen=kept)
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._most = ids

    def add(self, touched: Iterable[Touched]) -> int:
        """A commit, or any other change, that wrote these places. Returns its number."""
        self.number += 1
        self._places.append((self.number, list(touched)))
        return self.number

    def touched_since(self, number: int, watches: Iterable[Watch]) -> bool:
        """Whether something in these ranges was written by a later commit; True as well when that is not known any more."""
        if number == self.number:
            return False
        if self._places and self._places[0][0] > number + 1:
            return True
        ranges: dict[str, list[Watch]] = {}
        for watch in watches:
            ranges.setdefault(watch[0], []).append(watch)
        for each, touched in reversed(self._places):
            if each <= number:
                return False
            if any(overlap(place, watch) for place in touched for watch in ranges.get(place[0], ())):
                return True
        return False

    def remember(self, commit: str) -> None:
        """A commit that everybody here was told of."""
        self._ids[commit] = None
        while len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def knows(self, commit: str) -> bool:
        """Whether it was."""
        return commit in self._ids
