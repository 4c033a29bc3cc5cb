"""What an owner of sockets promises, rule by rule; and what breaks when the step behind a rule is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.data.store import Change
from chalicelib.data.tables import MARK
from chalicelib.live.owner.owner import Owner
from chalicelib.live.owner.recent import RecentCommits
from tests.live import owner_mutants
from tests.live.owner_sims import door, mood, moody, mutant, owned, told
from tests.live.test_connection import ready, settled
from tests.live.test_fanout import commit, crowd
from tests.support.sim import Sim
from tests.support.verdict import check


@pytest.fixture
def sim() -> Iterator[Sim]:
    with owned() as made:
        yield made


# Own writes first --------------------------------------------------------------------------------------------------------


def shown_before_its_answer(owner: type[Owner]) -> bool:
    """The feed tells of a commit before the call that made it has returned."""
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        hook = sim.executor.committed

        def late(done: Any, org: str) -> None:
            sim.clock.sleep(0.5)
            hook(done, org)

        sim.executor.committed = late
        try:
            settled(alice, alice.call("counters:add", name="a", op="mine"))
        except AssertionError as broken:
            return "before its answer" in str(broken)
        check(sim)
        return False


def test_a_call_is_answered_before_its_effect_is_shown_though_the_feed_is_faster() -> None:
    assert not shown_before_its_answer(Owner)
    assert shown_before_its_answer(mutant(rounds_type=owner_mutants.DoesNotLook))
    assert shown_before_its_answer(mutant(socket_type=owner_mutants.TellsAhead))


def shown_too_old(owner: type[Owner]) -> bool:
    """A query is being read when a call of the same socket commits, is answered, and touches what was read."""
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        mood(sim).slow["counters:follow"] = 1.0
        alice.watch("counters:follow", pointer="other")  # from now on it is known to take long
        assert sim.until(lambda: alice.client.in_step, 5000)
        settled(alice, alice.call("counters:point", pointer="p", target="a"))
        query = alice.watch("counters:follow", pointer="p")
        sim.run(300)
        settled(alice, alice.call("counters:add", name="a", op="mine"), 500)
        assert sim.until(lambda: query in alice.client.results, 9000)
        changes = [change for each in told(alice, "Transition") for change in each["modifications"]]
        first = next(change for change in changes if change["queryId"] == query)
        return "mine" not in first["value"]["ops"]


def test_a_value_that_was_read_before_an_answered_call_is_not_told_after_it() -> None:
    assert not shown_too_old(Owner)
    assert shown_too_old(mutant(socket_type=owner_mutants.ForgetsAnswered))


def test_a_call_behind_a_token_is_that_users_and_one_before_it_the_former_ones(sim: Sim) -> None:
    person = sim.person("p", "alice@acme")
    assert sim.until(lambda: person.client.in_step, 5000)
    identify = sim.backend.world.identify

    def slowly(frame: Any) -> Any:
        sim.clock.sleep(2.0)
        return identify(frame)

    object.__setattr__(sim.backend.world, "identify", slowly)
    calls: list[Any] = []

    def burst(client: Any) -> None:
        calls.append(client.mutate("counters:visit", {"op": "as alice"}))
        client.authenticate("bob@acme")
        calls.append(client.mutate("counters:visit", {"op": "as bob"}))
        client.authenticate(None)
        calls.append(client.mutate("counters:visit", {"op": "as nobody"}))

    person.do(burst)
    assert sim.until(lambda: calls[0].settled, 1000), "a call waits for no token behind it"
    assert sim.until(lambda: all(call.settled for call in calls), 9000)
    assert [call.result for call in calls] == ["alice", "bob", "nobody"]


def test_the_calls_of_a_socket_run_one_after_the_other(sim: Sim) -> None:
    alice = ready(sim)
    running: list[str] = []
    most: list[int] = []
    commit_ = sim.executor.commit

    def counted(function: Any, args: dict[str, Any], *rest: Any, **about: Any) -> Any:
        running.append(args["op"])
        most.append(len(running))
        try:
            return commit_(function, args, *rest, **about)
        finally:
            running.remove(args["op"])

    sim.executor.commit = counted  # type: ignore[method-assign]
    calls = alice.do(lambda client: [client.mutate("counters:add", {"name": "a", "op": f"{n}"}) for n in range(6)])
    assert sim.until(lambda: all(call.settled for call in calls), 9000)
    assert alice.client.value(0)["ops"] == [f"{n}" for n in range(6)]
    assert max(most) == 1


def test_a_call_in_one_breath_with_a_new_query_shows_the_value_before_and_the_one_after(sim: Sim) -> None:
    alice = sim.person("alice", "alice@acme")
    assert sim.until(lambda: alice.client.in_step, 5000)

    def breath(client: Any) -> None:
        client.subscribe("counters:get", {"name": "a"})
        client.mutate("counters:add", {"name": "a", "op": "one"})

    before = len(alice.log)
    alice.travel = lambda frame: 0.0  # one packet brings both
    alice.do(breath)
    sim.run(1000)
    changes = [change for each in told(alice, "Transition", before) for change in each["modifications"]]
    assert [change["value"]["value"] for change in changes] == [0, 1]


# Who is told -------------------------------------------------------------------------------------------------------------


def hears(owner: type[Owner], without: Callable[[Sim], None]) -> bool:
    """Whether a watcher hears of somebody else's commit."""
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        without(sim)
        commit(sim, "bob@acme", "counters:add", name="a", op="his")
        sim.run(1000)
        return "his" in alice.client.value(0)["ops"]


def other_process(sim: Sim) -> None:
    """What is committed from now on is another process's: only the feed tells."""
    sim.executor.committed = lambda done, org: None


def no_feed(sim: Sim) -> None:
    sim.pumping = False


def test_commits_of_other_processes_are_told_by_the_feed_and_own_ones_need_none() -> None:
    assert hears(Owner, other_process)
    assert not hears(owner_mutants.TellsOnlyItsOwn, other_process)
    assert hears(Owner, no_feed)
    assert not hears(owner_mutants.Deaf, no_feed)


def test_what_the_feed_says_of_an_own_commit_is_evaluated_no_second_time(sim: Sim) -> None:
    ready(sim)
    mood(sim).evaluations.clear()
    commit(sim, "bob@acme", "counters:add", name="a", op="his")
    sim.run(2000)
    assert mood(sim).evaluations["counters:get"] == 1


def test_a_row_that_was_hinted_is_told_at_once_and_evaluated_once(sim: Sim) -> None:
    ready(sim)
    mood(sim).evaluations.clear()
    driver, key = sim.backend.driver, "acme|simCounters|a"
    sim.invoke("hint", lambda: driver.hinted("a stamp", [(key, MARK)]))
    sim.run(50)
    assert mood(sim).evaluations["counters:get"] == 1
    row = {"pk": key, "_c": "a stamp"}
    sim.invoke("feed", lambda: sim.backend.changed([Change("1", "simCounters", None, row)]))
    sim.run(200)
    assert mood(sim).evaluations["counters:get"] == 1
    sim.invoke("feed", lambda: sim.backend.changed([Change("2", "simCounters", None, {**row, "_c": "another stamp"})]))
    sim.run(200)
    assert mood(sim).evaluations["counters:get"] == 2


def test_a_value_is_made_once_for_all_who_may_share_it_and_for_each_who_may_not(sim: Sim) -> None:
    people = crowd(sim, ["alice@acme", "bob@acme"] * 4, ("counters:get", {"name": "a"}), ("counters:mine", {}))
    stranger = crowd(sim, ["eve@other"], ("counters:get", {"name": "a"}))[0]
    mood(sim).evaluations.clear()
    settled(people[0], people[0].call("counters:visit", op="one"))
    settled(people[0], people[0].call("counters:add", name="a", op="two"))
    sim.run(500)
    assert mood(sim).evaluations == {"counters:get": 1, "counters:mine": 1}, "bob's visits were not touched"
    assert stranger.client.value(0) == {"value": 0, "ops": []}
    check(sim)


def test_a_new_tab_on_a_query_that_is_true_needs_no_evaluation(sim: Sim) -> None:
    crowd(sim, ["alice@acme"], ("counters:get", {"name": "a"}))
    mood(sim).evaluations.clear()
    late = crowd(sim, ["bob@acme"], ("counters:get", {"name": "a"}))[0]
    assert late.client.value(0) == {"value": 0, "ops": []}
    assert mood(sim).evaluations["counters:get"] == 0


def told_the_old_value(owner: type[Owner]) -> bool:
    """Somebody asks while a query that has just been touched is read again."""
    with owned(moody(owner)) as sim:
        alice, bob = ready(sim), ready(sim, "bob", "bob@acme")
        mood(sim).slow["counters:follow"] = 1.0
        alice.watch("counters:follow", pointer="p")  # which is known to take long from then on
        assert sim.until(lambda: alice.client.in_step, 5000)
        settled(bob, bob.call("counters:point", pointer="p", target="a"))
        sim.run(200)
        query, before = bob.watch("counters:follow", pointer="p"), len(bob.log)
        assert sim.until(lambda: query in bob.client.results, 5000)
        sim.run(3000)
        changes = [change for each in told(bob, "Transition", before) for change in each["modifications"]]
        return [change["value"]["target"] for change in changes if change["queryId"] == query] != ["a"]


def test_whoever_asks_while_a_query_is_read_again_is_not_told_what_was_true_before() -> None:
    assert not told_the_old_value(Owner)
    assert told_the_old_value(mutant(socket_type=owner_mutants.TellsTheOldOnes))


def goes_backwards(owner: type[Owner]) -> bool:
    """A client comes back to another process, which has not heard of a commit that the client has seen."""
    with owned(moody(owner), owners=2) as sim:
        door(sim).place = 1
        carol = ready(sim, "carol", "carol@acme")
        door(sim).place = 0
        alice = ready(sim)
        sim.pumping = False
        settled(alice, alice.call("counters:add", name="a", op="hers"))
        door(sim).place = 1
        alice.drop()
        try:
            assert sim.until(lambda: alice.client.connections == 2 and alice.client.in_step, 5000)
        except AssertionError as broken:
            return "backwards" in str(broken)
        sim.run(500)
        assert carol.client.value(0)["ops"] == ["hers"], "what is read for one is told to all who share it"
        return False


def test_whoever_comes_back_to_another_process_sees_nothing_go_backwards() -> None:
    assert not goes_backwards(Owner)
    assert goes_backwards(mutant(holding_type=owner_mutants.TakesItselfForAlone))


def overrun(kept: type[RecentCommits]) -> bool:
    ring = kept(kept=4)
    number = ring.add([("a", "1")])
    for _ in range(6):
        ring.add([("b", "1")])
    return ring.touched_since(number, [("c", "0", "9")])


def test_what_the_ring_of_commits_has_forgotten_counts_as_touched() -> None:
    assert overrun(RecentCommits)
    assert not overrun(owner_mutants.TakesOverrunForTruth)
    ring = RecentCommits(kept=4)
    numbers = [ring.add([("a", f"{position}")]) for position in range(8)]
    assert ring.touched_since(numbers[4], [("a", "6", "6")])
    assert not ring.touched_since(numbers[6], [("a", "6", "6")])
    assert not ring.touched_since(numbers[7], [("a", "0", "9")])


def test_nothing_of_the_former_user_is_told_as_the_new_ones(sim: Sim) -> None:
    alice, query = ready(sim), 1
    assert alice.watch("counters:mine") == query
    settled(alice, alice.call("counters:visit", op="hers"))
    mood(sim).failing.add("counters:mine")
    before = len(alice.log)
    alice.do(lambda client: client.authenticate("bob@acme"))
    sim.run(3000)
    assert told(alice, "Transition", before) == []
    mood(sim).failing.clear()
    assert sim.until(lambda: alice.client.in_step, 9000)
    assert alice.client.value(query) == {"who": "bob", "ops": []}


def test_a_new_code_is_asked_at_once(sim: Sim) -> None:
    alice = ready(sim)
    before = mood(sim).evaluations["counters:get"]
    owner = sim.backend.owner
    assert owner is not None
    sim.invoke("reload", lambda: owner.adopt(owner.held.world, owner.held.calls, owner.hearer.hear))
    sim.run(500)
    assert mood(sim).evaluations["counters:get"] == before + 1
    assert alice.client.connections == 1
