"""What an owner of sockets promises, rule by rule; and what breaks when the step behind a rule is left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from chalicelib.backend import Backend
from chalicelib.data.errors import Conflict
from chalicelib.live.owner.owner import Owner
from tests.live import counters, owner_mutants
from tests.live.test_connection import ready, settled
from tests.live.test_fanout import commit, crowd
from tests.support.person import Person
from tests.support.sim import Sim
from tests.support.sim_doors import LinkWire, OwnerDoor
from tests.support.verdict import check


class Moody(Backend):
    """Some queries cannot be evaluated, or take long; evaluations are counted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.failing: set[str] = set()
        self.slow: dict[str, float] = {}
        self.evaluations: Counter[str] = Counter()

    def _evaluate(self, path: str, args: str, identity: str | None, journal: str | None) -> Any:
        self.evaluations[path] += 1
        if path in self.failing:
            raise Conflict("simCounters")
        value = super()._evaluate(path, args, identity, journal)
        self.clock.sleep(self.slow.get(path, 0.0))
        return value


def moody(owner: type[Owner] = Owner) -> type[Backend]:
    return type("Moody", (Moody,), {"owner_type": owner})


def mutant(**parts: type) -> type[Owner]:
    return type("Other", (Owner,), dict(parts))


def owned(backend: type[Backend] = Moody) -> Sim:
    return Sim(1, counters, backend=backend, live="owner", ticker=False)


@pytest.fixture
def sim() -> Iterator[Sim]:
    with owned() as made:
        yield made


def mood(sim: Sim) -> Moody:
    return cast(Moody, sim.backend)


def wire(sim: Sim, person: Person) -> LinkWire:
    assert isinstance(sim.door, OwnerDoor)
    assert person.link is not None
    return sim.door.wires[person.link.id]


def told(person: Person, kind: str, since: int = 0) -> list[dict[str, Any]]:
    return [message for text in person.log[since:] if (message := json.loads(text))["type"] == kind]


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


# What cannot be evaluated --------------------------------------------------------------------------------------------------


def others_are_told(owner: type[Owner]) -> bool:
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        total = alice.watch("counters:total", group="g")
        assert sim.until(lambda: alice.client.in_step, 5000)
        mood(sim).failing.add("counters:total")
        commit(sim, "bob@acme", "counters:add", name="a", op="his")
        sim.run(3000)
        heard = "his" in alice.client.value(0)["ops"] and alice.client.value(total) == 0
        assert alice.client.connections == 1
        mood(sim).failing.clear()
        sim.run(6000)
        assert alice.client.value(total) == 1
        return heard


def test_a_query_that_cannot_be_evaluated_keeps_its_value_and_nobody_else_waits_for_it() -> None:
    assert others_are_told(Owner)
    assert not others_are_told(mutant(socket_type=owner_mutants.WaitsForAll))


def test_only_the_calls_that_touched_it_wait_for_it(sim: Sim) -> None:
    alice = ready(sim)
    alice.watch("counters:total", group="g")
    assert sim.until(lambda: alice.client.in_step, 5000)
    mood(sim).failing.add("counters:total")
    waits = alice.call("counters:add", name="a", op="one")
    sim.run(1000)
    assert not waits.settled
    assert "one" not in alice.client.value(0)["ops"], "its effect is not shown before it is answered"
    settled(alice, alice.call("counters:visit", op="elsewhere"), 2000)
    mood(sim).failing.clear()
    settled(alice, waits, 6000)
    assert alice.client.connections == 1
    check(sim)


def closes(owner: type[Owner]) -> bool:
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        alice.watch("counters:total", group="g")
        assert sim.until(lambda: alice.client.in_step, 5000)
        mood(sim).failing.add("counters:total")
        link = alice.link
        alice.call("counters:add", name="a", op="one")
        sim.run(9_000)
        assert alice.link is link
        sim.run(4_000)
        assert link is not None
        mood(sim).failing.clear()
        sim.run(10_000)
        check(sim)
        return link.reason[0] == 1013


def test_after_ten_seconds_the_socket_is_closed_and_the_call_answered_on_the_next_one() -> None:
    assert closes(Owner)
    assert not closes(mutant(socket_type=owner_mutants.NeverGivesUp))


def test_a_query_that_takes_long_holds_up_nobody(sim: Sim) -> None:
    alice, bob = ready(sim), ready(sim, "bob", "bob@acme")
    mood(sim).slow["counters:total"] = 3.0
    alice.watch("counters:total", group="g")
    assert sim.until(lambda: alice.client.in_step, 9000)
    commit(sim, "carol@acme", "counters:add", name="a", op="hers")
    sim.run(200)
    assert "hers" in bob.client.value(0)["ops"]
    assert "hers" in alice.client.value(0)["ops"]
    settled(bob, bob.call("counters:add", name="a", op="his"), 300)


# Readers that are slow, frames that are wrong, tokens that end ---------------------------------------------------------------


def test_a_slow_reader_gets_fewer_messages_and_then_what_is_true(sim: Sim) -> None:
    alice = ready(sim)
    wire(sim, alice).behind = 1024 * 1024
    before = len(alice.log)
    for number in range(20):
        commit(sim, "bob@acme", "counters:add", name="a", op=f"op{number}")
        sim.run(100)
    assert alice.log[before:] == []
    wire(sim, alice).behind = 0
    sim.run(500)
    assert len(told(alice, "Transition", before)) == 1
    assert len(alice.client.value(0)["ops"]) == 20


def test_a_reader_that_is_much_too_slow_is_closed_with_a_reason(sim: Sim) -> None:
    alice = ready(sim)
    link = alice.link
    assert link is not None
    wire(sim, alice).behind = 64 * 1024 * 1024
    sim.run(3000)
    assert link.reason == (1013, "its reader is too slow")


def test_the_calls_of_a_slow_reader_wait(sim: Sim) -> None:
    alice = ready(sim)
    wire(sim, alice).behind = 1024 * 1024
    call = alice.call("counters:add", name="a", op="late")
    sim.run(1000)
    assert not call.settled
    wire(sim, alice).behind = 0
    settled(alice, call, 1000)


def test_whoever_sends_more_than_can_be_kept_is_closed(sim: Sim) -> None:
    alice = ready(sim)
    link = alice.link
    assert link is not None
    frame = json.dumps({"type": "Mutation", "requestId": 1, "udfPath": "counters:add", "args": ["x" * 2**20]})
    for _ in range(20):
        sim.door.frame(link, frame, 0.0)
    sim.run(500)
    assert link.reason[0] == 1008


def test_a_frame_that_cannot_be_read_is_answered_by_what_it_names_and_the_socket_stays(sim: Sim) -> None:
    alice = ready(sim)
    link = alice.link
    assert link is not None
    calls = [alice.client.mutate("counters:add", {"name": "@"}), alice.client.act("counters:large", {"chars": "@"})]
    query = alice.client.subscribe("counters:get", {"name": "@"})
    for frame in alice.client.outbox:
        sim.door.frame(link, frame.replace('"@"', "1e999"), 0.0)
    alice.client.outbox.clear()
    sim.run(500)
    assert [call.state for call in calls] == ["failed", "failed"]
    assert alice.client.results[query].error is not None
    assert alice.client.connections == 1


def test_a_query_set_that_skips_a_version_closes_at_once(sim: Sim) -> None:
    alice = ready(sim)
    link = alice.link
    assert link is not None
    sim.door.frame(link, '{"type":"ModifyQuerySet","baseVersion":9,"newVersion":10,"modifications":[]}', 0.0)
    sim.run(200)
    assert link.reason[0] == 1008


def test_a_bad_token_is_refused_and_closed_slowly(sim: Sim) -> None:
    alice = ready(sim)
    link = alice.link
    alice.do(lambda client: client.authenticate("nonsense"))
    sim.run(500)
    assert [each["authUpdateAttempted"] for each in told(alice, "AuthError")] == [True]
    assert alice.link is link
    sim.run(1500)
    assert alice.link is not link


def test_a_token_that_is_over_ends_the_socket(sim: Sim) -> None:
    alice = ready(sim, "alice", "alice@acme!4000")
    sim.run(9000 + 60_000)
    assert told(alice, "AuthError")[0]["authUpdateAttempted"] is False


def test_a_quiet_socket_is_pinged_without_a_request_to_the_store(sim: Sim) -> None:
    alice = ready(sim)
    before = mood(sim).evaluations.copy()
    sim.run(20_000)
    assert len(told(alice, "Ping")) >= 2
    assert mood(sim).evaluations == before
    assert alice.client.connections == 1


def test_actions_run_beside_everything_as_who_called_them(sim: Sim) -> None:
    alice = ready(sim)
    call = alice.do(lambda client: client.act("counters:addTwice", {"name": "a", "op": "twice"}))
    assert sim.until(lambda: call.settled, 5000)
    sim.run(500)
    assert call.result == 2
    assert alice.client.value(0)["ops"] == ["twicea", "twiceb"]


def test_whoever_leaves_is_told_to_the_domain_once(sim: Sim) -> None:
    ended: list[str] = []
    sim.backend.ended = lambda backend, mailbox: ended.append(mailbox["pk"])
    alice = ready(sim)
    assert alice.link is not None
    alice.leave()
    sim.run(9000)
    assert ended == [alice.link.id] if alice.link else ended
    assert sim.backend.owner is not None
    assert sim.backend.owner.held.sockets == {}
