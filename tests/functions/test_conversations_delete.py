"""Deleting is complete and provable: what is gone, what is left, what the receipt says (check 28)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chalicelib.data.store import Key
from chalicelib.domain.conversations import late_writes
from chalicelib.domain.replies.lifecycle import stream_of
from chalicelib.functions import conversation_delete, runs
from chalicelib.runtime.jobs import Job
from chalicelib.schema import ChatChunk, Residue, Run
from tests.functions.conftest import House, Person
from tests.support.conversations import Cortex, Failed, backend, fill, member, opened, say

OF_A_CONVERSATION = (
    "conversations",
    "participants",
    "images",
    "chatSessions",
    "chatMessages",
    "chatChunks",
    "runs",
    "clientKeys",
    "claims",
    "residues",
)


def left(house: House) -> dict[str, int]:
    """Rows in the store, of the tables that hold anything of a conversation."""
    counted = {name: house.rows(name) for name in OF_A_CONVERSATION}
    return {name: number for name, number in counted.items() if number}


def receipt(cortex: Cortex, done: Any) -> Any:
    return cortex.get_erasure(receiptId=done["receiptId"])


def test_a_short_conversation_is_gone_in_one_commit_and_the_receipt_says_what_was(house: House) -> None:
    cortex = backend(house)
    conversation = opened(cortex)
    for number in range(3):
        say(cortex, conversation, f"message {number}", id=f"own-{number}")
    done = cortex.delete(conversationId=conversation)
    assert left(house) == {}
    proof = receipt(cortex, done)
    assert (proof["state"], proof["conversations"], proof["messages"]) == ("completed", 1, 3)
    assert proof["conversationIds"] == [conversation]
    assert proof["erased"] == {"conversations": 1, "participants": 2, "images": 1, "chatSessions": 1, "chatMessages": 3}
    assert len(proof["digest"]) == 64
    assert proof["completedAt"] >= proof["startedAt"]
    assert proof["residueUntil"] > proof["completedAt"]


def test_a_long_log_is_erased_by_jobs_and_its_id_can_be_used_at_once_without_its_past(house: House) -> None:
    cortex = backend(house)
    conversation = opened(cortex, conversationId="again")
    for number in range(230):
        say(cortex, conversation, f"message {number}", tail=0)
    say(cortex, conversation, "named", id="same-id", tail=0)
    done = cortex.delete(conversationId=conversation)
    assert done["state"] == "running"
    assert done["messagesDeleted"] == 231
    assert cortex.get(conversationId=conversation) is None
    assert receipt(cortex, done)["state"] == "running"
    opened(cortex, conversationId="again")
    assert say(cortex, "again", "fresh", id="same-id")["messageCount"] == 1
    assert house.work() == 6
    proof = receipt(cortex, done)
    assert (proof["state"], proof["erased"]["chatMessages"]) == ("completed", 231)
    assert house.rows("chatMessages") == 1
    assert cortex.get(conversationId="again")["messages"][0]["content"] == "fresh"


def test_ten_thousand_messages_are_gone_at_once_and_erased_by_jobs(house: House) -> None:
    """Check 28, at its full size."""
    cortex = backend(house)
    conversation = opened(cortex)
    fill(house, conversation, 10_000, "a message")
    done = cortex.delete(conversationId=conversation)
    assert done["messagesDeleted"] == 10_000
    assert cortex.get(conversationId=conversation) is None
    while house.work():
        pass
    assert (receipt(cortex, done)["state"], house.rows("chatMessages")) == ("completed", 0)


def _chat(house: House, alice: Person, *texts: str) -> str:
    session = str(alice.mutation("chat:startSession"))
    for number, text in enumerate(texts):
        alice.mutation("chat:sendMessage", sessionId=session, content=text, clientKey=f"k{number}")
        house.work()
    return session


def test_a_chat_goes_with_its_runs_chunks_keys_and_session(house: House) -> None:
    alice = house.person("alice")
    session = _chat(house, alice, "/say " + "word " * 300, "again")
    cortex = member(house, "alice")
    (listed,) = cortex.list()
    assert listed["messageCount"] == 4
    chunks = house.rows("chatChunks")
    assert chunks > 3
    done = cortex.delete(conversationId=listed["conversationId"])
    house.work()
    assert left(house) == {}
    assert alice.query("chat:getSession", sessionId=session) is None
    erased = receipt(cortex, done)["erased"]
    assert (erased["runs"], erased["clientKeys"], erased["chatChunks"]) == (2, 2, chunks)


def test_a_chunk_that_a_writer_puts_after_the_deletion_is_erased_too(house: House) -> None:
    alice, cortex = house.person("alice"), member(house, "alice")
    session = str(alice.mutation("chat:startSession"))
    message = alice.mutation("chat:sendMessage", sessionId=session, content="hello")
    executor = house.backend.executor
    run_id = f"run-{message.removeprefix('msg-')}"
    epoch = executor.call("acme", runs.claim, run_id=run_id)
    (listed,) = cortex.list()
    done = cortex.delete(conversationId=listed["conversationId"])
    assert executor.call("acme", runs.beat, run_id=run_id, epoch=epoch) is False, "the writer is told to stop"
    about = {"message_id": message, "session_id": session, "timestamp": 1.0, "expires_at": house.clock.now_ms() + 9e6}
    executor.append("acme", ChatChunk(reply=stream_of(message, epoch), sequence=0, chunk="late", **about))
    assert receipt(cortex, done)["state"] == "running"
    house.clock.ahead += 3_000
    house.work()
    assert receipt(cortex, done)["state"] == "completed"
    assert left(house) == {"residues": 1}
    assert Run.table_name in receipt(cortex, done)["erased"]
    executor.append("acme", ChatChunk(reply=stream_of(message, epoch), sequence=1, chunk="thawed", **about))
    opens = {"messageId": message, "sessionId": session}
    other = ChatChunk(reply=stream_of(message, epoch + 3), sequence=0, chunk="of no epoch", opens=opens, **about)
    executor.append("acme", other)
    house.clock.ahead += late_writes.LOOK_MS
    house.sweep()
    assert house.rows("chatChunks") == 0, "its writers' places are known, and others begin in the session's index"
    house.clock.ahead += late_writes.LIFE_MS
    house.sweep()
    assert left(house) == {}, "no writer lives so long"


def test_looking_for_residue_leaves_a_living_conversation_alone(house: House) -> None:
    alice = house.person("alice")
    session = _chat(house, alice, "/say " + "word " * 100)
    before = {table: house.rows(table) for table in ("chatMessages", "chatChunks")}
    document = house.store.inner.get(Key("chatSessions", f"acme|chatSessions|{session}"))
    assert document is not None
    row = Residue(
        id=session, org="acme", conversation=document["conversation"], messages=[], look_at=0.0, until=house.clock.now_ms() + 9e6
    )
    assert house.backend.executor.append("acme", row)
    house.sweep()
    assert {table: house.rows(table) for table in before} == before


def test_only_who_asked_and_the_orgs_backend_see_a_receipt(house: House) -> None:
    alice = member(house, "alice")
    done = alice.delete(conversationId=opened(alice))
    assert receipt(alice, done)["state"] == "completed"
    assert receipt(backend(house), done)["state"] == "completed"
    for stranger in (member(house, "bob"), member(house, "alice", "other"), Cortex.of(house.anybody())):
        assert receipt(stranger, done) is None
        assert stranger.get_erasure(receiptId="erasure-none") is None


def test_a_member_that_does_not_own_a_conversation_cannot_delete_it(house: House) -> None:
    conversation = opened(member(house, "alice"))
    helper = member(house, "helper", role="agent")
    assert helper.get(conversationId=conversation) is not None
    with pytest.raises(Failed, match="FORBIDDEN"):
        helper.delete(conversationId=conversation)


def test_delete_many_needs_a_filter_and_says_what_it_would_delete(house: House) -> None:
    cortex = backend(house)
    for number in range(3):
        conversation = opened(cortex, "bulk")
        for _ in range(number):
            say(cortex, conversation, "text", tail=0)
    with pytest.raises(Failed, match="MISSING_REQUIRED_FIELD"):
        cortex.delete_many()
    told = cortex.delete_many(userId="bulk", dryRun=True)
    assert (told["wouldDelete"], told["wouldDeleteMessages"], told["deleted"]) == (3, 3, 0)
    assert len(told["conversationIds"]) == 3
    with pytest.raises(Failed, match="DELETE_MANY_THRESHOLD_EXCEEDED: Would delete 3 "):
        cortex.delete_many(userId="bulk", confirmationThreshold=2)
    assert cortex.count(userId="bulk") == 3


def test_delete_many_deletes_all_that_fit_and_no_other(house: House) -> None:
    cortex = backend(house)
    for _ in range(23):
        say(cortex, opened(cortex, "bulk", "agent-b"), "text", tail=0)
    kept = opened(cortex, "other", "agent-b")
    with pytest.raises(Failed, match="DELETE_MANY_THRESHOLD_EXCEEDED"):
        cortex.delete_many(userId="bulk")
    done = cortex.delete_many(userId="bulk", confirmationThreshold=100)
    assert (done["deleted"], done["totalMessagesDeleted"], done["state"]) == (23, 23, "completed")
    assert len(done["conversationIds"]) == 23
    assert cortex.list(userId="bulk") == []
    assert cortex.count(userId="bulk") == 0
    assert [each["conversationId"] for each in cortex.list(agentId="agent-b")] == [kept]
    assert receipt(cortex, done)["erased"]["chatMessages"] == 23
    assert cortex.delete_many(userId="bulk")["deleted"] == 0


def test_a_user_deletes_its_own_only(house: House) -> None:
    alice, bob = member(house, "alice"), member(house, "bob")
    mine = [opened(alice, "alice", "shared") for _ in range(2)]
    opened(bob, "bob", "shared")
    with pytest.raises(Failed, match="FORBIDDEN"):
        alice.delete_many(userId="bob")
    assert sorted(alice.delete_many(agentId="shared")["conversationIds"]) == sorted(mine)
    assert backend(house).count(agentId="shared") == 1


def test_by_ids_what_is_anothers_is_not_found(house: House) -> None:
    alice, bob = member(house, "alice"), member(house, "bob")
    mine, theirs = opened(alice), opened(bob, "bob")
    done = alice.delete_by_ids(conversationIds=[mine, theirs, "conv-none"])
    assert (done["deleted"], done["conversationIds"], done["notFound"]) == (1, [mine], [theirs, "conv-none"])
    assert bob.get(conversationId=theirs) is not None


def test_a_purge_is_for_the_orgs_backend_and_leaves_other_orgs_alone(house: House) -> None:
    cortex, other = backend(house), backend(house, "other")
    for number in range(7):
        opened(cortex, f"user-{number}", f"agent-{number}")
    cortex.create(type="agent-agent", participants={"agentIds": ["a", "b", "c"]})
    kept = opened(other)
    with pytest.raises(Failed, match="FORBIDDEN"):
        member(house, "alice").purge_all(confirm=True)
    with pytest.raises(Failed, match="CONFIRMATION_REQUIRED"):
        cortex.purge_all()
    done = cortex.purge_all(confirm=True)
    assert (done["deleted"], done["state"]) == (8, "completed")
    assert (cortex.count(), other.count()) == (0, 1)
    assert other.get(conversationId=kept) is not None


def test_a_deletion_whose_caller_died_is_carried_on_by_a_job(house: House) -> None:
    cortex = backend(house)
    for number in range(12):
        say(cortex, opened(cortex, "bulk", f"agent-{number}"), "text", tail=0)
    begun = house.backend.executor.call("acme", conversation_delete.begin_many, todo=[], filters={"userId": "bulk"})
    assert 0 < cortex.count(userId="bulk") < 12
    house.clock.ahead += 11_000
    house.work()
    assert cortex.count(userId="bulk") == 0
    proof = cortex.get_erasure(receiptId=begun)
    assert (proof["state"], proof["conversations"], proof["messages"]) == ("completed", 12, 12)
    assert left(house) == {}


def test_a_deletion_whose_job_was_lost_is_carried_on_by_the_sweep(house: House) -> None:
    cortex = backend(house)
    conversation = opened(cortex)
    for _ in range(100):
        say(cortex, conversation, "text", tail=0)
    done = cortex.delete(conversationId=conversation)

    def lose(run: Any) -> str:
        for _, payload in house.later.asked:
            run.db.patch(run.db.get(Job, payload["jobId"]), state="failed")
        return "null"

    house.backend.executor.transact("acme", "test:lose", lose)
    house.work()
    assert receipt(cortex, done)["state"] == "running"
    house.clock.ahead += 61_000
    house.sweep()
    house.work()
    assert receipt(cortex, done)["state"] == "completed"
    assert left(house) == {}


def test_everything_there_is_fits_the_commits_of_a_purge(house: House) -> None:
    """No commit is too large, whatever hangs on the conversations: the limit of 100 writes holds on every store."""
    cortex, rng = backend(house), random.Random(7)
    for number in range(4):
        agents = [f"agent-{each}" for each in rng.sample(range(40), rng.choice([2, 9, 20]))]
        name = cortex.create(type="agent-agent", participants={"agentIds": agents})["conversationId"]
        for each in range(rng.choice([0, 3, 60])):
            say(cortex, name, "text", "agent", id=f"own-{each}", tail=0)
        cortex.get_or_create(type="user-agent", participants={"userId": f"user-{number}", "agentId": f"agent-{number}"})
        _chat(house, house.person(f"user-{number}"), "/say " + "word " * rng.choice([1, 80]))
        helper = member(house, f"helper-{number}", role="agent").person
        (room,) = helper.mutation("gateway:open", socket=f"socket-{number}")["rooms"]
        for each in range(rng.choice([1, 30])):
            args = {"conversationId": room, "participantType": "user", "participantId": f"guest-{each}"}
            helper.mutation("rooms:addParticipant", **args)
            house.person(f"guest-{each}").mutation("rooms:send", conversationId=room, content="hello")
    done = cortex.purge_all(confirm=True)
    assert (done["deleted"], done["state"], cortex.count()) == (16, "completed", 0)
    assert receipt(cortex, done)["state"] == "completed"
    assert {name: house.rows(name) for name in ("receipts", "presences", "agentRooms") if house.rows(name)} == {}
    assert left(house) == {}


def test_a_room_of_many_agents_is_deleted_whole(house: House) -> None:
    cortex = backend(house)
    agents = [f"agent-{number}" for number in range(20)]
    made = cortex.create(type="agent-agent", participants={"agentIds": agents})
    for agent in agents:
        say(cortex, made["conversationId"], "hello", "agent", agentId=agent, tail=0)
    cortex.delete(conversationId=made["conversationId"])
    house.work()
    assert left(house) == {}
    assert cortex.count(agentId="agent-7") == 0
