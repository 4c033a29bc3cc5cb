"""A second message during a reply: what each policy does, also with a hundred at once (invariant 8)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from infra.local.model.server import Pace, ScriptedModel
from tests.functions.conftest import House, Person, Refusal
from tests.functions.replies import stored
from tests.functions.test_chat import messages, send, start
from tests.functions.test_runs import chunks
from tests.support.writing import in_the_middle

POLICIES = ("enqueue", "reject", "interrupt", "rollback")


@contextmanager
def talking(pace: int = 40) -> Iterator[tuple[House, Person, str, str]]:
    """A house whose model is in the middle of a long reply to alice; when it is left, everything has ended."""
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=pace, first_token_s=0)) as slow:
        house = House(slow)
        alice = house.person("alice")
        session = start(alice)
        reply = send(alice, session, "write 2000 words")
        with in_the_middle(house.work, lambda: chunks(alice, session, reply)):
            yield house, alice, session, reply


def by_id(person: Person, session: str) -> dict[str, dict[str, Any]]:
    found: list[dict[str, Any]] = person.query("chat:getMessages", sessionId=session, limit=200)
    return {each["messageId"]: each for each in found}


def told(house: House) -> list[str]:
    """What the model was told last, as texts."""
    turns = house.model.requests[-1].body["messages"]
    return [part["text"] for turn in turns for part in turn["content"]]


def test_an_interrupting_message_ends_the_reply_with_what_it_said_and_is_answered_next() -> None:
    with talking() as (house, alice, session, reply):
        waiting = send(alice, session, "/say never", onBusy="enqueue")
        newest = send(alice, session, "/say the newest", onBusy="interrupt")
    house.work()
    found = by_id(alice, session)
    assert (found[reply]["status"], found[reply]["reason"]) == ("aborted", "interrupted by a newer message")
    assert found[reply]["content"]
    assert found[reply]["content"] == chunks(alice, session, reply)
    assert (found[waiting]["status"], found[waiting]["content"]) == ("aborted", "")
    assert (found[newest]["status"], found[newest]["content"].strip()) == ("completed", "the newest")
    assert any("2000 words" in text for text in told(house)), "an interrupted turn still counts"
    assert not any(each.get("superseded") for each in found.values())


def test_a_rolled_back_turn_stays_in_the_log_and_is_not_told_to_the_model() -> None:
    with talking() as (house, alice, session, reply):
        waiting = send(alice, session, "/say never")
        newest = send(alice, session, "/say the newest", onBusy="rollback")
    house.work()
    found = by_id(alice, session)
    assert (found[reply]["status"], found[reply]["reason"]) == ("aborted", "rolled back")
    assert found[reply]["content"] == chunks(alice, session, reply), "its text is not lost"
    assert found[waiting]["status"] == "aborted"
    assert found[newest]["content"].strip() == "the newest"
    assert told(house) == ["/say the newest"]
    assert [bool(each.get("superseded")) for each in found.values()] == [True] * 4 + [False] * 2


def test_a_rejected_message_leaves_nothing() -> None:
    with talking() as (_house, alice, session, reply):
        before = messages(alice, session)
        with pytest.raises(Refusal) as refused:
            send(alice, session, "too early", onBusy="reject", clientKey="k")
        assert refused.value.tag == "ConversationBusy"
        assert len(messages(alice, session)) == len(before)
        alice.mutation("chat:stop", sessionId=session)
    _house.work()
    assert by_id(alice, session)[reply]["status"] == "aborted"
    assert send(alice, session, "/say now", onBusy="reject", clientKey="k"), "its key was not used up"


@pytest.mark.parametrize("policy", ["interrupt", "rollback"])
def test_a_reply_that_nobody_has_begun_is_ended_at_once(house: House, policy: str) -> None:
    alice = house.person("alice")
    session = start(alice)
    first = send(alice, session, "/say first")
    second = send(alice, session, "/say second", onBusy=policy)
    assert by_id(alice, session)[first]["status"] == "aborted"
    house.work()
    assert by_id(alice, session)[second]["content"].strip() == "second"
    assert by_id(alice, session)[first]["content"] == ""


def test_more_waiting_messages_than_one_commit_can_end_are_refused_whole(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    for number in range(27):
        send(alice, session, f"/say {number}")
    before = messages(alice, session)
    with pytest.raises(Refusal) as refused:
        send(alice, session, "/say all of it", onBusy="rollback")
    assert refused.value.tag == "QueueFull"
    assert messages(alice, session) == before


@pytest.mark.parametrize("policy", POLICIES)
def test_a_hundred_messages_at_once_under_each_policy_leave_one_order_and_no_reply_open(house: House, policy: str) -> None:
    """Every accepted message has exactly one ended reply; none is refused but by `reject`, which writes nothing."""
    alice = house.person("alice")
    session = start(alice)

    def sent(number: int) -> str | None:
        try:
            return send(alice, session, f"/say answer {number}", onBusy=policy)
        except Refusal as refused:
            assert refused.tag == "ConversationBusy"
            return None

    with ThreadPoolExecutor(8) as pool:
        replies = [each for each in pool.map(sent, range(100)) if each is not None]
    house.work()
    log = alice.query("chat:getMessages", sessionId=session, limit=200)
    assert len(log) == 2 * len(replies)
    assert [each["sequence"] for each in log] == list(range(1, len(log) + 1))
    assert all(each["completed"] for each in log)
    for asked, answered in zip(log[::2], log[1::2], strict=True):
        assert answered["messageId"] in replies
        assert answered["content"].strip() in ("", asked["content"].removeprefix("/say "))
    answered = [each for each in log[1::2] if each["status"] == "completed"]
    assert len(replies) == (1 if policy == "reject" else 100)
    assert len(answered) == (100 if policy == "enqueue" else 1)
    assert log[-1]["status"] == "completed", "the last one is answered under every policy"
    run = stored(house, "runs", log[-1]["messageId"].replace("msg-", "run-"))
    conversation = stored(house, "conversations", run["conversation"])
    assert (conversation.get("activeRun"), conversation.get("queuedRuns", [])) == (None, [])
