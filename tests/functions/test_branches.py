"""Forks, edits and second tries of a conversation: the past is copied, and nothing of it changes."""

from __future__ import annotations

import pytest

from chalicelib.domain.images import forking
from chalicelib.domain.replies import lifecycle
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person, Refusal
from tests.functions.test_busy import by_id, talking, told
from tests.functions.test_chat import messages, send, start
from tests.functions.test_domains import refused
from tests.functions.test_options import IMAGE


def image_of(person: Person, session: str) -> str:
    return next(each["imageId"] for each in person.query("images:list") if each["sessionId"] == session)


def chatted(house: House, *answers: str) -> tuple[Person, str, str]:
    """Alice, and a conversation in which she asked for these."""
    alice = house.person("alice")
    session = start(alice)
    for each in answers:
        send(alice, session, f"/say {each}")
        house.work()
    return alice, session, image_of(alice, session)


def texts(person: Person, session: str) -> list[str]:
    return [each["content"].strip() for each in messages(person, session)]


def test_a_fork_has_the_past_up_to_a_message_and_then_a_life_of_its_own(house: House) -> None:
    alice, session, image = chatted(house, "one", "two")
    log = messages(alice, session)
    fork = alice.mutation("images:fork", imageId=image, messageId=log[1]["messageId"], name="Other way")["record"]
    assert (fork["parentImageId"], fork["name"]) == (image, "Other way")
    assert texts(alice, fork["sessionId"]) == ["/say one", "one"]
    assert {each["messageId"] for each in messages(alice, fork["sessionId"])}.isdisjoint(each["messageId"] for each in log)
    send(alice, fork["sessionId"], "/say three")
    house.work()
    assert texts(alice, fork["sessionId"]) == ["/say one", "one", "/say three", "three"]
    assert [each for each in told(house) if each.startswith("/say")] == ["/say one", "/say three"]
    assert messages(alice, session) == log
    alice.mutation("images:delete", imageId=image)
    house.work()
    assert len(texts(alice, fork["sessionId"])) == 4, "it does not hang on its parent"


def test_a_fork_without_a_message_leaves_out_what_is_being_written(house: House) -> None:
    alice, session, image = chatted(house, "one")
    send(alice, session, "/say two")
    fork = alice.mutation("images:fork", imageId=image)["record"]
    assert texts(alice, fork["sessionId"]) == ["/say one", "one", "/say two"]
    running = messages(alice, session)[-1]["messageId"]
    refused("ReplyRunning", alice, "mutation", "images:fork", imageId=image, messageId=running)


def test_no_fork_has_a_reply_that_is_still_being_written_in_its_past(house: House) -> None:
    """There it would never end: its run is the original's."""
    alice, session, image = chatted(house, "one")
    for each in ("two", "three"):
        send(alice, session, f"/say {each}")
    log = messages(alice, session)
    question, last = log[4]["messageId"], log[5]["messageId"]
    alice.mutation("chat:stop", sessionId=session, messageId=last)
    refused("ReplyRunning", alice, "mutation", "images:edit", imageId=image, messageId=question, content="/say other")
    refused("ReplyRunning", alice, "mutation", "images:fork", imageId=image, messageId=last)
    house.work()
    edited = alice.mutation("images:edit", imageId=image, messageId=question, content="/say other")
    house.work()
    assert all(each["completed"] for each in messages(alice, edited["sessionId"]))
    assert texts(alice, edited["sessionId"])[-1] == "other"


def test_a_conversation_in_which_a_hundred_messages_wait_can_be_forked(house: House) -> None:
    alice, session, image = chatted(house, "one")
    for number in range(lifecycle.QUEUED_RUNS + 1):
        send(alice, session, f"/say {number}")
    fork = alice.mutation("images:fork", imageId=image)["record"]
    assert texts(alice, fork["sessionId"]) == ["/say one", "one", "/say 0"]


def test_a_fork_whose_new_message_cannot_be_answered_is_whole_all_the_same(model: ScriptedModel) -> None:
    """Today's tokens are spent when the last of its past is copied."""
    house = House(model, token_budget_per_org=100)
    alice, worker = house.person("alice"), house.person("w", roles=("worker",))
    session = alice.mutation("chat:startSession", workerId="w")
    for number in range(30):
        reply = send(alice, session, f"m{number}")
        usage = {"outputTokens": 200} if number == 29 else None
        worker.mutation("chat:completeMessage", sessionId=session, messageId=reply, content=f"a{number}", usage=usage)
    asked = alice.query("chat:getMessages", sessionId=session, limit=200)[58]["messageId"]
    edited = alice.mutation("images:edit", imageId=image_of(alice, session), messageId=asked, content="other")["sessionId"]
    house.work()
    log = alice.query("chat:getMessages", sessionId=edited, limit=200)
    assert (len(log), log[-1]["content"]) == (59, "other")
    refused("BudgetExceeded", alice, "mutation", "chat:sendMessage", sessionId=edited, content="not in the middle of a copy")


def test_a_long_past_is_copied_by_jobs_and_nothing_can_be_said_meanwhile(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    worker = house.person("w", roles=("worker",))
    held = alice.mutation("chat:startSession", workerId="w")
    for number in range(60):
        reply = send(alice, held, f"m{number}")
        worker.mutation("chat:completeMessage", sessionId=held, messageId=reply, content=f"a{number}")
    image = image_of(alice, held)
    fork = alice.mutation("images:fork", imageId=image)["record"]
    assert len(alice.query("chat:getMessages", sessionId=fork["sessionId"], limit=200)) == forking.AT_ONCE
    refused("ForkInProgress", alice, "mutation", "chat:sendMessage", sessionId=fork["sessionId"], content="too early")
    said = {"role": "user", "content": "too early"}
    with pytest.raises(Refusal, match="FORK_IN_PROGRESS"):
        alice.mutation("conversations:addMessage", conversationId=fork["conversationId"], message=said)
    house.work()
    copied = alice.query("chat:getMessages", sessionId=fork["sessionId"], limit=200)
    original = alice.query("chat:getMessages", sessionId=held, limit=200)
    shown = ("role", "content", "sequence", "status", "timestamp")
    assert [[each[name] for name in shown] for each in copied] == [[each[name] for name in shown] for each in original]
    assert send(alice, fork["sessionId"], "now")
    assert session


def test_an_edited_message_is_asked_in_a_branch(house: House) -> None:
    alice, session, image = chatted(house, "one", "two")
    log = messages(alice, session)
    sent = alice.mutation("images:edit", imageId=image, messageId=log[2]["messageId"], content="/say better")
    house.work()
    assert texts(alice, sent["sessionId"]) == ["/say one", "one", "/say better", "better"]
    assert messages(alice, sent["sessionId"])[-1]["messageId"] == sent["messageId"]
    assert alice.query("images:get", imageId=sent["imageId"])["parentImageId"] == image
    assert messages(alice, session) == log
    refused("NotYourMessage", alice, "mutation", "images:edit", imageId=image, messageId=log[1]["messageId"], content="x")
    first = alice.mutation("images:edit", imageId=image, messageId=log[0]["messageId"], content="/say anew")
    house.work()
    assert texts(alice, first["sessionId"]) == ["/say anew", "anew"]


def test_a_regenerated_reply_takes_the_place_of_the_old_one(house: House) -> None:
    alice, session, image = chatted(house, "one", "two")
    log = messages(alice, session)
    refused("NotTheNewestReply", alice, "mutation", "images:regenerate", imageId=image, messageId=log[1]["messageId"])
    again = alice.mutation("images:regenerate", imageId=image, messageId=log[3]["messageId"], model="other-model")
    refused("ConversationBusy", alice, "mutation", "images:regenerate", imageId=image)
    house.work()
    found = by_id(alice, session)
    assert found[log[3]["messageId"]]["superseded"] is True
    assert (found[again["messageId"]]["content"].strip(), found[again["messageId"]]["model"]) == ("two", "other-model")
    assert told(house) == ["/say one", "one", "/say two"], "the model is not told of what it said before"


def test_a_reply_that_is_being_written_can_be_begun_again() -> None:
    with talking() as (house, alice, session, reply):
        image = image_of(alice, session)
        refused("ConversationBusy", alice, "mutation", "images:regenerate", imageId=image)
        again = alice.mutation("images:regenerate", imageId=image, onBusy="interrupt")["messageId"]
        alice.mutation("chat:stop", sessionId=session, messageId=again)
    house.work()
    found = by_id(alice, session)
    assert (found[reply]["status"], found[reply].get("superseded")) == ("aborted", True)
    assert found[again]["status"] == "aborted"


def test_a_rolled_back_second_try_brings_the_first_reply_back(house: House) -> None:
    alice, session, image = chatted(house, "one")
    first = messages(alice, session)[1]["messageId"]
    again = alice.mutation("images:regenerate", imageId=image)["messageId"]
    send(alice, session, "/say next", onBusy="rollback")
    house.work()
    found = by_id(alice, session)
    assert "superseded" not in found[first]
    assert found[again]["superseded"] is True
    assert told(house) == ["/say one", "one", "/say next"]


def test_a_fork_shows_the_model_the_images_of_its_past(house: House) -> None:
    """An image is kept with the run that answered it, also for a fork, and a fork of it."""
    alice = house.person("alice")
    session = start(alice)
    alice.mutation("chat:sendMessage", sessionId=session, content="/say a cat", options={"images": [IMAGE]})
    house.work()
    fork = alice.mutation("images:fork", imageId=image_of(alice, session))["record"]
    second = alice.mutation("images:fork", imageId=fork["imageId"])["record"]
    send(alice, second["sessionId"], "/say still a cat")
    house.work()
    first = house.model.requests[-1].body["messages"][0]["content"]
    assert [each["type"] for each in first] == ["image", "text"]


def test_an_edit_and_a_second_try_have_options_of_their_own(house: House) -> None:
    """Model, thinking and the provider's options, of the new reply alone; images belong to a message."""
    alice, session, image = chatted(house, "one")
    options = {"thinking": "off", "providerOptions": {"maxTokens": 99}}
    alice.mutation("images:regenerate", imageId=image, options=options)
    house.work()
    asked = house.model.requests[-1].body
    assert (asked["thinking"], asked["max_tokens"]) == ({"type": "disabled"}, 99)
    refused("INVALID_OPTIONS", alice, "mutation", "images:regenerate", imageId=image, options={"images": [IMAGE]})
    question = messages(alice, session)[0]["messageId"]
    sent = alice.mutation(
        "images:edit", imageId=image, messageId=question, content="/say seen", options={"images": [IMAGE], "model": "other"}
    )
    house.work()
    asked = house.model.requests[-1].body
    assert asked["model"] == "other"
    assert [each["type"] for each in asked["messages"][-1]["content"]] == ["image", "text"]
    send(alice, session, "/say next")
    house.work()
    assert house.model.requests[-1].body["max_tokens"] != 99
    assert messages(alice, sent["sessionId"])[0]["content"] == "/say seen"
