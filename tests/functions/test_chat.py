"""Chat through the functions: sessions, sends, replies, refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.domain.conversations.opening import clean_name
from tests.functions.conftest import House, Person, Refusal


def start(person: Person, **args: Any) -> str:
    return str(person.mutation("chat:startSession", **args))


def send(person: Person, session: str, content: str = "hello", **args: Any) -> str:
    return str(person.mutation("chat:sendMessage", sessionId=session, content=content, **args))


def messages(person: Person, session: str) -> list[dict[str, Any]]:
    return list(person.query("chat:getMessages", sessionId=session))


def test_a_send_is_a_message_and_a_placeholder_and_the_reply_fills_it(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    reply = send(alice, session, "hello there")
    user, placeholder = messages(alice, session)
    assert (user["role"], user["content"], user["completed"]) == ("user", "hello there", True)
    assert (placeholder["messageId"], placeholder["content"], placeholder["completed"]) == (reply, "", False)
    assert placeholder["sequence"] == user["sequence"] + 1
    assert placeholder["timestamp"] == user["timestamp"] + 1
    house.work()
    done = messages(alice, session)[-1]
    assert done["completed"]
    assert done["status"] == "completed"
    assert done["content"]
    assert done["usage"]["outputTokens"] > 0


def test_the_chunks_joined_are_the_message(house: House) -> None:
    """Two channels, one text."""
    alice = house.person("alice")
    session = start(alice)
    reply = send(alice, session, "/say " + " ".join(f"word{number}" for number in range(400)))
    house.work()
    text, after = "", -1
    while page := alice.query("chat:subscribeToChunks", sessionId=session, messageId=reply, after=after):
        assert [chunk["sequence"] for chunk in page] == list(range(after + 1, after + 1 + len(page)))
        text += "".join(chunk["chunk"] for chunk in page)
        after = page[-1]["sequence"]
    assert text == messages(alice, session)[-1]["content"]


def test_the_history_and_the_systems_instruction_reach_the_model(house: House) -> None:
    alice = house.person("alice")
    session = start(alice, model="claude-test")
    for text in ("first question", "second question"):
        send(alice, session, text)
        house.work()
    asked = house.model.requests[-1].body
    assert asked["model"] == "claude-test"
    assert [turn["role"] for turn in asked["messages"]] == ["user", "assistant", "user"]
    assert "assistant" in str(asked["system"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  hello \n  world ", "hello world"),
        ("x" * 50, "x" * 50),
        ("x" * 51, "x" * 50 + "..."),
        (" \n\t ", "New Chat"),
    ],
)
def test_a_session_is_named_by_its_first_message(text: str, name: str) -> None:
    assert clean_name(text) == name


def test_the_name_of_a_session_is_not_overwritten(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    send(alice, session, "the first")
    send(alice, session, "the second")
    assert alice.query("chat:getSession", sessionId=session)["name"] == "the first"


def test_the_same_client_key_is_the_same_send(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    first = send(alice, session, "once", clientKey="k1")
    assert send(alice, session, "once", clientKey="k1") == first
    assert len(messages(alice, session)) == 2
    with pytest.raises(Refusal) as refused:
        send(alice, session, "something else", clientKey="k1")
    assert refused.value.tag == "ClientKeyReused"


@pytest.mark.parametrize(
    ("content", "tag"),
    [("", "MESSAGE_CONTENT_REQUIRED"), (" \n\t ", "MESSAGE_CONTENT_REQUIRED"), ("x" * 10_001, "MESSAGE_TOO_LONG")],
    ids=["empty", "blank", "long"],
)
def test_a_message_has_1_to_10000_characters_whichever_function_takes_it(house: House, content: str, tag: str) -> None:
    alice = house.person("alice")
    session, task = start(alice), alice.mutation("tasks:create", title="t")["taskId"]
    image = alice.query("chat:getSession", sessionId=session)["imageId"]
    send(alice, session, "/say hi")
    house.work()
    asked = next(each for each in messages(alice, session) if each["role"] == "user")["messageId"]
    begun = alice.mutation("adapter:startConversation", taskId=task)
    schedule = alice.mutation("schedules:create", name="s", prompt="p", schedule="0 9 * * *")["scheduleId"]
    doors: list[tuple[str, dict[str, Any]]] = [
        ("chat:sendMessage", {"sessionId": session, "content": content}),
        ("images:send", {"imageId": image, "content": content}),
        ("images:edit", {"imageId": image, "messageId": asked, "content": content}),
        ("adapter:startConversation", {"taskId": task, "message": content}),
        ("adapter:startAgentConversation", {"agentId": schedule, "message": content}),
        ("adapter:sendMessage", {"conversationId": begun["conversationId"], "message": content}),
        ("tasks:startRun", {"taskId": task, "type": "review", "message": content}),
        ("schedules:create", {"name": "s", "prompt": content, "schedule": "0 9 * * *"}),
        ("schedules:update", {"scheduleId": schedule, "prompt": content}),
    ]
    for path, args in doors:
        with pytest.raises(Refusal) as refused:
            alice.mutation(path, **args)
        assert refused.value.tag == tag, path


def test_who_is_not_signed_in_is_told_so(house: House) -> None:
    nobody = house.anybody()
    with pytest.raises(Refusal, match="Unauthorized: Must be logged in to start a session"):
        start(nobody)
    with pytest.raises(Refusal, match="Unauthorized: Must be logged in to send a message"):
        send(nobody, "sess_x")
    assert nobody.query("chat:getSession", sessionId="sess_x") is None
    assert messages(nobody, "sess_x") == []


@pytest.mark.parametrize("stranger", [("bob", "acme"), ("alice", "other"), ("mallory", "acme", ("worker",))])
def test_a_stranger_gets_the_same_answer_as_for_a_random_id(house: House, stranger: tuple[Any, ...]) -> None:
    """Tenancy (invariant 9)."""
    alice, other = house.person("alice"), house.person(*stranger)
    session = start(alice)
    reply = send(alice, session)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("chat:sendMessage", {"content": "x"}),
        ("chat:stop", {}),
        ("chat:endSession", {}),
        ("chat:resumeSession", {}),
        ("chat:writeChunk", {"messageId": reply, "chunk": "x", "sequence": 0}),
        ("chat:completeMessage", {"messageId": reply, "content": "x"}),
        ("chat:sessionReady", {}),
    ]
    for path, args in calls:
        answers = []
        for target in (session, "sess_random"):
            with pytest.raises(Refusal) as refused:
                other.mutation(path, sessionId=target, **args)
            answers.append((refused.value.tag, refused.value.data))
        assert answers[0] == answers[1] == ("SessionNotFound", {"code": "SessionNotFound", "message": "Session not found"})
    assert other.query("chat:getSession", sessionId=session) is None
    assert other.query("chat:getMessages", sessionId=session) == []
    assert other.query("chat:subscribeToChunks", sessionId=session, messageId=reply) == []
    assert other.query("chat:listSessions") == []


def test_an_ended_session_is_never_resumed_and_its_messages_stay(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    send(alice, session)
    house.work()
    alice.mutation("chat:endSession", sessionId=session)
    alice.mutation("chat:endSession", sessionId=session)
    for path, args in (("chat:resumeSession", {}), ("chat:sendMessage", {"content": "x"})):
        with pytest.raises(Refusal) as refused:
            alice.mutation(path, sessionId=session, **args)
        assert refused.value.tag == "SessionTerminated"
    assert len(messages(alice, session)) == 2
    assert alice.query("chat:getSession", sessionId=session)["status"] == "terminated"


def test_a_quiet_session_is_idle_after_five_minutes_and_wakes_by_a_send(house: House) -> None:
    """The exact boundary."""
    alice = house.person("alice")
    session = start(alice)
    house.clock.ahead += 5 * 60 * 1000 - 1500
    house.sweep()
    assert alice.query("chat:getSession", sessionId=session)["status"] == "active"
    house.clock.ahead += 3000
    house.sweep()
    assert alice.query("chat:getSession", sessionId=session)["status"] == "idle"
    send(alice, session)
    assert alice.query("chat:getSession", sessionId=session)["status"] == "active"


def test_sessions_are_listed_by_their_newest_activity(house: House) -> None:
    alice = house.person("alice")
    first, second = start(alice), start(alice, workerId="w1")
    house.clock.ahead += 1000
    send(alice, first)
    assert [each["sessionId"] for each in alice.query("chat:listSessions")] == [first, second]
    assert [each["sessionId"] for each in alice.query("chat:listSessions", workerId="w1")] == [second]
    page = alice.query("chat:listSessionsPage", paginationOpts={"numItems": 1, "cursor": None, "id": 1})
    assert [each["sessionId"] for each in page["page"]] == [second]
    assert not page["isDone"]


def test_a_hundred_sends_at_once_are_answered_in_order_one_at_a_time(house: House) -> None:
    """Invariant 8; check 19."""
    alice = house.person("alice")
    session = start(alice)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: send(alice, session, f"/say answer {number}"), range(100)))
    assert len(set(replies)) == 100
    log = alice.query("chat:getMessages", sessionId=session, limit=200)
    assert [each["sequence"] for each in log] == list(range(1, 201))
    house.work()
    log = alice.query("chat:getMessages", sessionId=session, limit=200)
    assert all(each["completed"] and each["status"] == "completed" for each in log)
    for asked, answered in zip(log[::2], log[1::2], strict=True):
        assert asked["content"].removeprefix("/say ") == answered["content"].strip()


def test_a_send_takes_at_most_twelve_actions(house: House) -> None:
    """Check 33."""
    alice = house.person("alice")
    session = start(alice)
    house.store.reset()
    send(alice, session, clientKey="k")
    actions = sum(count for (verb, _), count in house.store.items.items() if verb == "transact")
    assert actions <= 12, dict(house.store.items)


def test_a_spent_budget_refuses_the_send_before_any_model_is_asked(model: Any) -> None:
    """Check 34."""
    house = House(model, token_budget_per_org=1)
    alice = house.person("alice")
    session = start(alice)
    send(alice, session)
    house.work()
    asked = len(model.requests)
    with pytest.raises(Refusal) as refused:
        send(alice, session)
    assert refused.value.tag == "BudgetExceeded"
    assert house.work() == 0
    assert len(model.requests) == asked


def test_a_history_is_read_page_by_page_newest_first_and_a_stranger_gets_an_empty_page(house: House) -> None:
    """As `usePaginatedQuery` asks: pages of one log, none twice, none missing."""
    alice = house.person("alice")
    session = start(alice)
    for number in range(3):
        send(alice, session, f"message {number}")
        house.work()
    cursor, seen = None, []
    while True:
        page = alice.query("chat:listMessages", sessionId=session, paginationOpts={"numItems": 4, "cursor": cursor})
        seen += [each["sequence"] for each in page["page"]]
        if page["isDone"]:
            break
        cursor = page["continueCursor"]
    assert seen == [6, 5, 4, 3, 2, 1]
    stranger = house.person("mallory", org="other")
    options = {"numItems": 4, "cursor": None}
    nothing = stranger.query("chat:listMessages", sessionId=session, paginationOpts=options)
    assert nothing == stranger.query("chat:listMessages", sessionId="sess_none", paginationOpts=options)
    assert nothing["page"] == []


def test_what_is_said_in_the_session_that_stands_first_is_noted_by_the_minute_and_the_list_is_right_all_the_same(
    house: House,
) -> None:
    alice = house.person("alice")

    def listed() -> list[str]:
        return [each["sessionId"] for each in alice.query("chat:listSessions")]

    def later() -> None:
        house.clock.ahead += 1000

    first, second = start(alice), start(alice)
    later()
    send(alice, first)
    noted = alice.query("chat:getSession", sessionId=first)["lastActivity"]
    later()
    send(alice, first)
    assert alice.query("chat:getSession", sessionId=first)["lastActivity"] == noted
    later()
    send(alice, second)
    assert listed() == [second, first]
    later()
    send(alice, first)
    assert listed() == [first, second]
    later()
    third = start(alice)
    assert listed() == [third, first, second]
    later()
    send(alice, first)
    assert listed() == [first, third, second], "a new session was first meanwhile"
    later()
    alice.mutation("chat:resumeSession", sessionId=second)
    later()
    send(alice, first)
    assert listed() == [first, second, third], "and one that was taken up again"
    house.clock.ahead += 61_000
    send(alice, first)
    assert alice.query("chat:getSession", sessionId=first)["lastActivity"] > noted + 60_000


def test_a_session_is_not_idle_before_five_minutes_after_what_was_said_last(house: House) -> None:
    """Although that was noted up to a minute earlier."""
    alice = house.person("alice")
    session = start(alice)
    send(alice, session)
    house.clock.ahead += 50_000
    send(alice, session)
    house.clock.ahead += 5 * 60_000 - 1500
    house.sweep()
    assert alice.query("chat:getSession", sessionId=session)["status"] == "active"
    house.clock.ahead += 3000
    house.sweep()
    assert alice.query("chat:getSession", sessionId=session)["status"] == "idle"
