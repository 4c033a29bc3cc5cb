"""Tasks, agent runs and the one adapter behind all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.domain.agent_runs import ending
from chalicelib.functions import working
from chalicelib.schema import WORKFLOW_COMPLETE
from infra.local.model.server import Pace, ScriptedModel
from tests.functions.conftest import House, Person, Refusal, pass_by, patient
from tests.functions.test_busy import told
from tests.functions.test_chat import messages
from tests.functions.test_domains import refused
from tests.functions.test_runs import chunks
from tests.support.writing import Died, at_chunk, dies, in_the_middle


def task(person: Person, title: str = "Bridge", **more: Any) -> str:
    return str(person.mutation("tasks:create", title=title, **more)["taskId"])


def runs(person: Person, of: str) -> list[dict[str, Any]]:
    """Oldest first."""
    found: list[dict[str, Any]] = person.query("tasks:runs", taskId=of)
    return found[::-1]


@pytest.fixture
def house(model: ScriptedModel) -> House:
    return patient(model)


# Both ways in are one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["tasks:startRun", "adapter:startConversation", "schedules:runNow"])
def test_every_way_of_starting_an_agent_brings_its_run_to_its_end(house: House, way: str) -> None:
    """A run must end whichever door its conversation goes on at."""
    alice = house.person("alice")
    bridge = task(alice)
    if way == "tasks:startRun":
        run = alice.mutation(way, taskId=bridge, type="planification")
    elif way == "schedules:runNow":
        agent = alice.mutation("schedules:create", name="Daily", prompt="/say morning", schedule="0 9 * * *")["scheduleId"]
        run = alice.mutation(way, scheduleId=agent)
    else:  # the run exists first, and the conversation is started for it
        other = alice.mutation("tasks:startRun", taskId=bridge, type="planification", message="/say plan")
        house.work()
        assert alice.query("tasks:getRun", agentRunId=other["agentRunId"])["status"] == "completed"
        begun = alice.mutation(way, taskId=bridge, message="/say hello", options={"permissionMode": "plan"})
        house.work()
        assert messages(alice, begun["sessionId"])[-1]["status"] == "completed"
        resumed = alice.mutation("adapter:sendMessage", conversationId=begun["conversationId"], message="/say again")
        assert (begun["isNewSession"], resumed["isNewSession"]) == (True, False)
        assert resumed["sessionId"] == begun["sessionId"]
        house.work()
        assert [each["content"].strip() for each in messages(alice, begun["sessionId"])][-1] == "again"
        return
    assert (run["status"], run["triggeredBy"]) == ("pending", "manual")
    house.work()
    ended = alice.query("tasks:getRun", agentRunId=run["agentRunId"])
    assert (ended["status"], ended["state"]) == ("completed", "completed")
    assert ended["startedAt"] <= ended["endedAt"]
    assert messages(alice, ended["sessionId"])[-1]["status"] == "completed"


@pytest.mark.parametrize("moment", ["before the first token", "in the middle"])
def test_a_failure_of_the_model_fails_the_run(house: House, moment: str) -> None:
    alice = house.person("alice")
    message = "/fail invalid" if moment == "before the first token" else "/fail midstream 5 9\nwrite 60 words"
    run = alice.mutation("tasks:startRun", taskId=task(alice), type="implementation", message=message)
    house.work()
    ended = alice.query("tasks:getRun", agentRunId=run["agentRunId"])
    assert (ended["status"], ended["state"]) == ("failed", "failed")
    assert ended["reason"]
    pass_by(house)
    assert len(runs(alice, ended["taskId"])) == 1, "what failed is not followed"


def test_a_dead_writer_leaves_no_run_running(house: House) -> None:
    """All of it is in the store, so a restart orphans nothing."""
    alice = house.person("alice")
    bridge = task(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="implementation", message="/say " + "word " * 900)
    with at_chunk(house.backend, 2, dies), pytest.raises(Died):
        house.work()
    house.later.asked.clear()
    assert alice.query("tasks:getRun", agentRunId=run["agentRunId"])["status"] == "running"
    for _ in range(3):
        pass_by(house, 61_000)
    ended = alice.query("tasks:getRun", agentRunId=run["agentRunId"])
    assert (ended["status"], ended["state"]) == ("failed", "interrupted")
    assert alice.mutation("tasks:startRun", taskId=bridge, type="review"), "the task is free again"


def test_a_stopped_run_is_aborted_and_keeps_its_text() -> None:
    """There is such a state, and a stop runs the lifecycle."""
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=40, first_token_s=0)) as slow:
        house = patient(slow)
        alice = house.person("alice")
        bridge = task(alice)
        run = alice.mutation("tasks:startRun", taskId=bridge, type="implementation", message="write 2000 words")
        reply = messages(alice, run["sessionId"])[-1]["messageId"]
        with in_the_middle(house.work, lambda: chunks(alice, run["sessionId"], reply)):
            (active,) = alice.query("adapter:getActiveSessions")
            assert (active["sessionId"], active["state"]) == (run["sessionId"], "running")
            assert alice.query("adapter:getActiveStreamingByConversation", conversationId=run["conversationId"]) == active
            assert alice.query("adapter:isSessionActive", sessionId=run["sessionId"]) is True
            assert alice.mutation("tasks:stopRun", agentRunId=run["agentRunId"]) is True
        house.work()
        ended = alice.query("tasks:getRun", agentRunId=run["agentRunId"])
        assert (ended["status"], ended["state"], ended["reason"]) == ("failed", "aborted", "stopped")
        assert messages(alice, run["sessionId"])[-1]["content"]
        assert alice.mutation("tasks:stopRun", agentRunId=run["agentRunId"]) is False
        assert alice.query("adapter:getActiveSessions") == []
        assert alice.query("adapter:isSessionActive", sessionId=run["sessionId"]) is False
        assert alice.mutation("adapter:abortSession", sessionId=run["sessionId"]) is False
        pass_by(house)
        assert len(runs(alice, bridge)) == 1, "nothing follows what was stopped"


# One at a time ------------------------------------------------------------------------------------------------------------


def test_a_second_run_of_a_task_is_refused_while_one_runs(house: House) -> None:
    alice = house.person("alice")
    bridge = task(alice)
    alice.mutation("tasks:startRun", taskId=bridge, type="planification")
    refused("TaskBusy", alice, "mutation", "tasks:startRun", taskId=bridge, type="review")
    house.work()
    assert alice.mutation("tasks:startRun", taskId=bridge, type="review")


def test_of_a_hundred_starts_at_once_one_takes_place(house: House) -> None:
    alice = house.person("alice")
    bridge = task(alice)

    def started(number: int) -> bool:
        try:
            alice.mutation("tasks:startRun", taskId=bridge, type="planification")
        except Refusal as refusal:
            assert refusal.tag == "TaskBusy"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(started, range(100))) == 1
    assert (house.rows("agentRuns"), house.rows("runs")) == (1, 1)


# Chains -------------------------------------------------------------------------------------------------------------------


def test_implementation_and_review_take_turns_until_the_review_is_content(house: House) -> None:
    """A second later each, with what the one before it said, and no longer than the task wants it."""
    alice = house.person("alice")
    bridge = task(alice, description="/say it is built")
    alice.mutation("tasks:startRun", taskId=bridge, type="implementation")
    house.work()
    assert len(runs(alice, bridge)) == 1, "not at once"
    pass_by(house, 1_000)
    kinds = [(each["agentType"], each["triggeredBy"], each["status"]) for each in runs(alice, bridge)]
    assert kinds[:2] == [("implementation", "manual", "completed"), ("review", "chain", "completed")]
    assert any("it is built" in text and "What was done" in text for text in told(house))
    alice.mutation("tasks:update", taskId=bridge, workflowComplete=True)
    for _ in range(3):
        pass_by(house)
    assert len(runs(alice, bridge)) == 2, "the task is complete"


def test_a_review_that_ends_with_the_word_completes_the_workflow(house: House) -> None:
    alice = house.person("alice")
    bridge = task(alice)
    alice.mutation("tasks:startRun", taskId=bridge, type="review", message=f"/say All is well. {WORKFLOW_COMPLETE}")
    house.work()
    assert alice.query("tasks:get", taskId=bridge)["workflowComplete"] is True
    pass_by(house)
    assert len(runs(alice, bridge)) == 1


def test_a_plan_is_followed_by_nothing(house: House) -> None:
    alice = house.person("alice")
    bridge = task(alice)
    alice.mutation("tasks:startRun", taskId=bridge, type="planification")
    house.work()
    pass_by(house)
    assert len(runs(alice, bridge)) == 1


def test_a_chain_ends_when_a_person_has_started_something_else(house: House) -> None:
    """Asked again in the commit that would start it."""
    alice = house.person("alice")
    bridge = task(alice, description="/say x")
    alice.mutation("tasks:startRun", taskId=bridge, type="implementation")
    house.work()
    alice.mutation("tasks:startRun", taskId=bridge, type="planification")
    pass_by(house)
    assert [each["agentType"] for each in runs(alice, bridge)][:2] == ["implementation", "planification"]
    assert "review" not in [each["agentType"] for each in runs(alice, bridge)]


def test_agents_do_not_take_turns_for_ever(house: House) -> None:
    alice = house.person("alice")
    bridge = task(alice, description="/say go on")
    alice.mutation("tasks:startRun", taskId=bridge, type="implementation")
    for _ in range(ending.MOST_ROUNDS + 5):
        pass_by(house)
    assert len(runs(alice, bridge)) == ending.MOST_ROUNDS + 1
    assert alice.mutation("tasks:startRun", taskId=bridge, type="implementation"), "a person may go on"


def test_a_chain_that_cannot_start_is_recorded_as_a_failed_run(model: ScriptedModel) -> None:
    house = patient(model, token_budget_per_org=1)
    alice = house.person("alice")
    bridge = task(alice)
    alice.mutation("tasks:startRun", taskId=bridge, type="implementation", message="/say x")
    house.work()
    pass_by(house)
    first, second = runs(alice, bridge)
    assert (first["status"], second["status"], second["reason"]) == ("completed", "failed", "BudgetExceeded")
    assert "conversationId" not in second


def test_a_run_that_never_got_a_reply_is_recovered(house: House) -> None:
    """What a forced completion would do, without being asked."""
    alice = house.person("alice")
    bridge = task(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="planification")
    document = alice.query("tasks:getRun", agentRunId=run["agentRunId"])

    def forget(db: Any) -> str:
        from chalicelib.schema import AgentRun

        db.db.patch(db.db.get(AgentRun, document["agentRunId"]), run=None)
        return "null"

    house.later.asked.clear()
    house.backend.executor.transact("acme", "test:forget", forget)
    for _ in range(2):
        house.clock.ahead += working.STUCK_MS
        house.sweep()
    ended = alice.query("tasks:getRun", agentRunId=run["agentRunId"])
    assert (ended["status"], ended["reason"]) == ("failed", "it never got a reply")
    assert "running" not in alice.query("tasks:get", taskId=bridge)


# Tasks, errors, options -----------------------------------------------------------------------------------------------------


def test_a_task_is_in_progress_from_its_first_conversation_or_run(house: House) -> None:
    alice = house.person("alice")
    for begin in ("conversation", "run"):
        bridge = task(alice)
        assert alice.query("tasks:get", taskId=bridge)["status"] == "pending"
        if begin == "run":
            alice.mutation("tasks:startRun", taskId=bridge, type="planification")
        else:
            alice.mutation("adapter:startConversation", taskId=bridge, message="hello")
        assert alice.query("tasks:get", taskId=bridge)["status"] == "in_progress"
        assert len(alice.query("tasks:conversations", taskId=bridge)) == 1
    assert len(alice.query("tasks:list", status="in_progress")) == 2


def test_errors_are_the_documents_sentences(house: House) -> None:
    alice = house.person("alice")
    bridge = task(alice)
    plain = alice.mutation("images:create")["record"]["conversationId"]
    for path, args, sentence in (
        ("adapter:startConversation", {"taskId": "task-9", "message": "x"}, "Task task-9 not found"),
        ("adapter:startAgentConversation", {"agentId": "9", "message": "x"}, "Agent 9 not found"),
        ("adapter:sendMessage", {"conversationId": "9", "message": "x"}, "Conversation 9 not found"),
        ("adapter:sendMessage", {"conversationId": plain, "message": "x"}, f"Conversation {plain} has no task_id or agent_id"),
        ("tasks:startRun", {"taskId": bridge, "type": "dancing"}, "Unknown agent type: dancing"),
        (
            "adapter:startConversation",
            {"taskId": bridge, "message": "x", "options": {"agentType": "dancing"}},
            "Unknown agent type: dancing",
        ),
        (
            "adapter:startConversation",
            {"taskId": bridge, "message": "x", "options": {"broadcastFn": 1}},
            "subscriptions replace it",
        ),
        ("adapter:startConversation", {"taskId": bridge, "message": "x", "options": {"userId": "bob"}}, "only the service"),
        (
            "adapter:startConversation",
            {"taskId": bridge, "message": "x", "options": {"agentRunId": "9"}},
            "Agent run 9 not found",
        ),
    ):
        with pytest.raises(Refusal, match=sentence):
            alice.mutation(path, **args)
    assert alice.query("tasks:conversations", taskId=bridge) == [], "a refused start leaves nothing"


def test_an_instruction_of_ones_own_is_the_images_or_this_replys_alone(house: House) -> None:
    """The caller's context."""
    alice = house.person("alice")
    options = {"customSystemPrompt": "You are in a lighthouse.", "permissionMode": "plan"}
    begun = alice.mutation("adapter:startConversation", taskId=task(alice), message="/say a", options=options)
    assert "warnings" not in begun

    def instruction() -> str:
        return str(house.model.requests[-1].body["system"][0]["text"])

    house.work()
    assert instruction() == "You are in a lighthouse."
    more = {"customSystemPrompt": "Now you are at sea."}
    once = alice.mutation("adapter:sendMessage", conversationId=begun["conversationId"], message="/say b", options=more)
    assert once["warnings"] == ["permissionMode is missing; bypassPermissions is used"]
    house.work()
    assert instruction() == "Now you are at sea."
    alice.mutation("adapter:sendMessage", conversationId=begun["conversationId"], message="/say c")
    house.work()
    assert instruction() == "You are in a lighthouse."


def test_a_run_is_linked_once_and_completed_once(house: House) -> None:
    alice = house.person("alice")
    bridge = task(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="planification")["agentRunId"]
    refused("ReplyRunning", alice, "mutation", "tasks:completeRun", agentRunId=run)
    refused("RunRunning", alice, "mutation", "tasks:deleteRun", agentRunId=run)
    house.work()
    ended = alice.query("tasks:getRun", agentRunId=run)
    house.clock.ahead += 5_000
    assert alice.mutation("tasks:completeRun", agentRunId=run) == ended
    other = alice.mutation("images:create")["record"]["conversationId"]
    refused("AlreadyLinkedConflict", alice, "mutation", "tasks:linkConversation", agentRunId=run, conversationId=other)
    alice.mutation("tasks:deleteRun", agentRunId=run)
    assert runs(alice, bridge) == []
