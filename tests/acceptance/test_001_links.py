"""What is told of a chat that becomes a task's when an agent run is linked to it (001-17, U03, U10, U11)."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import Chat
from tests.functions.frames import Line
from tests.support.writing import at_chunk


@pytest.mark.parametrize("writing", [False, True])
def test_a_tasks_subscriber_hears_of_a_linked_chat_from_its_link_on(chat: Chat, writing: bool) -> None:
    """001-U03, U10, U11: `conversation-added`, then the run's own reply; not the replies of the time before."""
    alice = chat.person("alice")
    record = alice.mutation("images:create")["record"]
    say = lambda words: alice.mutation("chat:sendMessage", sessionId=record["sessionId"], content=words)  # noqa: E731
    for number in range(3):
        say(f"/say {number}")
        chat.work()
    task = alice.mutation("tasks:create", title="Bridge")["taskId"]
    line = Line(chat, "alice@acme")
    line.ask("subscribe-task", {"taskId": task})
    run = alice.mutation("tasks:startRun", taskId=task, type="planification", begin=False)["agentRunId"]
    link = lambda: alice.mutation("tasks:linkConversation", agentRunId=run, conversationId=record["conversationId"])  # noqa: E731
    if writing:
        reply = say("/say " + "word " * 700)

        def linking() -> None:
            link()
            chat.tell()

        with at_chunk(chat.backend, 2, linking):
            chat.work()
    else:
        link()
        chat.tell()
        reply = say("/say the review")
        chat.tell()
        chat.work()
    chat.tell()
    (added,) = line.heard("conversation-added")
    assert added["conversation"]["conversationId"] == record["conversationId"]
    assert [each["messageId"] for each in line.heard("streaming-started")] == [reply]
    assert [each["messageId"] for each in line.heard("streaming-ended")] == [reply]
    assert [each["agentRun"]["state"] for each in line.heard("agent-run-updated")][-1] == "completed"
