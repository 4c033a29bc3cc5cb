"""Who holds which unique value, as one run sees it: the store's claims, and over them what the run itself has written.

It behaves as a plain database does within a transaction: a write that would be a second holder is refused at once, a value
that its holder gave up is free for the next write, and only the end is committed. Which conditions the commit needs follows
from how the run came to know:

* a value that was *looked up* is committed on the claim that was seen (or on its absence);
* a value that a stored document *gave up* in this run needs no look: the condition on that document's version says that
  the claim is still its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chalicelib.data.store import Item, Key


def owner_of(claim: Item | None) -> Key | None:
    """The document that a row of `claims` names."""
    return None if claim is None else Key(claim["t"], claim["dpk"], claim.get("dsk"))


Held = tuple[dict[str, Key | None], dict[str, Key | None]]
"""Who holds which value now, and who held it before the run."""


class Uniques:
    """The unique values of one run, by the address of their claim.

    Args:
        look: reads a claim from the store, once, and lets the commit depend on it.
    """

    def __init__(self, look: Callable[[str], Item | None]) -> None:
        self._look = look
        self.now: dict[str, Key | None] = {}
        """The holder of each value that this run has taken or given up; None: it is free."""
        self._before: dict[str, Key | None] = {}

    def holder(self, address: str) -> Key | None:
        """Which document holds this value now."""
        return self.now[address] if address in self.now else owner_of(self._look(address))

    def move(self, document: Key, held: Iterable[str], wanted: Iterable[str]) -> None:
        """A document that held these values holds those from now on. The wanted ones must be free, or its own."""
        held, wanted = set(held), set(wanted)
        for address in held - wanted:
            if self.now.get(address, document) == document:
                self._before.setdefault(address, document)
                self.now[address] = None
        for address in wanted - held:
            self._before.setdefault(address, self.holder(address))
            self.now[address] = document

    def held(self) -> Held:
        """What this run has moved so far, to be put back."""
        return dict(self.now), dict(self._before)

    def put_back(self, held: Held) -> None:
        """Move back what has been moved since `held`."""
        self.now, self._before = dict(held[0]), dict(held[1])

    def changes(self) -> dict[str, Key | None]:
        """The values whose holder is another one than before this run, with the new holder."""
        return {address: now for address, now in self.now.items() if now != self._before[address]}
