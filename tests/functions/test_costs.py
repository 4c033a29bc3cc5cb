"""What a reply costs the store, counted (check 33)."""

from __future__ import annotations

import json

import pytest

from chalicelib.domain.replies import writer
from infra.local.model.server import ScriptedModel
from tests.data.mutants import swapped
from tests.functions.tabs import Live, Tab

CHUNKS = 20


def watched(model: ScriptedModel, tabs: int) -> tuple[Live, list[Tab], str, str]:
    """Alice's tabs, all watching one reply of a worker's after its first chunk."""
    house = Live(model)
    alice, worker = house.person("alice"), house.person_of("w@acme+worker")
    session = alice.mutation("chat:startSession", workerId="w")
    reply = alice.mutation("chat:sendMessage", sessionId=session, content="go on")
    worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="first", sequence=0)
    house.tell()
    found = [house.tab("alice@acme") for _ in range(tabs)]
    for tab in found:
        tab.client.subscribe("chat:subscribeToChunks", {"sessionId": session, "messageId": reply, "after": 0, "limit": 64})
        tab.flush()
    return house, found, session, reply


def test_a_models_chunk_is_one_write(model: ScriptedModel) -> None:
    house = Live(model, chunk_flush_ms=60_000)
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:sendMessage", sessionId=session, content="/say " + "word " * 1400)
    house.store.reset()
    house.work()
    assert house.store.items["write", "chatChunks"] == 8
    assert house.store.items["transact", "chatChunks"] == 0


def test_a_writer_that_looks_whether_it_was_stopped_writes_nothing(model: ScriptedModel) -> None:
    """At every event of the model, which is more often than ever: one read of the run each time."""
    house = Live(model, chunk_flush_ms=60_000)
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:sendMessage", sessionId=session, content="/say " + "word " * 1400)
    house.store.reset()
    with swapped((writer, "POLL_S", 0.0)):
        house.work()
    assert house.store.items["get", "runs"] > 20
    assert house.store.items["transact", "runs"] == 2, "the claim and the end"
    assert house.store.items["transact", "commits"] == 2, "a reply is started without a job"


@pytest.mark.parametrize("tabs", [1, 5])
def test_a_chunk_costs_each_subscriber_at_most_three_writes_of_a_kilobyte(tabs: int, model: ScriptedModel) -> None:
    house, found, session, reply = watched(model, tabs)
    worker = house.person_of("w@acme+worker")
    for number in range(1, CHUNKS + 1):
        worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="some words ", sequence=number)
        house.store.reset()
        house.tell()
        writes = {key: count for key, count in house.store.items.items() if key[0] in ("write", "transact")}
        assert sum(writes.values()) <= 3 * tabs, writes
        assert sum(house.store.wcu.values()) <= 3 * tabs, house.store.wcu  # a unit is a write of up to 1 KB
    assert [len(tab.client.value(0)) for tab in found] == [CHUNKS] * tabs


def test_who_watches_a_reply_is_not_told_that_its_writer_goes_on(model: ScriptedModel) -> None:
    house, found, _, reply = watched(model, 3)
    run = next(row for row in house.sqlite.scan("runs").items if row["messageId"] == reply)
    house.clock.ahead += 59_000
    beat = house.backend.registry.get("runs:beat")
    assert house.backend.executor.call("acme", beat, run_id=run["_id"], epoch=int(run["epoch"]))
    after = next(row for row in house.sqlite.scan("runs").items if row["messageId"] == reply)
    assert after["leaseUntil"] > run["leaseUntil"]
    house.store.reset()
    house.tell()
    assert not house.store.wcu, house.store.wcu
    assert [len(tab.client.value(0)) for tab in found] == [0] * 3


def test_a_list_of_a_hundred_is_one_watch(model: ScriptedModel) -> None:
    """A range watch covers its documents."""
    house = Live(model)
    alice = house.person("alice")
    for _ in range(100):
        alice.mutation("chat:startSession")
    tab = house.tab("alice@acme")
    query = tab.client.subscribe("chat:listSessions")
    tab.flush()
    assert len(tab.client.value(query)) == 100
    watches = house.sqlite._db.execute('SELECT CAST(pk AS TEXT) FROM "items.watches"').fetchall()
    assert watches == [("acme|chatSessions.by_user|5alice\x01",)]


def test_a_message_is_three_reads_and_one_transaction(model: ScriptedModel) -> None:
    """What a send asks for is read in one request, as far as it is known; what is new is not looked for."""
    house = Live(model)
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    house.store.reset()
    alice.mutation("chat:sendMessage", sessionId=session, content="hello")
    assert {verb: house.store.requests[verb] for verb in ("get", "batch_get", "transact")} == {
        "get": 1,
        "batch_get": 2,
        "transact": 1,
    }
    assert house.store.items["transact", "jobs"] == 0


def test_a_viewer_who_comes_before_the_writer_watches_what_the_writer_will_write(model: ScriptedModel) -> None:
    house = Live(model)
    alice, tab = house.person("alice"), house.tab("alice@acme")
    session = alice.mutation("chat:startSession")
    reply = alice.mutation("chat:sendMessage", sessionId=session, content="/say some words")
    query = tab.client.subscribe("chat:subscribeToChunks", {"sessionId": session, "messageId": reply, "after": -1, "limit": 64})
    tab.flush()
    house.store.reset()
    house.work()
    house.tell()
    assert "".join(each["chunk"] for each in tab.client.value(query)) == "some words"
    assert house.store.items["transact", "watches"] == 0


def test_a_query_that_takes_anothers_place_costs_a_unit_a_row(model: ScriptedModel) -> None:
    house, (tab,), session, reply = watched(model, 1)
    client = tab.client
    (old,) = client.queries
    house.store.reset()
    added = client.subscribe("chat:subscribeToChunks", {"sessionId": session, "messageId": reply, "after": -1, "limit": 64})
    client.unsubscribe(old)
    frames = [json.loads(frame) for frame in client.outbox]
    changes = [change for frame in frames for change in frame["modifications"]]
    client.outbox[:] = [json.dumps({**frames[0], "newVersion": frames[-1]["newVersion"], "modifications": changes})]
    tab.flush()
    assert [each["chunk"] for each in client.value(added)] == ["first"]
    assert house.store.requests["transact"] == 0
    assert (house.store.wcu["subscriptions"], house.store.wcu["watches"]) == (2, 6), (
        "one new row and one gone, three watches each"
    )
    rows = house.sqlite._db.execute('SELECT CAST(sk AS TEXT) FROM "items.watches"').fetchall()
    assert len(rows) == 3
    assert all(f"|{added}|" in sk for (sk,) in rows)
