"""Images and the adapter on both stores, with many callers at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functions.conftest import House, Refusal
from tests.functions.test_branches import texts
from tests.functions.test_busy import POLICIES, told
from tests.functions.test_chat import start
from tests.functions.test_domains import domain, refused

CALLERS = 6


def test_conversations_that_are_created_at_once_have_images_of_their_own(house: House) -> None:
    """000-01, 25, U01: twenty of one domain."""
    alice = house.person("alice")
    support = domain(alice)
    with ThreadPoolExecutor(CALLERS) as pool:
        made = list(pool.map(lambda _: alice.mutation("domains:startConversation", domainId=support), range(20)))
    for name in ("conversationId", "imageId", "sessionId"):
        assert len({each[name] for each in made}) == 20
    page = alice.query("domains:conversations", domainId=support, pageSize=100)
    assert {each["imageId"] for each in page["data"]} == {each["imageId"] for each in made}
    assert page["meta"]["total"] == 20


def test_a_conversations_own_id_is_taken_once(house: House) -> None:
    """001-U02 (`conversationId`): of ten that want the same, one gets it, and nothing is left of the others."""
    alice = house.person("alice")
    bridge = alice.mutation("tasks:create", title="Bridge")["taskId"]
    wanted = {"taskId": bridge, "message": "/say x", "options": {"conversationId": "the-one"}}

    def begun(_: int) -> bool:
        try:
            return bool(alice.mutation("adapter:startConversation", **wanted))
        except Refusal as refusal:
            assert refusal.tag == "ConversationExists"
            return False

    with ThreadPoolExecutor(CALLERS) as pool:
        assert sum(pool.map(begun, range(10))) == 1
    assert len(alice.query("tasks:conversations", taskId=bridge)) == 1
    assert len(alice.query("adapter:getActiveSessions")) == 1


def test_messages_to_several_images_at_once_stay_apart(house: House) -> None:
    """000-17, 18, 26, 27, 28: each log is its image's own, and each reply is told its own past alone."""
    alice = house.person("alice")
    images = [alice.mutation("images:create")["record"]["imageId"] for _ in range(4)]
    sends = [(image, number) for number in range(5) for image in images]
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda one: alice.mutation("images:send", imageId=one[0], content=f"/say {one[0]} {one[1]}"), sends))
    house.work()
    for request in house.model.requests[-20:]:
        texts_of = [part["text"] for turn in request.body["messages"] for part in turn["content"]]
        assert len({text.removeprefix("/say ").split()[0] for text in texts_of}) == 1
    for image in images:
        log = alice.query("images:messages", imageId=image)
        assert len(log) == 10
        assert all(image in each["content"] for each in log)
        asked = {each["content"] for each in log if each["role"] == "user"}
        assert asked == {f"/say {image} {number}" for number in range(5)}
        assert [each["sequence"] for each in log] == list(range(1, 11))


@pytest.mark.parametrize("policy", POLICIES)
def test_under_each_policy_sends_at_once_leave_one_order_and_no_reply_open(house: House, policy: str) -> None:
    """000-17, 001-U16: every accepted message has one ended reply, none is refused but by `reject`."""
    alice = house.person("alice")
    session = start(alice)

    def sent(number: int) -> str | None:
        try:
            content = f"/say answer {number}"
            return str(alice.mutation("chat:sendMessage", sessionId=session, content=content, onBusy=policy))
        except Refusal as refusal:
            assert refusal.tag == "ConversationBusy"
            return None

    with ThreadPoolExecutor(CALLERS) as pool:
        replies = [each for each in pool.map(sent, range(24)) if each is not None]
    house.work()
    log: list[dict[str, Any]] = alice.query("chat:getMessages", sessionId=session, limit=200)
    assert [each["sequence"] for each in log] == list(range(1, 2 * len(replies) + 1))
    assert all(each["completed"] for each in log)
    for asked, answered in zip(log[::2], log[1::2], strict=True):
        assert answered["messageId"] in replies
        assert answered["content"].strip() in ("", asked["content"].removeprefix("/say "))
    completed = [each for each in log[1::2] if each["status"] == "completed"]
    assert len(replies) == (1 if policy == "reject" else 24)
    assert len(completed) == (24 if policy == "enqueue" else 1)
    assert log[-1]["status"] == "completed", "the last one is answered under every policy"
    assert alice.query("adapter:isSessionActive", sessionId=session) is False
    if policy == "rollback":
        assert told(house) == [log[-2]["content"]], "the model is told of what counts"


def test_forks_at_once_have_the_same_past_and_lives_of_their_own(house: House) -> None:
    """000-E02 (`parentImageId`), E04: and the original is not touched."""
    alice = house.person("alice")
    record = alice.mutation("images:create")["record"]
    for number in range(3):
        alice.mutation("images:send", imageId=record["imageId"], content=f"/say {number}")
        house.work()
    before = texts(alice, record["sessionId"])
    with ThreadPoolExecutor(CALLERS) as pool:
        made = list(pool.map(lambda _: alice.mutation("images:fork", imageId=record["imageId"])["record"], range(8)))
    assert len({each["imageId"] for each in made}) == 8
    house.work()
    for number, each in enumerate(made):
        assert each["parentImageId"] == record["imageId"]
        assert texts(alice, each["sessionId"]) == before
        alice.mutation("images:send", imageId=each["imageId"], content=f"/say fork {number}")
    house.work()
    for number, each in enumerate(made):
        assert texts(alice, each["sessionId"]) == [*before, f"/say fork {number}", f"fork {number}"]
    assert texts(alice, record["sessionId"]) == before
    refused("IMAGE_NOT_FOUND", house.person("bob"), "mutation", "images:fork", imageId=record["imageId"])


def test_a_cron_agent_that_is_due_is_started_once_however_many_look(house: House) -> None:
    """001-U12, on both stores."""
    alice = house.person("alice")
    made = alice.mutation("schedules:create", name="Hourly", prompt="/say tick", schedule="0 * * * *")
    house.clock.ahead += int(made["nextRunAt"] - house.clock.now_ms()) + 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: house.sweep(), range(4)))
    house.work()
    (run,) = alice.query("schedules:runs", scheduleId=made["scheduleId"])
    assert (run["triggeredBy"], run["status"]) == ("cron", "completed")
    assert alice.query("schedules:get", scheduleId=made["scheduleId"])["nextRunAt"] == made["nextRunAt"] + 3_600_000
