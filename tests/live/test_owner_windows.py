"""Steps of an owner of sockets whose absence shows in a rare moment only: the moment is made, and the step left out is seen."""

from __future__ import annotations

from typing import Any

from chalicelib.live.owner.owner import Owner
from tests.live import owner_mutants
from tests.live.owner_sims import mood, moody, mutant, owned
from tests.live.test_connection import ready, settled
from tests.live.test_fanout import commit, crowd
from tests.support.verdict import rows


def told_of_it(owner: type[Owner]) -> bool:
    """Somebody commits after a new query has read, and before it is known what it has read."""
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        mood(sim).slow["counters:get"] = 1.0
        query = alice.watch("counters:get", name="new")
        sim.run(300)
        commit(sim, "bob@acme", "counters:add", name="new", op="his")
        sim.run(5000)
        return "his" in alice.client.value(query)["ops"]


def test_what_is_committed_between_reading_and_watching_is_told() -> None:
    assert told_of_it(Owner)
    assert not told_of_it(mutant(holding_type=owner_mutants.ForgetsCommits))


def runs(owner: type[Owner]) -> list[Any]:
    """A socket is cut when its call has committed and is not answered yet; the client repeats the call on the next one."""
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        mood(sim).slow["counters:get"] = 1.0  # the answer waits for what the call has touched
        call = alice.call("counters:add", name="a", op="once")
        assert sim.until(lambda: bool(rows(sim, "simCounters")), 5000)
        alice.drop()
        settled(alice, call, 20_000)
        sim.run(5000)
        return list(alice.client.value(0)["ops"])


def test_a_call_that_is_repeated_on_the_next_socket_is_the_same_call() -> None:
    assert runs(Owner) == ["once"]
    assert runs(mutant(socket_type=owner_mutants.KeyOfTheSocket)) != ["once"]


def each_has_their_own(owner: type[Owner]) -> bool:
    """Two users of one org watch what is each one's own."""
    with owned(moody(owner)) as sim:
        alice, bob = crowd(sim, ["alice@acme", "bob@acme"], ("counters:mine", {}))
        settled(alice, alice.call("counters:visit", op="hers"))
        sim.run(1000)
        return bool(alice.client.value(0) != bob.client.value(0))


def test_what_looks_at_its_caller_is_shared_with_nobody_else() -> None:
    assert each_has_their_own(Owner)
    assert not each_has_their_own(mutant(holding_type=owner_mutants.SharesPrivate))
