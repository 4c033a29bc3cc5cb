"""An owner of sockets, and queries that cannot be evaluated, readers that are slow, frames that are wrong, tokens that end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.live.owner.owner import Owner
from chalicelib.live.owner.threads import PoolThreads
from tests.live import owner_mutants
from tests.live.owner_sims import Moody, mood, moody, mutant, owned, told, wire
from tests.live.test_connection import ready, settled
from tests.live.test_fanout import commit
from tests.support.sim import Sim
from tests.support.verdict import check


@pytest.fixture
def sim() -> Iterator[Sim]:
    with owned() as made:
        yield made


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


def confirmed_without_a_value(owner: type[Owner]) -> bool:
    """A client is told that its query set is there while one of its queries has no value yet."""
    with owned(moody(owner)) as sim:
        alice = ready(sim)
        mood(sim).failing.add("counters:total")
        query = alice.watch("counters:total", group="g")
        sim.run(2000)
        early = any(each["endVersion"]["querySet"] == 2 for each in told(alice, "Transition"))
        mood(sim).failing.clear()
        assert sim.until(lambda: query in alice.client.results and alice.client.in_step, 9000)
        return early


def test_a_query_set_is_confirmed_with_its_values() -> None:
    assert not confirmed_without_a_value(Owner)
    assert confirmed_without_a_value(mutant(socket_type=owner_mutants.ConfirmsEmpty))


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


def test_what_the_domain_keeps_of_a_chat_socket_is_renewed_each_minute(sim: Sim) -> None:
    renewed: list[str] = []
    sim.backend.renew = lambda backend, mailbox: renewed.append(mailbox["pk"])
    owner = sim.backend.owner
    assert owner is not None
    owner.hearer.hear = {"npm": lambda socket, text, at: owner.hearer._read(socket, text)}
    alice = ready(sim)
    assert alice.link is not None
    sim.run(125_000)
    assert renewed == [alice.link.id] * 2


def test_threads_do_what_is_due_and_end_what_was_begun() -> None:
    threads, said, begun, go = PoolThreads(), list[str](), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(5)
        said.append("done")

    later = threading.Event()
    threads.later(5, later.set)
    assert later.wait(5)
    threads.run(lambda: 1 / 0)  # is logged, and ends nothing
    threads.run(work)
    assert begun.wait(5)
    threading.Timer(0.05, go.set).start()
    threads.stop(5.0)
    assert said == ["done"]
    threads.run(lambda: said.append("too late"))
    assert said == ["done"]


def test_a_pool_of_threads_does_all_of_a_crowd_and_has_no_more_threads_than_it_may() -> None:
    threads, done, most, running = PoolThreads(3), threading.Semaphore(0), list[int](), list[int]()

    def work() -> None:
        running.append(1)
        most.append(len(running))
        threading.Event().wait(0.001)
        running.pop()
        done.release()

    for _ in range(200):
        threads.run(work)
    assert all(done.acquire(timeout=10) for _ in range(200))
    assert max(most) <= 3
    threads.stop()


def test_a_pool_of_threads_uses_a_thread_again_that_waits() -> None:
    before, threads, done = set(threading.enumerate()), PoolThreads(), threading.Event()
    for _ in range(50):
        done.clear()
        threads.run(done.set)
        assert done.wait(5)
    assert len(set(threading.enumerate()) - before) < 50
    threads.stop()


def test_work_that_waits_for_a_thread_when_the_pool_stops_is_not_begun() -> None:
    threads, said, begun, go = PoolThreads(1), list[str](), threading.Event(), threading.Event()
    whose = list[threading.Thread]()

    def work() -> None:
        whose.append(threading.current_thread())
        begun.set()
        go.wait(5)

    threads.run(work)
    threads.run(lambda: said.append("second"))
    assert begun.wait(5)
    threads.stop(0.01)
    go.set()
    whose[0].join(5)
    assert not whose[0].is_alive()
    assert said == []


def test_a_socket_whose_commit_cannot_be_looked_for_ends_and_nobody_elses_news_is_lost() -> None:
    """The feed tells of a commit before its own call has returned, and asking for that commit fails in a way nobody expects."""

    class Faulty(Moody):
        def _commit_of(self, *asked: Any) -> Any:
            raise RuntimeError("not what a store raises")

    with owned(Faulty) as sim:
        alice, others = ready(sim), [ready(sim, name, f"{name}@acme") for name in ("bob", "carol", "dora")]
        hook = sim.executor.committed

        def late(done: Any, org: str) -> None:
            sim.clock.sleep(0.5)
            hook(done, org)

        sim.executor.committed = late
        call = alice.call("counters:add", name="a", op="mine")
        assert sim.until(lambda: alice.client.connections == 2, 5000)
        assert sim.until(lambda: all(each.client.value(0)["ops"] == ["mine"] for each in others), 400)
        sim.executor.committed = hook
        assert sim.until(lambda: call.settled, 5000)
        assert [each.client.connections for each in others] == [1, 1, 1]
