"""The live room with one protective step left out at a time. Each is a backend that must be caught (test_protective_steps)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from chalicelib.backend import Backend
from chalicelib.data.store import Item, Path, Update
from chalicelib.live import messages
from chalicelib.live.at_once import AtOnce
from chalicelib.live.batch import BatchServer
from chalicelib.live.closer import ConnectionCloser
from chalicelib.live.lane import Lane
from chalicelib.live.mailbox import NO_DIRT, Held, Mailboxes, Waking, retry_until_done
from chalicelib.live.rows import Subscription
from chalicelib.live.session import Absorbed, Told
from chalicelib.live.turn import Turn
from chalicelib.live.value import Value
from chalicelib.live.world import Shared


def with_mailboxes(kind: type[Mailboxes]) -> type[Backend]:
    """A backend with other mailboxes."""
    return type(kind.__name__, (Backend,), {"mailbox_type": kind})


def with_turns(kind: type[Turn]) -> type[Backend]:
    """A backend whose batches take other turns."""
    return type(kind.__name__, (Backend,), {"turn_type": kind})


class Later(AtOnce):
    """Runs no call at once."""

    def run(self, connection: str, frame: messages.Mutation, body: str, store: Callable[[], object]) -> bool:
        store()
        return False


class Stored(Backend):
    """All calls go through the inbox and the lane, as those do that wait for something. This is well, too."""

    at_once_type = Later


# Notes and leases ---------------------------------------------------------------------------------------------------------


class LeaseBeforeNote(Mailboxes):
    """Tries for the lease first, and leaves the note only for whoever has it."""

    def wake(self, connection: str, marks: Any = (), *, auth: int = 0, stored: bool = True) -> Waking:
        waking = self.take(connection)
        noted = self._update(connection, self._token(), list(marks), self.clock.now_ms(), lease=False, auth=auth)
        if waking.held is not None and noted is not None:
            waking.held.row = noted
        return waking


class NoSecondTry(Mailboxes):
    """Leaves the note, but does not try again for a lease that was refused before."""

    def wake(self, connection: str, marks: Any = (), *, auth: int = 0, stored: bool = True) -> Waking:
        token, now = self._token(), self.clock.now_ms()
        both = self._update(connection, token, list(marks), now, lease=True, auth=auth)
        if both is not None:
            return Waking(Held(connection, token, both, now + self.lease_ms), "held")
        noted = self._update(connection, token, list(marks), now, lease=False, auth=auth)
        return Waking(None, "gone" if noted is None else "closing" if noted.get("closing") else "busy")


class ReleasesAnyway(Mailboxes):
    """Gives the lease back although notes have come."""

    def release(self, held: Held, seen: int, sets: dict[Path, Any], dirty: Any = NO_DIRT) -> bool:
        whole = {**sets, ("dirty",): dict(dirty), ("seen",): seen, ("left",): held.token}
        return self._try(Update(self.key(held.connection), whole, {}, (("lease",), ("until",)), self._mine(held))) is not None


class ClearsAllNotes(Turn):
    """Removes every note when it settles, also those that came since it looked."""

    def settle(self) -> None:
        super().settle()
        if not self.released:
            self.world.mailboxes.save(self.held, {("dirty",): {}})


class ForgetsTheUnsaved(Mailboxes):
    """Reads the row again as if nothing were unsaved."""

    def refresh(self, held: Held) -> None:
        held.row = self.reread(held)


class HandsOverTheUnsaved(Mailboxes):
    """Gives the lease to another without what is unsaved."""

    def leave(self, held: Held) -> None:
        held.unsaved.clear()
        super().leave(held)


class ContinuesExpiredLeases(Mailboxes):
    """Takes an expired lease over and goes on, as if its holder could not be about to post."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "takeover": True})


class NeverRenews(Mailboxes):
    """Lets its lease run out during long work."""

    def keep(self, held: Held) -> None:
        if self.clock.now_ms() > held.until + self.lease_ms * 1000:
            super().keep(held)


class LooksAfterEvaluating(Turn):
    """Evaluates first, and reads the note counter after that."""

    def look(self) -> None:
        self.early = Shared(self.world)
        for sub in self.queries.values():
            self.early.get(sub, self.held.row.get("user") or None, sub.journal)
        self.world.mailboxes.refresh(self.held)
        super().look()

    def evaluate(self, shared: Shared) -> None:
        super().evaluate(self.early)


# Watches ------------------------------------------------------------------------------------------------------------------


class RunsOnce(Turn):
    """Watches what a query read, but does not run it again."""

    def _value(self, sub: Subscription, identity: str | None, shared: Shared, read: Value | None = None) -> Value:
        value = read or shared.get(sub, identity, sub.journal)
        missing = value.reads.watches - set(sub.watches)
        if missing:
            self._watch([(sub, missing)])
        return value


class WatchesWithoutLease(Mailboxes):
    """Writes rows of queries again whether or not the lease is still its own."""

    def beside(self, held: Held, actions: list[Any]) -> None:
        for action in actions:
            retry_until_done(self.clock, lambda action=action: self.store.write(action))  # type: ignore[misc]


class LeavesLateWatches(Turn):
    """Does not take back the queries and watches that it stored when its lease was gone."""

    def abandon(self) -> None:
        return


class ForgetsWatches(Turn):
    """Leaves the watches of a removed query where they are."""

    def _change(self, found: Absorbed) -> None:
        for query_id in found.removed & self.queries.keys():
            self.queries[query_id].watches = []
        super()._change(found)


# Answers ------------------------------------------------------------------------------------------------------------------


class TransitionFirst(Turn):
    """Posts the Transition before the answers."""

    def _compose(self, modifications: list[str]) -> Told:
        told = super()._compose(modifications)
        first = [post for post in told.posts if '"type":"Transition"' in post[:25]]
        return replace(told, posts=first + [post for post in told.posts if post not in first])


class AnswersWithoutTransition(Turn):
    """Sends no Transition when no query changed."""

    def _compose(self, modifications: list[str]) -> Told:
        told = super()._compose(modifications)
        if modifications or self.state.owed:
            return told
        answers = [post for post in told.posts if '"type":"Transition"' not in post[:25]]
        return replace(told, posts=answers, state=replace(told.state, version=self.told))


class StampsFromTheCommit(Turn):
    """Stamps an answer with the time of its commit instead of the connection's own clock."""

    def _compose(self, modifications: list[str]) -> Told:
        told = super()._compose(modifications)
        posts = []
        for post in told.posts:
            message = json.loads(post)
            if message["type"] == "MutationResponse" and message["success"]:
                message["ts"] = messages.write_ts(max(1, self.told.ts - 5_000_000))
            posts.append(json.dumps(message))
        return replace(told, posts=posts)


class LooksOnce(Turn):
    """Does not look again for answers before it posts."""

    def evaluate(self, shared: Shared) -> None:
        if self.state.settled:
            self._run(shared)


class AnswersWithoutEffect(Turn):
    """Takes in late answers, but does not run what they touched."""

    def evaluate(self, shared: Shared) -> None:
        if self.state.settled:
            self._run(shared)
            while self._collect(self._inbox("4|mutation")):
                self.stale.clear()


class AnswersAtOnce(Turn):
    """Tells successes, and ticks, before the first ModifyQuerySet is in."""

    def _compose(self, modifications: list[str]) -> Told:
        first, self.state = self.state.first, replace(self.state, first=True)
        told = super()._compose(modifications)
        return replace(told, state=replace(told.state, first=first))


class LaneWithoutSession(Lane):
    """Keys a call by its connection, so that a repeat after a reconnect is another call."""

    def _one(self, connection: str, held: Held, mailbox: Item, row: Item) -> None:
        super()._one(connection, held, {**mailbox, "session": connection}, row)


class WithoutIdempotency(Stored):
    lane_type = LaneWithoutSession


class LaneOfTheLastOne(Lane):
    """Calls as whoever the mailbox names, although an Authenticate frame is known to be waiting."""

    def _callable(self, mailbox: Item, inbox: list[Item], now: int) -> bool:
        return super()._callable({**mailbox, "auth": 0}, [row for row in inbox if not row["sk"].startswith("2|auth")], now)


class SharesEarlyValues(BatchServer):
    """Shares among slices what was made before they looked."""

    early: ClassVar[dict[int, Shared]] = {}

    def moment(self) -> Shared:
        now = self.world.clock.now_ms() // 150
        made = self.early.get(now) or super().moment()
        self.early.clear()
        self.early[now] = made
        return made


class SharesValuesOfNoMoment(Backend):
    batch_type = SharesEarlyValues


class CallsAsTheLastOne(Stored):
    lane_type = LaneOfTheLastOne


class InventsSession(Turn):
    """Takes the connection for the session, when the wait for a session's name is over."""

    def _absorb(self, inbox: list[Item], now: int) -> Absorbed:
        found = super()._absorb(inbox, now)
        if not found.state.session and now - found.state.opened >= self.world.session_ms:
            found.state = replace(found.state, session=self.connection)
        return found


class ForgetsSessions(Turn):
    """Does not ask whether a session has signed in before."""

    def _sign_out(self, found: Absorbed) -> None:
        return


class NobodyActsForAnybody(Backend):
    """Takes the end of the wait for a proof that nobody will sign in."""

    def __post_init__(self) -> None:
        self.settings = replace(self.settings, anonymous=True)
        super().__post_init__()


class WithoutAuthMark(Mailboxes):
    """Does not say in the mailbox that an identity is on its way."""

    def announce(self, connection: str, auth: int) -> None:
        return

    def bring(self, connection: str, frame: Item, *, auth: int = 0) -> Item | None:
        return super().bring(connection, frame)

    def _update(self, connection: str, token: str, marked: list[str], now: int, *, lease: bool, auth: int = 0) -> Item | None:
        return super()._update(connection, token, marked, now, lease=lease)


class NeverHandsOver(Backend):
    """Its batches are served as long as there is something to serve."""

    def __post_init__(self) -> None:
        super().__post_init__()
        world = replace(self.world, hand_over_ms=10**9)
        self.batches = self.fanout.batches = replace(self.batches, world=world)


class CallsBeforeIdentity(Backend):
    """Does not wait for a connection's identity."""

    def __post_init__(self) -> None:
        self.settings = replace(self.settings, identity_wait_ms=0)
        super().__post_init__()


class JudgesLate(Turn):
    """Judges by the time after its look whether a wait is over."""

    def _absorb(self, inbox: list[Item], now: int) -> Absorbed:
        return super()._absorb(inbox, self.world.clock.now_ms())


class Disorderly(Turn):
    """Takes ModifyQuerySet frames in the order in which they came."""

    def _absorb(self, inbox: list[Item], now: int) -> Absorbed:
        version, renamed = self.state.version.query_set, []
        for row in sorted(inbox, key=lambda each: int(each["at"])):
            body = json.loads(row["body"])
            if body["type"] == "ModifyQuerySet":
                body["baseVersion"], version = version, version + 1
            renamed.append({**row, "body": json.dumps(body)})
        return super()._absorb(renamed, now)


# Posts and the end ----------------------------------------------------------------------------------------------------------


class IgnoresDoubt(Turn):
    """Takes a post whose outcome is unknown for one that arrived."""

    def _post(self, text: str) -> None:
        outcome = self.world.gateway.post(self.connection, text)
        self.posts += 1
        if outcome not in ("ok", "unknown"):
            super()._post(text)


class PostsTwice(Turn):
    """Repeats a post whose outcome is unknown."""

    def _post(self, text: str) -> None:
        if self.world.gateway.post(self.connection, text) != "ok":
            super()._post(text)
        self.posts += 1


class ForgetsTooEarly(ConnectionCloser):
    """Removes a connection's rows before it is certain that it is closed."""

    def finish(self, connection: str, state: str) -> None:
        self.world.gateway.close(connection)
        self.forget(connection)


class EndsTooEarly(Backend):
    closer_type = ForgetsTooEarly


class WithoutFloor(Turn):
    """Forgets what the client has seen on earlier connections."""

    def _absorb(self, inbox: list[Item], now: int) -> Absorbed:
        found = super()._absorb(inbox, now)
        found.state = replace(found.state, floor=0)
        return found
