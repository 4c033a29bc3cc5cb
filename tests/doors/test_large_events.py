"""A chat socket hears everything, however large, odd or much it is: nothing closes it, nothing makes it deaf."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.feeds import sizes as event_sizes
from chalicelib.live.messages import LARGEST_POST
from chalicelib.schema import Presence, Receipt
from tests.doors.test_controls import started, task_of
from tests.doors.test_events import Chat, Line, _rows, agent_token, chat
from tests.functions.conftest import Person, model

__all__ = ["chat", "model"]


def held(chat: Chat) -> tuple[Person, Person, str, str]:
    """Alice, a worker, a session that it holds, and a reply that it owes."""
    alice, worker = chat.person("alice"), chat.person("w", roles=("worker",))
    session = str(alice.mutation("chat:startSession", workerId="w"))
    return alice, worker, session, str(alice.mutation("chat:sendMessage", sessionId=session, content="hello"))


def completed(worker: Person, session: str, reply: str, content: str, **more: Any) -> None:
    worker.mutation("chat:completeMessage", sessionId=session, messageId=reply, content=content, **more)


def hearing(chat: Chat, alice: Person, session: str, words: str) -> Line:
    """Alice's socket, which hears a session in the words of its subscribers, or its image in AgentX's."""
    line = Line(chat, "alice@acme")
    if words == "session":
        line.ask("subscribe-session", {"sessionId": session})
    else:
        image = next(each["imageId"] for each in alice.query("images:list") if each["sessionId"] == session)
        line.ask("image_run_request", {"imageId": image})
    return line


def well(line: Line) -> bool:
    """Whether a socket was told of no trouble, and of nothing that API Gateway would not have taken."""
    return line.heard("error") == [] and not line.closed and all(len(each.encode()) <= LARGEST_POST for each in line.posted)


def text_of(line: Line, words: str) -> str:
    if words == "image":
        return "".join(each["text"] for each in line.heard("text_delta"))
    deltas = [each["data"] for each in line.heard("claude-response")]
    return "".join(each["delta"]["text"] for each in deltas if "delta" in each)


@pytest.mark.parametrize("words", ["session", "image"])
@pytest.mark.parametrize(
    "odd",
    [
        {"usage": {"input": 3}},
        {"usage": {"outputTokens": 3, "model": "x"}},
        {"parts": ["x", {"type": ["tool_call"]}]},
        {"parts": [{"type": "tool_call"}, {"type": "tool_result", "name": "x"}, {"type": "text"}]},
    ],
)
def test_a_workers_own_counts_and_parts_make_nobody_deaf(chat: Chat, odd: dict[str, Any], words: str) -> None:
    """`chat:completeMessage` takes any usage and any parts."""
    alice, worker, session, reply = held(chat)
    line = hearing(chat, alice, session, words)
    completed(worker, session, reply, "done", **odd)
    chat.tell()
    assert well(line)
    assert text_of(line, words) == "done"
    assert len(line.heard("streaming-ended")) + len(line.heard("conversation_end")) == 1


def test_a_reply_that_is_told_when_it_is_over_is_told_in_its_order(chat: Chat) -> None:
    alice, worker, session, reply = held(chat)
    line = hearing(chat, alice, session, "session")
    call = {"type": "tool_call", "id": "1", "name": "look", "server": "s", "input": {}}
    answer = {"type": "tool_result", "id": "1", "isError": False, "content": "x"}
    worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="bef", sequence=0)
    chat.tell()
    parts = [{"type": "text", "text": "before"}, call, answer, {"type": "text", "text": "after"}]
    completed(worker, session, reply, "beforeafter", parts=parts)
    chat.tell()
    told = [each["data"] for each in line.heard("claude-response")]
    assert [each["delta"]["text"] if "delta" in each else each["type"] for each in told] == [
        "bef",
        "ore",
        "tool_use",
        "tool_result",
        "after",
    ]


@pytest.mark.parametrize("words", ["session", "image"])
@pytest.mark.parametrize("text", ["x" * 300_000, "深" * 90_000, "\x01" * 60_000])
def test_a_long_reply_is_told_in_events_that_fit_and_whole(chat: Chat, words: str, text: str) -> None:
    alice, worker, session, reply = held(chat)
    line = hearing(chat, alice, session, words)
    completed(worker, session, reply, text)
    chat.tell()
    assert well(line)
    assert text_of(line, words) == text
    if words == "image":
        (whole,) = line.heard("assistant_message")
        assert (whole["cut"], whole["content"]) == (["content"], text[: event_sizes.KEPT])
    assert len(line.heard("streaming-ended")) + len(line.heard("conversation_end")) == 1


@pytest.mark.parametrize("words", ["session", "image"])
def test_many_long_replies_that_were_missed_are_all_told(chat: Chat, words: str) -> None:
    alice, worker, session, reply = held(chat)
    line = hearing(chat, alice, session, words)
    for number in range(5):
        completed(worker, session, reply, str(number) * 90_000)
        reply = alice.mutation("chat:sendMessage", sessionId=session, content="again")
    chat.tell()
    assert well(line)
    assert text_of(line, words) == "".join(str(number) * 90_000 for number in range(5))
    assert len(line.heard("streaming-ended")) + len(line.heard("conversation_end")) == 5


def test_long_messages_of_several_conversations_are_all_told_and_what_is_too_large_is_cut(chat: Chat) -> None:
    bots = [Line(chat, agent_token(chat, f"bot{number}")) for number in range(5)]
    rooms = [bot.heard("connection:ready")[0]["conversationId"] for bot in bots]
    alice = Line(chat, "alice@acme")
    for room in rooms:
        alice.ask("conversation:join", {"conversationId": room})
    for bot in bots:
        assert bot.ask("message:send", {"content": "深" * 29_000})["success"]
    chat.person("alice").mutation("rooms:send", conversationId=rooms[0], content="see", toolResults=["x" * 150_000])
    chat.tell()
    assert well(alice)
    told = alice.heard("message:new")
    assert [len(each["content"]) for each in told if each["role"] == "assistant"] == [29_000] * 5
    (large,) = [each for each in told if each["role"] == "user"]
    assert (large["content"], large["cut"]) == ("see", ["toolResults"])
    back = Line(chat, "alice@acme", name="back", history=50, conversationId=rooms[0])
    assert well(back)
    assert [each["content"][:3] for each in back.heard("conversation:history")[0]["messages"]] == ["深深深", "see"]


def test_twenty_full_tasks_can_be_subscribed(chat: Chat) -> None:
    alice, line = chat.person("alice"), Line(chat, "alice@acme")
    for _ in range(20):
        task = task_of(chat)
        for _ in range(30):
            alice.mutation("adapter:startConversation", taskId=task)
        for _ in range(20):
            run = alice.mutation("tasks:startRun", taskId=task, type="planification", begin=False)
            alice.mutation("tasks:stopRun", agentRunId=run["agentRunId"])
        assert line.ask("subscribe-task", {"taskId": task})["success"]
    chat.tell()
    started(chat, task, "/say done")
    chat.work()
    chat.tell()
    assert well(line)
    assert len(line.heard("conversation-added")) == len(line.heard("streaming-ended")) == 1


def test_a_task_with_thirty_replies_and_fifty_runs_can_be_subscribed(chat: Chat) -> None:
    alice, line, task = chat.person("alice"), Line(chat, "alice@acme"), task_of(chat)
    for _ in range(55):
        run = alice.mutation("tasks:startRun", taskId=task, type="planification", begin=False)
        alice.mutation("tasks:stopRun", agentRunId=run["agentRunId"])
    for _ in range(30):
        started(chat, task, "/say x")
    assert line.ask("subscribe-task", {"taskId": task})["success"]


def test_a_socket_in_many_crowded_rooms_hears_every_message_and_of_as_many_people_as_can_be_read(chat: Chat) -> None:
    """Seven rooms of forty-eight people with two sockets and a mark each: a thousand documents in which nothing is new."""
    alice, bot = chat.person("alice"), Line(chat, agent_token(chat, multiConversation=True))
    rooms = [alice.mutation("rooms:create", title=f"room {number}", agentId="bot")["_id"] for number in range(7)]
    line = Line(chat, "alice@acme")
    for room in rooms:
        line.ask("conversation:join", {"conversationId": room})
    rows = {row["conversationId"]: row["_id"] for row in _rows(chat, "conversations") if row["conversationId"] in rooms}
    for name in rooms:
        chat.backend.executor.transact("acme", f"crowd of {name}", lambda run, id_=rows[name]: filled(run, id_, 0, 24))
        chat.backend.executor.transact("acme", f"more of {name}", lambda run, id_=rows[name]: filled(run, id_, 24, 48))
    chat.tell()
    assert well(line)
    for name in rooms:
        bot.ask("conversation:join", {"conversationId": name})
        assert bot.ask("message:send", {"conversationId": name, "content": f"to {name}"})["success"]
    chat.tell()
    assert well(line)
    assert {each["content"] for each in line.heard("message:new")} == {f"to {name}" for name in rooms}
    told = {each["conversationId"] for each in line.heard("user:joined")}
    assert 0 < len(told) < len(rooms), "of some rooms' people there is no word"


def filled(run: Any, conversation: str, first: int, end: int) -> str:
    """People who came into a room, with two tabs and a mark each."""
    for number in range(first, end):
        who = {"conversation": conversation, "member": f"user:u{number}", "kind": "user", "name": f"u{number}"}
        for tab in range(2):
            run.db.insert(Presence(id=f"{conversation}:s{number}-{tab}", socket=f"s{number}-{tab}", **who))
        run.db.insert(Receipt(id=f"{conversation}:u{number}", sequence=1, told=1, **who))
    return "null"
