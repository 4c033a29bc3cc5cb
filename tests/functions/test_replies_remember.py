"""Replies of the model with memory: recalled before, shown in the message, remembered after, where the image says so."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.schema import ChatSession, Image
from tests.functions.conftest import House, Person, Refusal
from tests.functions.test_chat import messages
from tests.support.memories import ids, keep


@pytest.fixture
def alice(house: House) -> Person:
    return house.person("alice")


def session(person: Person, **settings: Any) -> str:
    """A session whose image has these settings. Its id."""
    domain = person.mutation("domains:create", name=f"d{settings}", systemPrompt="Be kind.", settings=settings)["domainId"]
    return str(person.mutation("chat:startSession", domainId=domain))


def said(house: House, person: Person, where: str, text: str) -> dict[str, Any]:
    """The reply to a message."""
    person.mutation("chat:sendMessage", sessionId=where, content=text)
    house.work()
    reply: dict[str, Any] = messages(person, where)[-1]
    return reply


def test_a_reply_is_told_what_fits_and_shows_it(house: House, alice: Person) -> None:
    tea = keep(alice, "Alice drinks green tea")
    keep(house.person("bob"), "Bob drinks green tea with rum")
    reply = said(house, alice, session(alice, memorySpace="home"), "/say what about green tea")
    assert house.model.requests[-1].body["system"] is not None
    told = str(house.model.requests[-1].body["system"])
    assert told.count("Be kind.") == 1
    assert "- Alice drinks green tea" in told
    assert "rum" not in told
    call, result, text = reply["parts"]
    assert (call["type"], call["server"], call["name"]) == ("tool_call", "memory", "recall")
    assert (result["id"], result["memoryIds"]) == (call["id"], [tea])
    assert result["content"][0]["text"] == "- Alice drinks green tea"
    assert (text["type"], reply["content"].strip()) == ("text", "what about green tea")


def test_a_completed_reply_and_what_it_answers_are_remembered_once(house: House, alice: Person) -> None:
    where = session(alice, memorySpace="home")
    said(house, alice, where, "/say the Forth Bridge is red")
    found = alice.query("memories:list", space="home")
    assert sorted(each["content"].strip() for each in found) == ["/say the Forth Bridge is red", "the Forth Bridge is red"]
    assert {each["userId"] for each in found} == {"alice"}
    log = messages(alice, where)
    refs = {tuple(each["conversationRef"]["messageIds"]) for each in found}
    assert refs == {(each["messageId"],) for each in log}
    run = f"run-{log[-1]['messageId'].removeprefix('msg-')}"
    house.backend.executor.call("acme", "runs:remember", run_id=run, space="home")
    assert alice.query("memories:count", space="home") == 2
    other = said(house, alice, session(alice, memorySpace="home"), "/say what colour has the Forth Bridge")
    assert set(other["parts"][1]["memoryIds"]) == set(ids(found))


@pytest.mark.parametrize("settings", [{}, {"memorySpace": "work"}])
def test_without_a_space_or_in_another_nothing_is_recalled(house: House, alice: Person, settings: dict[str, str]) -> None:
    keep(alice, "Alice drinks green tea")
    reply = said(house, alice, session(alice, **settings), "/say green tea")
    assert "parts" not in reply
    assert "Alice drinks" not in str(house.model.requests[-1].body.get("system"))
    assert alice.query("memories:count", space="home") == 1
    assert alice.query("memories:count", space="work") == (2 if settings else 0)


def by_worker(house: House, alice: Person, text: str, **settings: Any) -> str:
    """A session that Alice's worker answers, with a reply that it has completed. The session's id."""
    domain = alice.mutation("domains:create", name=f"w{settings}", systemPrompt="Be kind.", settings=settings)["domainId"]
    where = str(alice.mutation("chat:startSession", domainId=domain, workerId="alice"))
    reply = alice.mutation("chat:sendMessage", sessionId=where, content="what colour has the Forth Bridge")
    worker = house.person("alice", roles=("worker",))
    for _ in range(2):  # an answer is lost, so it says it again
        worker.mutation("chat:completeMessage", sessionId=where, messageId=reply, content=text)
    house.work()
    return where


def test_a_reply_of_a_worker_and_what_it_answers_are_remembered_once(house: House, alice: Person) -> None:
    where = by_worker(house, alice, "it is red", memorySpace="home")
    found = alice.query("memories:list", space="home")
    assert sorted(each["content"] for each in found) == ["it is red", "what colour has the Forth Bridge"]
    refs = {tuple(each["conversationRef"]["messageIds"]) for each in found}
    assert refs == {(each["messageId"],) for each in messages(alice, where)}


def test_a_reply_of_a_worker_is_not_remembered_where_the_image_names_no_space(house: House, alice: Person) -> None:
    by_worker(house, alice, "it is red")
    assert house.rows("memories") == 0


def test_a_reply_that_failed_is_not_remembered(house: House, alice: Person) -> None:
    reply = said(house, alice, session(alice, memorySpace="home"), "/fail refusal")
    assert reply["status"] == "failed"
    assert alice.query("memories:count", space="home") == 0


def test_a_reply_does_not_fail_because_nothing_can_be_recalled(house: House, alice: Person) -> None:
    where = session(alice, memorySpace="home")

    def spoil(run: Any) -> str:
        image = run.db.get(Image, run.db.get(ChatSession, where).image_id)
        run.db.patch(image, settings={"memorySpace": "x" * 201})  # what no door lets in
        return "null"

    house.backend.executor.transact("acme", "test:spoil", spoil)
    reply = said(house, alice, where, "/say hello")
    assert (reply["status"], reply["content"].strip()) == ("completed", "hello")
    assert reply["parts"][1]["isError"] is True


@pytest.mark.parametrize("space", ["", " ", "a\nb", "x" * 201])
def test_a_space_that_cannot_be_one_is_refused_where_it_is_written(alice: Person, space: str) -> None:
    with pytest.raises(Refusal) as refused:
        session(alice, memorySpace=space)
    assert refused.value.tag == "ArgumentValidationError"
