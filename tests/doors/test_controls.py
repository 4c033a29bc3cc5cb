"""Controls on a chat socket, and what who has subscribed to a session or a task is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.doors.test_events import Chat, Line, chat
from tests.functions.conftest import model
from tests.support.writing import at_chunk

__all__ = ["chat", "model"]
NEWS = ("claude-", "streaming-", "conversation-", "session-created", "token-budget", "agent-run-")


def task_of(chat: Chat, who: str = "alice") -> str:
    return str(chat.person(who).mutation("tasks:create", title="Fix the login")["taskId"])


def started(chat: Chat, task: str, words: str, who: str = "alice") -> dict[str, Any]:
    """A conversation of a task whose reply waits to be written."""
    begun: dict[str, Any] = chat.person(who).mutation("adapter:startConversation", taskId=task, message=words)
    return begun


def news(line: Line) -> list[tuple[str, dict[str, Any]]]:
    """What a line was told of sessions and tasks, in order."""
    frames = [json.loads(text) for text in line.posted]
    return [(each["event"], each["data"]) for each in frames if each["event"].startswith(NEWS)]


def test_a_new_conversations_reply_is_told_from_its_start_to_its_end(chat: Chat) -> None:
    """Every event, in its order, each with the names of what it is about."""
    task = task_of(chat)
    begun = started(chat, task, "/say Hello there, you.")
    alice = Line(chat, "alice@acme")
    told = alice.ask("subscribe-session", {"sessionId": begun["sessionId"]})
    assert told["isStreaming"] is True
    assert alice.heard("session-subscribed")[0]["conversationId"] == begun["conversationId"]
    chat.work()
    chat.tell()
    names = [name for name, _ in news(alice)]
    assert names[:4] == ["streaming-started", "conversation-created", "session-created", "claude-status"]
    assert names[-4:] == ["claude-status", "token-budget", "claude-complete", "streaming-ended"]
    assert set(names[4:-4]) == {"claude-status", "claude-response"}
    for _, data in news(alice):
        assert (data["conversationId"], data["sessionId"], data["taskId"]) == (begun["conversationId"], begun["sessionId"], task)
    text = "".join(each["data"]["delta"]["text"] for each in alice.heard("claude-response"))
    assert text.strip() == "Hello there, you."
    statuses = alice.heard("claude-status")
    assert [each["text"] for each in statuses] == ["Thinking", "Writing", "Done"]
    assert [each["can_interrupt"] for each in statuses] == [True, True, False]
    (complete,), (budget,), (ended,) = (alice.heard(each) for each in ("claude-complete", "token-budget", "streaming-ended"))
    assert (complete["exitCode"], complete["isNewSession"]) == (0, True)
    assert 0 < budget["used"] < budget["total"]
    assert (ended["isError"], ended["status"]) == (False, "completed")


def test_a_resumed_conversation_is_no_new_session(chat: Chat) -> None:
    """`session-created` is told once in a conversation's life; a command resumes it, and its sender hears it."""
    begun = started(chat, task_of(chat), "/say one")
    chat.work()
    alice = Line(chat, "alice@acme")
    assert alice.ask("claude-command", {"command": "/say two", "conversationId": begun["conversationId"]})["success"]
    chat.work()
    chat.tell()
    assert [each["isNewSession"] for each in alice.heard("claude-complete")] == [False]
    assert alice.heard("session-created") == alice.heard("conversation-created") == []
    assert [each["data"]["delta"]["text"].strip() for each in alice.heard("claude-response")] == ["two"]


def test_a_new_conversation_over_the_socket_is_refused(chat: Chat) -> None:
    alice = Line(chat, "alice@acme")
    refused = alice.ask("claude-command", {"command": "hello"})
    assert (refused["success"], refused["code"]) == (False, "ConversationRequired")
    assert "must be created via REST" in refused["error"]
    assert alice.heard("claude-error")[0]["code"] == "ConversationRequired"


def test_a_reply_that_fails_is_told_as_an_error_and_has_ended(chat: Chat) -> None:
    """Also before the first token."""
    begun = started(chat, task_of(chat), "/fail invalid")
    alice = Line(chat, "alice@acme")
    alice.ask("subscribe-session", {"sessionId": begun["sessionId"]})
    chat.work()
    chat.tell()
    (error,), (ended,) = alice.heard("claude-error"), alice.heard("streaming-ended")
    assert error["reason"]
    assert (ended["isError"], ended["status"]) == (True, "failed")
    assert alice.heard("claude-complete") == []


def test_stopping_over_the_socket_ends_the_reply_and_closing_it_does_not(chat: Chat) -> None:
    """`session-aborted` says whether there was something to stop; a subscription that ends stops nothing."""
    begun = started(chat, task_of(chat), "/say never")
    session = {"sessionId": begun["sessionId"]}
    alice, tab = Line(chat, "alice@acme", name="a1"), Line(chat, "alice@acme", name="a2")
    alice.ask("subscribe-session", session)
    tab.ask("subscribe-session", session)
    tab.leave()
    assert alice.ask("check-session-status", session)["isProcessing"] is True
    (running,) = alice.ask("get-active-sessions", {})["sessions"]
    assert running["sessionId"] == begun["sessionId"]
    assert alice.heard("active-sessions")[0]["sessions"] == [running]
    assert alice.ask("abort-session", session)["success"] is True
    chat.tell()
    assert alice.heard("session-aborted") == [{**session, "success": True}]
    assert [(each["status"], each["isError"]) for each in alice.heard("streaming-ended")] == [("aborted", False)]
    assert alice.heard("claude-complete") == []
    alice.ask("abort-session", session)
    assert alice.heard("session-aborted")[-1]["success"] is False
    assert alice.heard("session-status")[-1]["isProcessing"] is True, "as it was when it was asked"
    assert alice.ask("check-session-status", session)["isProcessing"] is False


def test_who_subscribes_in_the_middle_of_a_reply_hears_it_from_its_beginning(chat: Chat) -> None:
    """What was written is told once, also to who was there from the start."""
    begun = started(chat, task_of(chat), "/say " + "word " * 700)
    early = Line(chat, "alice@acme", name="early")
    early.ask("subscribe-session", {"sessionId": begun["sessionId"]})
    late = list[Line]()

    def joins() -> None:
        chat.tell()
        late.append(Line(chat, "alice@acme", name="late"))
        late[0].ask("subscribe-session", {"conversationId": begun["conversationId"]})
        chat.tell()

    with at_chunk(chat.backend, 3, joins, stored=True):
        chat.work()
    chat.tell()
    for line in (early, late[0]):
        text = "".join(each["data"]["delta"]["text"] for each in line.heard("claude-response"))
        assert text.split() == ["word"] * 700
        assert len(line.heard("streaming-started")) == len(line.heard("streaming-ended")) == 1


def test_a_reply_that_began_and_ended_before_anybody_looked_is_told(chat: Chat) -> None:
    """A subscription begins with its commit, not with the first look after it."""
    task = task_of(chat)
    begun = started(chat, task, "/say quick")
    line, alice = Line(chat, "alice@acme"), chat.person("alice")
    alice.mutation("controls:subscribeSession", socket=line.name, sessionId=begun["sessionId"])
    alice.mutation("controls:subscribeTask", socket=line.name, taskId=task)
    chat.work()
    assert news(line) == [], "nobody has looked"
    chat.tell()
    assert [each["status"] for each in line.heard("streaming-ended")] == ["completed"], "once, though its task is followed too"


def subscriptions(line: Line, task: str, session: str, order: str) -> Callable[[], None]:
    """`t` and `s` in some order, each with a look after it; `u` ends that of the session."""

    def work() -> None:
        asked = {"t": ("subscribe-task", {"taskId": task}), "s": ("subscribe-session", {"sessionId": session})}
        for each in order:
            line.ask(*(asked.get(each) or ("unsubscribe-session", {"sessionId": session})))
            line.chat.tell()

    return work


@pytest.mark.parametrize("before", ["", "t", "s", "ts", "st", "tsu"])
@pytest.mark.parametrize("meanwhile", ["", "t", "s", "ts", "st", "u", "us"])
def test_a_reply_begins_and_ends_once_on_a_socket_that_follows_its_task_and_its_session(
    chat: Chat, before: str, meanwhile: str
) -> None:
    """Whenever it begins to follow the one or the other."""
    task = task_of(chat)
    begun = started(chat, task, "/say " + "word " * 700)
    line = Line(chat, "alice@acme")
    subscriptions(line, task, begun["sessionId"], before)()
    with at_chunk(chat.backend, 3, subscriptions(line, task, begun["sessionId"], meanwhile), stored=True):
        chat.work()
    chat.tell()
    told = [len(line.heard(each)) for each in ("streaming-started", "streaming-ended")]
    followed = "t" in before + meanwhile or (before + meanwhile).endswith("s")
    if followed and "u" not in meanwhile:
        assert told == [1, 1]
    assert max(told) <= 1
    chat.person("alice").mutation("adapter:sendMessage", conversationId=begun["conversationId"], message="/say again")
    chat.work()
    chat.tell()
    assert len(line.heard("streaming-ended")) <= 2
    assert len(line.heard("streaming-started")) == len({each["messageId"] for each in line.heard("streaming-started")})


def test_tools_are_told_as_they_are_used(chat: Chat) -> None:
    """`claude-response` with a tool's call and its result."""
    alice = Line(chat, "alice@acme")
    servers = {"search": {"url": "https://search.example.com/mcp"}}
    image = chat.person("alice").mutation("images:create", config={"mcpServers": servers})["record"]
    alice.ask("subscribe-session", {"sessionId": image["sessionId"]})
    chat.person("alice").mutation("images:send", imageId=image["imageId"], content="/tool find x\n/say found it")
    chat.work()
    chat.tell()
    kinds = [each["data"]["type"] for each in alice.heard("claude-response")]
    assert kinds[:2] == ["tool_use", "tool_result"]
    assert set(kinds[2:]) == {"content_block_delta"}
    assert "Using find" in [each["text"] for each in alice.heard("claude-status")]


def test_a_tasks_subscribers_hear_of_its_conversations_and_runs(chat: Chat) -> None:
    """`conversation-added` and `agent-run-updated`, and that replies begin and end, whoever began them."""
    task = task_of(chat)
    old = started(chat, task, "/say before")
    chat.work()
    alice = Line(chat, "alice@acme")
    now = alice.ask("subscribe-task", {"taskId": task})
    assert [each["conversationId"] for each in now["conversations"]] == [old["conversationId"]]
    assert now["agentRuns"] == []
    chat.tell()
    assert news(alice) == [], "what was there is in the answer"
    run = chat.person("alice").mutation("tasks:startRun", taskId=task, type="planification", message="/say a plan")
    chat.tell()
    chat.work()
    chat.tell()
    (added,) = alice.heard("conversation-added")
    assert (added["taskId"], added["conversation"]["conversationId"]) == (task, run["conversationId"])
    assert [each["agentRun"]["state"] for each in alice.heard("agent-run-updated")] == ["pending", "completed"]
    assert [each["conversationId"] for each in alice.heard("streaming-started")] == [run["conversationId"]]
    assert [(each["status"], each["isError"]) for each in alice.heard("streaming-ended")] == [("completed", False)]
    assert alice.heard("claude-response") == [], "a task's subscribers do not hear what is said"
    chat.person("alice").mutation("adapter:sendMessage", conversationId=old["conversationId"], message="/fail invalid")
    chat.work()
    chat.tell()
    assert [(each["conversationId"], each["isError"]) for each in alice.heard("streaming-ended")][1:] == [
        (old["conversationId"], True)
    ]


def test_an_older_conversation_that_comes_into_sight_is_not_new(chat: Chat) -> None:
    """The newest are watched; where one is deleted, an older one takes its place in the list."""
    from chalicelib.domain.feeds.task import CONVERSATIONS

    task = task_of(chat)
    begun = [started(chat, task, f"/say {number}") for number in range(CONVERSATIONS + 2)]
    chat.work()
    alice = Line(chat, "alice@acme")
    alice.ask("subscribe-task", {"taskId": task})
    chat.person("alice").mutation("conversations:delete", conversationId=begun[-1]["conversationId"])
    chat.work()
    chat.tell()
    assert len(chat.person("alice").query("tasks:conversations", taskId=task)) == CONVERSATIONS
    assert news(alice) == []
    started(chat, task, "/say new")
    chat.tell()
    assert len(alice.heard("conversation-added")) == 1


def test_who_unsubscribes_hears_no_more_and_others_go_on(chat: Chat) -> None:
    """Subscriptions are each socket's own, and go with it."""
    task = task_of(chat)
    begun = started(chat, task, "/say one")
    chat.work()
    one, two = Line(chat, "alice@acme", name="one"), Line(chat, "alice@acme", name="two")
    for line in (one, two):
        line.ask("subscribe-session", {"sessionId": begun["sessionId"]})
        line.ask("subscribe-session", {"sessionId": begun["sessionId"]})
        line.ask("subscribe-task", {"taskId": task})
    assert len(one.heard("session-subscribed")) == 2, "subscribing twice is once, and is answered"
    one.ask("unsubscribe-session", {"sessionId": begun["sessionId"]})
    one.ask("unsubscribe-task", {"taskId": task})
    assert one.heard("session-unsubscribed") == [{"sessionId": begun["sessionId"]}]
    assert one.heard("task-unsubscribed") == [{"taskId": task}]
    chat.person("alice").mutation("adapter:sendMessage", conversationId=begun["conversationId"], message="/say two")
    chat.work()
    chat.tell()
    assert news(one) == []
    assert len(two.heard("claude-complete")) == 1
    assert len(two.heard("streaming-ended")) == 1, "once, to who follows the session and its task"


def test_a_socket_subscribes_so_many_and_says_so(chat: Chat) -> None:
    alice = Line(chat, "alice@acme")
    for number in range(21):
        task = chat.person("alice").mutation("tasks:create", title=f"task {number}")["taskId"]
        last = alice.ask("subscribe-task", {"taskId": task})
    assert (last["success"], last["code"]) == (False, "TooManySubscriptions")


def test_a_task_or_session_that_is_gone_is_told_no_more(chat: Chat) -> None:
    task = task_of(chat)
    begun = started(chat, task, "/say one")
    chat.work()
    alice = Line(chat, "alice@acme")
    alice.ask("subscribe-session", {"sessionId": begun["sessionId"]})
    alice.ask("subscribe-task", {"taskId": task})
    chat.person("alice").mutation("tasks:delete", taskId=task)
    chat.person("alice").mutation("conversations:delete", conversationId=begun["conversationId"])
    chat.work()
    chat.tell()
    assert news(alice) == []
    assert alice.ask("subscribe-task", {"taskId": task})["code"] == "TaskNotFound"
