"""Each protective step, switched off, is missed: some world of some seed breaks a promise without it.

The same worlds are well with every step on (`test_campaign.py`; `control` below). Steps whose absence shows too rarely by
chance have a schedule of their own at the end: something happens exactly in the window that the step closes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.data.store import Item
from tests.live import counters, mutants
from tests.live.campaign import campaign
from tests.live.mutants import with_mailboxes, with_turns
from tests.live.test_campaign import BUSY, DENSE
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import SETTINGS, Sim
from tests.support.sim_parts import ROUGH, Mishaps
from tests.support.verdict import check, leftovers

CROWD: dict[str, Any] = {"people": 3, "deeds": 30, "within_ms": 1500}
STEADY = replace(ROUGH, crash=0.0, freeze=0.0, lost_answers=0.0, unknown_posts=0.0, failed_closes=0.0, lost_hand_overs=0.0)
UNSURE = replace(ROUGH, unknown_posts=0.05)
DEADLY = replace(DENSE, crash=0.05, freeze=0.06, failed_closes=0.4)
SEEDS = 60


@dataclass(frozen=True)
class Case:
    """A backend without one step, and the world in which that shows."""

    backend: type[Backend]
    world: Mishaps
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "a release only if no note came": Case(with_mailboxes(mutants.ReleasesAnyway), BUSY, {**CROWD, "ticker": False}),
    "only the notes that were read are removed": Case(with_turns(mutants.ClearsAllNotes), BUSY, {**CROWD, "ticker": False}),
    "an expired lease is closed, not continued": Case(with_mailboxes(mutants.ContinuesExpiredLeases), DEADLY, CROWD),
    "the note counter is read before evaluating": Case(with_turns(mutants.LooksAfterEvaluating), BUSY, CROWD),
    "values are shared that were made after all had looked": Case(mutants.SharesValuesOfNoMoment, BUSY, CROWD),
    "watches go with their query": Case(with_turns(mutants.ForgetsWatches), STEADY),
    "answers before their Transition": Case(with_turns(mutants.TransitionFirst), STEADY),
    "a Transition after every success": Case(with_turns(mutants.AnswersWithoutTransition), STEADY),
    "ts is made at delivery": Case(with_turns(mutants.StampsFromTheCommit), STEADY),
    "look again before posting": Case(with_turns(mutants.LooksOnce), BUSY, CROWD),
    "what late answers touched is evaluated": Case(with_turns(mutants.AnswersWithoutEffect), BUSY, CROWD),
    "one idempotency key for all connections": Case(mutants.WithoutIdempotency, ROUGH),
    "an uncertain post closes": Case(with_turns(mutants.IgnoresDoubt), UNSURE),
    "nothing is posted twice": Case(with_turns(mutants.PostsTwice), UNSURE),
}


@pytest.mark.parametrize("name", CASES)
def test_without_this_step_a_promise_is_broken(name: str) -> None:
    case = CASES[name]
    for seed in range(SEEDS):
        try:
            campaign(seed, case.world, backend=case.backend, **case.options)
        except Broken:
            return
    pytest.fail(f"{SEEDS} worlds without this step, and nothing was missed: {name}")


@pytest.mark.parametrize("world", [DEADLY, UNSURE, STEADY], ids=["deadly", "unsure", "steady"])
def test_control_the_same_worlds_are_well_with_every_step(world: Mishaps) -> None:
    for seed in range(8):
        campaign(seed, world, **(CROWD if world is DEADLY else {}))


# Windows ------------------------------------------------------------------------------------------------------------------


def ready(sim: Sim) -> Person:
    person = sim.person("alice", "alice@acme")
    person.watch("counters:total", group="other")
    assert sim.until(lambda: person.client.in_step, 5000)
    sim.run(50)
    return person


def broken(run: Any, backend: type[Backend]) -> bool:
    """Whether a schedule breaks a promise of this backend."""
    try:
        run(backend)
    except Broken:
        return True
    return False


def noted_while_it_settles(pause_s: float) -> Callable[[type[Backend]], None]:
    """Somebody commits when a holder has told something, and before it can give the lease back."""

    def run(backend: type[Backend]) -> None:
        left = [3]

        def commit() -> None:
            caller, left[0] = sim.backend.verifier.verify("bob@acme"), left[0] - 1
            sim.executor.mutation("counters:add", {"name": "a", "op": f"op{left[0]}"}, caller)

        class Window(backend.turn_type):  # type: ignore[misc, name-defined]
            def settle(self) -> None:
                if self.posts and 0 < left[0] < 3:
                    sim.invoke("elsewhere", commit)
                    self.world.clock.sleep(pause_s)
                super().settle()

        with Sim(1, counters, backend=type("Windowed", (backend,), {"turn_type": Window})) as sim:
            person = ready(sim)
            person.watch("counters:get", name="a")
            sim.run(2000)
            sim.invoke("elsewhere", commit)
            sim.run(8000)
            assert not left[0]
            check(sim)

    return run


def test_what_is_unsaved_is_known_to_the_next_look_and_to_who_goes_on() -> None:
    soon, late = noted_while_it_settles(0.1), noted_while_it_settles(SETTINGS.mailbox_lease_s / 2)
    soon(Backend)
    late(Backend)
    assert broken(soon, with_mailboxes(mutants.ForgetsTheUnsaved))
    assert broken(late, with_mailboxes(mutants.HandsOverTheUnsaved))


def late_token(backend: type[Backend]) -> None:
    """Everything else is here long before the Authenticate frame."""
    with Sim(1, counters, backend=backend) as sim:
        person = Person(sim, "alice", "alice@acme")
        person.travel = lambda frame: 400.0 if '"Authenticate"' in frame[:30] else 1.0
        sim.people.append(person)
        call = person.call("counters:visit", op="x")
        person.connect()
        assert sim.until(lambda: call.settled, 5000)


def test_calls_wait_for_the_identity() -> None:
    late_token(Backend)
    assert broken(late_token, mutants.CallsBeforeIdentity)


def slow_look(backend: type[Backend]) -> None:
    """A holder stands still after it has read the inbox; the token comes meanwhile, in time."""
    stood: list[bool] = []

    class Window(backend.turn_type):  # type: ignore[misc, name-defined]
        def _inbox(self, low: str) -> list[Item]:
            found = super()._inbox(low)
            if len(found) == 1 and not stood:
                stood.append(True)
                self.world.clock.sleep(2 * SETTINGS.identity_wait_ms / 1000)
            return found  # type: ignore[no-any-return]

    with Sim(1, counters, backend=type("Windowed", (backend,), {"turn_type": Window})) as sim:
        bob = sim.person("bob", "bob@acme")
        bob.call("counters:add", name="a", op="one")
        sim.until(lambda: not bob.client.waiting)
        person = Person(sim, "alice", "alice@acme")
        person.travel = lambda frame: {'"M': 1.0, '"A': 100.0}.get(frame[9:11], 150.0)
        person.told['counters:get {"name": "a"}'] = {"one"}
        person.client.subscribe("counters:get", {"name": "a"})
        stood.clear()
        sim.people.append(person)
        person.connect()
        sim.run(8000)
        assert stood
        check(sim)


def test_a_wait_is_judged_by_the_time_before_the_look() -> None:
    slow_look(Backend)
    assert broken(slow_look, with_turns(mutants.JudgesLate))


def query_sets_out_of_order(backend: type[Backend]) -> None:
    """The second ModifyQuerySet removes what the first one, which comes later, adds."""
    with Sim(1, counters, backend=backend) as sim:
        person = ready(sim)
        person.travel = lambda frame: 80.0 if '"Add"' in frame else 5.0
        query = person.watch("counters:get", name="a")
        person.do(lambda client: client.unsubscribe(query))
        person.watch("counters:get", name="b")
        sim.run(3000)
        check(sim)
        if left := leftovers(sim):
            raise Broken(str(left))
        (watched,) = {row["path"] for row in sim.base.query("subscriptions", "conn-1").items} - {"counters:total"}
        assert watched == "counters:get"
        if len(sim.base.query("subscriptions", "conn-1").items) != 2:
            raise Broken("a removed query is back")


def test_query_sets_wait_for_the_version_they_start_from() -> None:
    query_sets_out_of_order(Backend)
    assert broken(query_sets_out_of_order, with_turns(mutants.Disorderly))


def gone_before_the_close_is_certain(backend: type[Backend]) -> None:
    """A close whose outcome is unknown: the client is still there, and nobody would ever tell it anything again."""
    with Sim(1, counters, backend=backend) as sim:
        person = ready(sim)
        sim.run(2.0 * SETTINGS.identity_wait_ms)  # whoever has asked for a turn has had it
        link = person.link
        assert link is not None
        really = sim.gateway.close
        sim.gateway.close = lambda connection: False  # type: ignore[method-assign]
        sim.invoke("mark closing", lambda: sim.backend.close(link.id))
        sim.run(500)
        sim.gateway.close = really  # type: ignore[method-assign]
        sim.run(8000)
        if person.link is link:
            raise Broken("a connection without a mailbox was left open")
        check(sim)


def test_a_mailbox_stays_until_the_close_is_certain() -> None:
    gone_before_the_close_is_certain(Backend)
    assert broken(gone_before_the_close_is_certain, mutants.EndsTooEarly)


def resent_before_the_query_set(backend: type[Backend]) -> None:
    """A mutation is sent again on a new connection, and its frame overtakes the query set."""
    with Sim(1, counters, backend=backend) as sim:
        person = ready(sim)
        person.watch("counters:get", name="a")
        sim.run(300)
        person.travel = lambda frame: None if '"Mutation"' in frame[:30] else 0.0
        call = person.call("counters:add", name="a", op="one")
        person.drop()
        person.travel = lambda frame: 200.0 if '"ModifyQuerySet"' in frame[:30] else 1.0
        assert sim.until(lambda: call.settled, 5000)
        sim.run(2000)
        check(sim)


def test_successes_wait_for_the_first_query_set() -> None:
    resent_before_the_query_set(Backend)
    assert broken(resent_before_the_query_set, with_turns(mutants.AnswersAtOnce))


def ahead_of_our_clock(backend: type[Backend]) -> None:
    """The last connection was served by a worker whose clock is an hour ahead; a promise waits for its ts."""
    with Sim(1, counters, backend=backend) as sim:
        person = ready(sim)
        ahead = person.client.observed + 3_600_000_000_000
        person.client.observed = ahead
        call = person.call("counters:add", name="a", op="one")
        person.drop()
        call.state, call.ts = "completed", ahead
        if not sim.until(lambda: call.settled, 10_000):
            raise Broken("it waits for an hour")


def test_the_clock_starts_at_what_the_client_has_seen() -> None:
    ahead_of_our_clock(Backend)
    assert broken(ahead_of_our_clock, with_turns(mutants.WithoutFloor))


def long_work(backend: type[Backend]) -> None:
    """Many slow queries at once: longer than a lease."""

    class Sleepy(backend):  # type: ignore[misc, valid-type]
        def _evaluate(self, *args: Any) -> Any:
            self.clock.sleep(0.3)
            return super()._evaluate(*args)

    with Sim(1, counters, backend=Sleepy) as sim:
        person = ready(sim)
        for number in range(12):
            person.client.subscribe("counters:get", {"name": f"n{number}"})
        person.flush()
        sim.until(lambda: person.client.in_step, 30_000)
        if person.client.connections != 1 or not person.client.in_step:
            raise Broken("closed while it was being served")
        assert sim.schedule.now > SETTINGS.mailbox_lease_s * 1000 * 1.5


def test_a_lease_is_renewed_during_long_work() -> None:
    long_work(Backend)
    assert broken(long_work, with_mailboxes(mutants.NeverRenews))


def changed_identity(backend: type[Backend]) -> None:
    """A call follows a change of identity that takes its time: the issuer's keys are fetched."""

    class Slow(backend):  # type: ignore[misc, valid-type]
        def _identify(self, frame: Any) -> Any:
            self.clock.sleep(0.3)
            return super()._identify(frame)

    with Sim(1, counters, backend=Slow) as sim:
        person = ready(sim)
        person.travel = lambda frame: 1.0 if '"Authenticate"' in frame[:30] else 30.0
        person.do(lambda client: client.authenticate("bob@acme"))
        call = person.call("counters:visit", op="b")
        assert sim.until(lambda: call.settled, 10_000)


def test_a_call_waits_for_every_identity_that_is_here() -> None:
    changed_identity(Backend)
    assert broken(changed_identity, mutants.CallsAsTheLastOne)


def busy_for_ever(backend: type[Backend]) -> None:
    """Notes keep coming for longer than an invocation may live."""
    with Sim(1, counters, backend=backend) as sim:
        person = ready(sim)
        boxes = sim.backend.mailboxes
        note = lambda: boxes._update("conn-1", boxes._token(), ["0"], sim.clock.now_ms(), lease=False)  # noqa: E731
        for number in range(1800):
            sim.schedule.at(number * 4.0, lambda: sim.invoke("note", note))
        sim.run(20.0)
        sim.invoke("wake", lambda: sim.backend.wake("conn-1"))
        sim.run(9000)
        check(sim)
        assert person.client.connections == 1
        longest = max(ms for _, ms in sim.lasted)
        if longest > SETTINGS.mailbox_lease_s * 1000:
            raise Broken(f"an invocation served for {longest} ms")


def test_a_holder_hands_over_after_a_while() -> None:
    busy_for_ever(Backend)
    assert broken(busy_for_ever, mutants.NeverHandsOver)
