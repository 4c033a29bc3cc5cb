"""The live room with one step of calls that run at once, or of queries that cannot be evaluated, left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.backend import Backend
from chalicelib.data.store import Item, Path
from chalicelib.live import messages, rows
from chalicelib.live.at_once import AtOnce
from chalicelib.live.mailbox import CALL, Held, Mailboxes
from chalicelib.live.queries import Closed
from chalicelib.live.rows import Subscription
from chalicelib.live.session import Absorbed
from chalicelib.live.turn import Turn

# Calls that run at once ---------------------------------------------------------------------------------------------------


class IgnoresTheOpenCall(Turn):
    """Does not look for the answer of a call that runs at once."""

    def _open(self, row: Item) -> bool:
        return False


class ForgetsCallsThatEnded(Turn):
    """Takes a call whose process has ended for one that was answered."""

    def _call_that_is_over(self, row: Item, now: int) -> None:
        if self._calling and int(row["call_until"]) < now:
            self.held.ends = CALL


class ChangesUnderACall(Turn):
    """Takes in a change of identity while a call runs."""

    def _absorb(self, inbox: list[Item], now: int) -> Absorbed:
        call = self.held.row.pop("call", None)
        found = super()._absorb(inbox, now)
        if call is not None:
            self.held.row["call"] = call
        return found


class LooksOnlyAtWhatItBrings(Mailboxes):
    """Takes every inbox for empty."""

    def _held(self, connection: str, token: str, row: Item, now: int) -> Held:
        held = super()._held(connection, token, row, now)
        held.alone = True
        return held


class LooksAtTheRowAlone(Turn):
    """Where there is no lane it looks for no answer in the inbox, although a note has come."""

    def _look_again(self) -> bool:
        self.newest = self.seen
        row = self.world.mailboxes.reread(self.held)
        self.ran = self.held.alone = False
        return self._open(row)


class ForgetsWhatIsBrought(Turn):
    """Takes every frame that waits in the mailbox for taken in when it gives the lease back."""

    def _give_back(self, sets: dict[Path, Any], dirty: dict[str, str]) -> bool:
        self.held.taken = {each["sk"] for each in rows.brought(self.held.row)}
        return super()._give_back(sets, dirty)


class CallsOutOfTurn(AtOnce):
    """Runs a call at once although others wait before it."""

    def _in_turn(self, mailbox: Item, frame: messages.Mutation) -> bool:
        return super()._in_turn({**mailbox, "replied": [frame.request_id - 1]}, frame)


class OutOfTurn(Backend):
    at_once_type = CallsOutOfTurn


# Queries that cannot be evaluated -----------------------------------------------------------------------------------------


class ClosesForOne(Turn):
    """Closes the connection for a query that cannot be evaluated."""

    def _keep(self, sub: Subscription, error: Exception) -> None:
        raise Closed(str(error))


class ForgetsTheKept(Turn):
    """Removes the marks of queries that it could not evaluate."""

    def settle(self) -> None:
        self.kept = {}
        super().settle()


class ReachesTooEarly(Turn):
    """Tells the end of a call although what it touched is not evaluated."""

    def _promise(self) -> None:
        return


class TicksAfterAReturn(Turn):
    """Its clock goes on although who came back lacks a value."""

    def _promise(self) -> None:
        super()._promise()
        self.state = replace(self.state, low=False)


class TriesWithoutPause(Turn):
    """Tries what could not be evaluated at once, again and again."""

    def _keep(self, sub: Subscription, error: Exception) -> None:
        super()._keep(sub, error)
        self.kept[sub.query_id] = (1, self.world.clock.now_ms())


class ReadsTheOlderDigest(Turn):
    """Takes the digest in a query's row for that of its last value."""

    @property
    def queries(self) -> dict[int, Subscription]:
        first, found = self.subs is None, super().queries
        for sub in found.values() if first else ():
            sub.digest = sub.stored[0] if sub.stored is not None else sub.digest
        return found


class ReadsTheOlderArguments(Turn):
    """Takes the arguments in a query's row for those with which it asks now."""

    @property
    def queries(self) -> dict[int, Subscription]:
        first, found = self.subs is None, super().queries
        for sub in found.values() if first else ():
            sub.args = sub.asked
        return found


class RunsUnannounced(Mailboxes):
    """A lane runs a call without having said so."""

    def begins(self, connection: str) -> None:
        return
