"""The owner of sockets with one protective step left out at a time. Each must be caught (test_owner_*)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.backend import Backend
from chalicelib.data.reads import Touched, Watch
from chalicelib.live.messages import Action, Authenticate, Mutation
from chalicelib.live.owner.calling import Caller
from chalicelib.live.owner.hearing import Hearer
from chalicelib.live.owner.owner import Owner
from chalicelib.live.owner.queries import Evaluated, Queries, SharedQuery, Subscription
from chalicelib.live.owner.recent import RecentCommits
from chalicelib.live.owner.rounds import Rounds
from chalicelib.live.owner.socket import Choice, Socket
from chalicelib.live.owner.state import Holding
from chalicelib.live.session import Told


def with_owner(**parts: type) -> type[Backend]:
    """A backend whose sockets have an owner with other parts."""
    return type("Other", (Backend,), {"owner_type": type("OtherOwner", (Owner,), dict(parts))})


class WithoutMemory(RecentCommits):
    """Takes a value for true, whatever was committed between its reading and its watches."""

    def touched_since(self, number: int, watches: Iterable[Watch]) -> bool:
        return False


class ForgetsCommits(Holding):
    """Has no ring of recent commits."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.recent = WithoutMemory()


class TakesItselfForAlone(Holding):
    """Takes a value that it has not been told of a change of for true, though other processes commit."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "alone": True})


class TakesOverrunForTruth(RecentCommits):
    """Takes a value for true when the ring has forgotten what was committed since."""

    def touched_since(self, number: int, watches: Iterable[Watch]) -> bool:
        forgotten = bool(self._places) and self._places[0][0] > number + 1
        return False if forgotten else super().touched_since(number, watches)


class DoesNotLook(Rounds):
    """Tells values without asking whether the call that runs has committed."""

    def _looked(self, socket: Socket) -> bool:
        return True


class TellsAhead(Socket):
    """Tells whatever is new, whichever call it may show."""

    def choose(self) -> Choice | None:
        call, self.call = self.call, None
        try:
            return super().choose()
        finally:
            self.call = call


class AnswersAtOnce(Socket):
    """Answers before the queries that a call has touched are evaluated."""

    def choose(self) -> Choice | None:
        chosen = super().choose()
        return None if chosen is None else replace(chosen, replies=list(self.replies))


class ForgetsAnswered(Socket):
    """Does not remember which calls a value that is still being read may not show."""

    def _remember(self, effects: Sequence[Any], evaluating_since: int | None) -> None:
        self.told_effects = []


class TellsTheOldOnes(Socket):
    """Tells whoever asks what was true before, while it is read again."""

    def news(self, subscription: Subscription[Socket]) -> bool:
        subscription.since = 0
        return super().news(subscription)


class TransitionFirst(Socket):
    """Sends the Transition before the answers."""

    def compose(self, chosen: Choice, now_ns: int) -> Told:
        told = super().compose(chosen, now_ns)
        first = [post for post in told.posts if '"type":"Transition"' in post[:25]]
        return replace(told, posts=first + [post for post in told.posts if post not in first])


class ConfirmsEmpty(Socket):
    """Confirms a query set before its queries have values."""

    def choose(self) -> Choice | None:
        chosen = super().choose()
        return Choice([], {}) if chosen is None else replace(chosen, confirms=True)


class KeyOfTheSocket(Socket):
    """Keys a call by its socket, so that a repeat after a reconnect is another call."""

    def key(self, frame: Mutation | Action) -> str:
        return f"sync:{self.id}:{frame.request_id}"


class SharesAll(Queries[Socket]):
    """Shares a value with everybody of the org, whether or not the function looked at its caller."""

    def settle(self, query: SharedQuery[Socket], found: Evaluated) -> SharedQuery[Socket] | None:
        found.value.private = False  # type: ignore[misc]
        return super().settle(query, found)


class SharesPrivate(Holding):
    """Has such queries."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queries = SharesAll()


class RunsAllAtOnce(Caller):
    """Runs the calls of a socket beside each other."""

    def run(self, socket: Socket) -> None:
        call, socket.call = socket.call, None
        super().run(socket)
        socket.call = socket.call or call


class VerifiesBeside(Hearer):
    """Goes on with the frames behind a token while it is verified."""

    def _authenticate(self, socket: Socket, frame: Authenticate, now: int) -> None:
        self.held.threads.run(lambda: super(VerifiesBeside, self)._authenticate(socket, frame, now))


class TellsOnlyItsOwn(Owner):
    """Takes whatever the feed says for told."""

    def told(self, commit: str) -> bool:
        return True


class Deaf(Owner):
    """Waits for the feed with its own commits."""

    def committed(self, commit: str, touched: Iterable[Touched]) -> None:
        with self.held.lock:
            self.held.recent.remember(commit)


class WaitsForAll(Socket):
    """Tells nothing while a query cannot be evaluated."""

    def choose(self) -> Choice | None:
        failing = any(each.query and each.query.failures for each in self.subscriptions.values())
        return None if failing else super().choose()


class NeverGivesUp(Socket):
    """Waits for ever for a query that cannot be evaluated."""

    def waits_since(self) -> int:
        return 0
