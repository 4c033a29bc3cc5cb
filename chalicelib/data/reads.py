"""What a function has read: versions to check at a commit, and addresses to watch for changes.

A read set is the one idea of this backend made into a value. `versions` answers "is what I saw still true?" (commit
conditions, snapshots); `watches` answers "did these writes touch what I saw?" (subscriptions). Both are recorded by the
reader itself, so a function cannot read without being told of changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.data.store import Item, Key
from chalicelib.data.tables import MARK

Watch = tuple[str, str, str]
"""(address, low, high): positions low..high of an address, both included."""
Touched = tuple[str, str]
"""(address, position): a place that a commit wrote."""


UNVERSIONED = ""
"""The version of an item that the engine did not write."""


def version_of(key: Key, item: Item | None) -> str | int | None:
    """What identifies the state of an item: a fence's number, anything else's commit id; None when absent.

    Commit ids are unique, so a document deleted and made again under its key has another version; a fence is never deleted.
    """
    if item is None:
        return None
    version: str | int | None = item.get("n") if key.table == "fences" else item.get("_c", UNVERSIONED)
    return version


@dataclass
class ReadSet:
    """The read set of one run of a function."""

    versions: dict[Key, str | int | None] = field(default_factory=dict)
    watches: set[Watch] = field(default_factory=set)
    torn: bool = False
    """The same item was seen in two versions: this run saw no single instant and must be repeated."""
    vouched: dict[Key, Key] = field(default_factory=dict)
    """Claims, and the documents that hold their values as they were read: while such a document is the same, so is its claim."""

    def saw(self, key: Key, item: Item | None) -> None:
        """Remember the version of an item."""
        version = version_of(key, item)
        if self.versions.setdefault(key, version) != version:
            self.torn = True

    def watch(self, address: str, low: str = MARK, high: str = MARK) -> None:
        """Remember to be told when something between two positions of an address changes."""
        self.watches.add((address, low, high))


def overlap(touched: Touched, watch: Watch) -> bool:
    """The one test: did this write touch that read?"""
    return touched[0] == watch[0] and watch[1] <= touched[1] <= watch[2]
