"""The driver `rows`: connections are rows, and whoever is invoked serves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from chalicelib.data.reads import Touched
from chalicelib.live.driver import NO_PIECES, NOBODY, Spread, Viewers
from chalicelib.live.fanout import Fanout
from chalicelib.live.keepalive import Keepalive
from chalicelib.live.mailbox import Mailboxes
from chalicelib.live.viewers import HeldViewers


@dataclass(frozen=True)
class RowsDriver:
    """Delivery by leases on mailboxes."""

    fanout: Fanout
    keepalive: Keepalive
    mailboxes: Mailboxes
    end: Callable[[str], None]
    """Closes a connection for good."""

    def changed(
        self,
        touched: Iterable[Touched],
        connections: Iterable[str] = (),
        heard: Mapping[str, set[Touched]] = NOBODY,
        pieces: Mapping[Touched, bytes] = NO_PIECES,
    ) -> Spread:
        """Notes on the mailboxes of the watchers; those whose lease is free are served."""
        return self.fanout.changed(touched, connections, heard, pieces)

    def committed(self, commit: str, touched: Iterable[Touched]) -> None:
        """Nothing: the stream tells, whichever process the watchers' sockets are known to."""

    def viewers(self, address: str) -> Viewers:
        """Their leases are held while pieces come."""
        return HeldViewers(self.fanout, address)

    def told(self, commit: str) -> bool:
        """No: only the stream tells."""
        return False

    def sweep(self) -> int:
        """Every mailbox is looked at."""
        return self.keepalive.tick()

    def connected(self, connection: str) -> bool:
        """As the mailbox says."""
        row = self.mailboxes.read(connection)
        return row is not None and not row.get("closing")

    def close(self, connection: str) -> None:
        """Marked, then closed."""
        self.end(connection)
