"""A connection's life: what it is told, what is refused, how it ends and what it leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.doors import sync
from tests.live import counters
from tests.support.person import Person
from tests.support.sim import Sim
from tests.support.verdict import check, leftovers, rows


def ready(sim: Sim, name: str = "alice", token: str | None = "alice@acme") -> Person:
    """Somebody connected."""
    person = sim.person(name, token)
    person.watch("counters:get", name="a")
    assert sim.until(lambda: person.client.in_step, 5000)
    return person


def raw(sim: Sim, connection: str, body: str) -> None:
    """A frame as no client sends it."""
    sim.invoke("message", lambda: sync.message(sim.backend, connection, body))


def settled(person: Person, call: Any, most_ms: float = 5000.0) -> Any:
    """A call that has come to something."""
    assert person.sim.until(lambda: call.settled, most_ms), call
    return call


# Being told ---------------------------------------------------------------------------------------------------------------


def test_a_change_reaches_everyone_who_watches_and_nobody_else(sim: Sim) -> None:
    alice, bob = ready(sim), ready(sim, "bob", "bob@acme")
    bob.watch("counters:get", name="b")
    sim.run(500)
    before = len(bob.log)
    settled(alice, alice.call("counters:add", name="a", op="one"))
    sim.run(500)
    assert bob.client.value(0) == {"value": 1, "ops": ["one"]}
    (told,) = [json.loads(text) for text in bob.log[before:]]
    assert [change["queryId"] for change in told["modifications"]] == [0]


def test_a_client_without_queries_has_its_promises_resolved_at_once(sim: Sim) -> None:
    person = sim.person("alice", "alice@acme")
    sim.until(lambda: person.client.in_step)
    began = sim.schedule.now
    settled(person, person.call("counters:add", name="a", op="one"))
    assert sim.schedule.now - began < 1000


def test_a_value_that_did_not_change_is_not_sent_again(sim: Sim) -> None:
    person = ready(sim)
    person.watch("counters:picky", name="z")
    person.watch("counters:total", group="h")
    sim.run(300)
    before = len(person.log)
    person.call("counters:transfer", first="z", second="y", op="t1")
    person.call("counters:transfer", first="y", second="z", op="t2")
    sim.run(1000)
    assert '"queryId":2' not in "".join(person.log[before:])
    check(sim)


def test_an_error_of_a_query_is_told_once_and_can_go_away(sim: Sim) -> None:
    person = ready(sim)
    query = person.watch("counters:picky", name="a")
    settled(person, person.call("counters:add", name="a", op="one"))
    assert person.client.results[query].data == {"code": "Odd", "message": "The counter is odd.", "value": 1}
    settled(person, person.call("counters:add", name="a", op="two"))
    assert person.client.value(query) == 2
    broken = person.watch("counters:nothing")
    sim.run(300)
    failed = person.client.results[broken]
    assert failed.error is not None
    assert "Could not find public function for 'counters:nothing'" in failed.error
    assert not failed.has_data


def test_a_read_set_that_changes_is_followed(sim: Sim) -> None:
    person = ready(sim)
    query = person.watch("counters:follow", pointer="p")
    for target, op in (("a", "one"), ("b", "two"), ("a", "three")):
        settled(person, person.call("counters:point", pointer="p", target=target))
        settled(person, person.call("counters:add", name=target, op=op))
        assert op in person.client.value(query)["ops"]
    sim.run(1000)
    assert leftovers(sim) == []
    follows = [row for row in rows(sim, "watches") if row["query"] == query]
    assert len(follows) == 2


def test_log_lines_reach_a_developer(sim: Sim) -> None:
    person = ready(sim)
    person.watch("counters:constant", word="hello")
    sim.run(300)
    assert "[LOG] 'said' 'hello'" in json.loads(person.log[-1])["modifications"][0]["logLines"][0]


# Queries that go ------------------------------------------------------------------------------------------------------------


def test_a_removed_query_stays_removed_and_takes_its_watches_with_it(sim: Sim) -> None:
    person = ready(sim)
    query = person.watch("counters:listing", group="g")
    settled(person, person.call("counters:add", name="a", op="one"))
    person.do(lambda client: client.unsubscribe(query))
    for number in range(5):
        person.call("counters:add", name="a", op=f"more{number}")
    sim.run(2000)
    removed = [change for text in person.log if '"QueryRemoved"' in text for change in json.loads(text)["modifications"]]
    assert {"type": "QueryRemoved", "queryId": query} in removed
    assert {row["query"] for row in rows(sim, "watches")} == {0}
    assert [row["sk"] for row in rows(sim, "subscriptions")] == ["0"]
    check(sim)


def test_a_query_can_be_removed_while_it_is_being_evaluated() -> None:
    for seed in range(30):
        with Sim(seed, counters) as sim:
            person, other = ready(sim), ready(sim, "bob", "bob@acme")
            query = person.watch("counters:listing", group="g")
            sim.run(sim.rng.uniform(0, 60))
            other.call("counters:add", name="a", op="one")
            sim.run(sim.rng.uniform(0, 60))
            person.do(lambda client: client.unsubscribe(query))  # noqa: B023
            sim.run(1500)
            check(sim)
            assert query not in {row["query"] for row in rows(sim, "watches") if row["connection"] == "conn-1"}
            assert leftovers(sim) == []


def test_three_hundred_queries_come_in_one_frame_and_go_in_another(sim: Sim) -> None:
    person = Person(sim, "many", "alice@acme")
    for number in range(300):
        person.client.subscribe("counters:get", {"name": f"n{number}"})
    sim.people.append(person)
    person.connect()
    assert sim.until(lambda: person.client.in_step, 60_000, 100.0)
    assert sim.gateway.links["conn-1"].known, "its lease was kept while it was evaluated"
    assert len(person.client.results) == 300
    assert person.client.connections == 1
    settled(person, person.call("counters:add", name="n7", op="one"))
    for query_id in list(person.client.queries)[:299]:
        person.client.unsubscribe(query_id)
    person.flush()
    assert sim.until(lambda: person.client.in_step, 60_000, 100.0)
    sim.run(200)
    assert len(rows(sim, "watches")) == 1
    check(sim)


# What is large --------------------------------------------------------------------------------------------------------------


def test_a_large_transition_is_split_by_query(sim: Sim) -> None:
    person = Person(sim, "alice", "alice@acme")
    queries = [person.client.subscribe("counters:big", {"name": "a", "chars": 30_000 + number}) for number in range(12)]
    sim.people.append(person)
    person.connect()
    assert sim.until(lambda: person.client.in_step, 5000)
    parts = [text for text in person.log if '"Transition"' in text[:25]]
    assert len(parts) >= 4
    assert all(len(part.encode()) <= 128 * 1024 for part in parts)
    settled(person, person.call("counters:add", name="a", op="one"))
    assert all(person.client.value(query)["ops"] == ["one"] for query in queries)


def test_what_fits_no_message_is_an_error_that_names_the_limit(sim: Sim) -> None:
    person = ready(sim)
    query = person.watch("counters:big", name="a", chars=200_000)
    sim.run(500)
    failed = person.client.results[query]
    assert failed.error is not None
    assert "ResultTooLarge: a query's value of" in failed.error
    huge = settled(person, person.call("counters:huge", op="h", chars=200_000))
    assert (huge.state, "It did commit" in huge.error.error) == ("failed", True)
    assert [row["op"] for row in rows(sim, "simVisits")] == ["h"]
    acted = settled(person, person.do(lambda client: client.act("counters:large", {"chars": 300_000})))
    assert (acted.state, "It did run" in acted.error.error) == ("failed", True)
    beyond = settled(person, person.call("counters:huge", op="never", chars=400_000))
    assert "a result holds" in beyond.error.error
    loud = settled(person, person.call("counters:broken", chars=500_000))
    assert "ZeroDivisionError" in loud.error.error
    assert person.client.connections == 1


# What is wrong --------------------------------------------------------------------------------------------------------------

BAD_ARGS = [
    [1],
    "x",
    [{}, {}],
    [{"word": {"$integer": "!"}}],
    [{"word": 5}],
    [{"wrong": 1}],
    [{"word": "\ud800"}],
    [{"$x": 1, "y": 2}],
]


@pytest.mark.parametrize("args", BAD_ARGS, ids=range(len(BAD_ARGS)))
def test_wrong_arguments_fail_the_call_and_not_the_connection(sim: Sim, args: Any) -> None:
    person = ready(sim)
    assert person.link is not None
    add = {"type": "Add", "queryId": 1, "udfPath": "counters:constant", "args": args}
    frames = [
        {"type": "ModifyQuerySet", "baseVersion": 1, "newVersion": 2, "modifications": [add]},
        {"type": "Mutation", "requestId": 0, "udfPath": "counters:visit", "args": args},
        {"type": "Action", "requestId": 1, "udfPath": "counters:large", "args": args},
    ]
    heard: list[dict[str, Any]] = []
    person.client.receive = lambda text: heard.append(json.loads(text))  # type: ignore[method-assign]
    for frame in frames:
        raw(sim, person.link.id, json.dumps(frame))
    sim.run(1500)
    assert person.link.known
    assert sim.raised == []
    (changed,) = [change for message in heard if message["type"] == "Transition" for change in message["modifications"]]
    assert changed["type"] == "QueryFailed"
    answers = {message["type"]: message for message in heard if "Response" in message["type"]}
    assert not answers["MutationResponse"]["success"]
    assert not answers["ActionResponse"]["success"]


def test_functions_of_a_component_are_not_found(sim: Sim) -> None:
    person = ready(sim)
    assert person.link is not None
    raw(
        sim,
        person.link.id,
        '{"type":"Mutation","requestId":0,"udfPath":"counters:visit","args":[{"op":"x"}],"componentPath":"theirs"}',
    )
    person.client.requests[0] = person.client.mutate("counters:visit", {"op": "x"})
    person.client.outbox.clear()
    assert sim.until(lambda: person.client.requests[0].settled)
    assert "Could not find public function" in person.client.requests[0].error.error  # type: ignore[union-attr, operator]
    assert rows(sim, "simVisits") == []


def test_events_are_ignored(sim: Sim) -> None:
    person = ready(sim)
    assert person.link is not None
    sim.run(200)
    stored = rows(sim, "inbox")
    raw(sim, person.link.id, '{"type":"Event","eventType":"ClientConnect","event":[1,{"x":null}]}')
    sim.run(200)
    assert rows(sim, "inbox") == stored
    assert person.link.known


def test_the_wrong_path_is_refused(sim: Sim) -> None:
    statuses: list[int] = []
    for path in ("/api/sync", "/api/1.48.0/sync", "//api/1.48.0/sync", "/api/sync/", "", "/chat", "/api/a/b/sync", "/api"):
        sim.invoke("connect", lambda path=path: statuses.append(sync.connect(sim.backend, f"c{path}", path, {})))  # type: ignore[misc]
        sim.run(50)
    assert statuses == [200, 200, 200, 200, 200, 404, 404, 404]
