"""On both stores: whatever starts a reply and however it ends, its agent run ends as it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.data.store import Store
from chalicelib.functions import working
from infra.local.model.server import ScriptedModel
from tests.acceptance.conftest import pass_by, patient
from tests.functions.conftest import House, Person
from tests.functions.replies import mortal
from tests.functions.test_agent_runs import runs, task
from tests.functions.test_chat import messages
from tests.functions.test_domains import refused
from tests.support.writing import Died, at_chunk

Begin = Callable[[Person, str, str], str]
"""Begin a run of a task with a message, in one of the ways; the run's id."""


def by_a_start(alice: Person, of: str, message: str) -> str:
    """`tasks:startRun` does all of it."""
    return str(alice.mutation("tasks:startRun", taskId=of, type="planification", message=message)["agentRunId"])


def by_a_conversation(alice: Person, of: str, message: str) -> str:
    """The run is made, and a conversation is started for it."""
    run = alice.mutation("tasks:startRun", taskId=of, type="planification", begin=False)["agentRunId"]
    alice.mutation("adapter:startConversation", taskId=of, message=message, options={"agentRunId": run})
    return str(run)


def linked(alice: Person, of: str) -> tuple[str, dict[str, Any]]:
    """A run that waits, and a conversation that is its own."""
    run = alice.mutation("tasks:startRun", taskId=of, type="planification", begin=False)["agentRunId"]
    record = alice.mutation("images:create")["record"]
    alice.mutation("tasks:linkConversation", agentRunId=run, conversationId=record["conversationId"])
    return str(run), record


def by_a_chat(alice: Person, of: str, message: str) -> str:
    """The run is linked to a conversation, and somebody speaks there as in any chat."""
    run, record = linked(alice, of)
    alice.mutation("chat:sendMessage", sessionId=record["sessionId"], content=message)
    return run


def by_a_room(alice: Person, of: str, message: str) -> str:
    """The same, said over the chat door."""
    run, record = linked(alice, of)
    alice.mutation("rooms:send", conversationId=record["conversationId"], content=message)
    return run


WAYS = [by_a_start, by_a_conversation, by_a_chat, by_a_room]
ways = pytest.mark.parametrize("begin", WAYS, ids=lambda way: way.__name__)


def state_of(alice: Person, run: str) -> dict[str, Any]:
    found: dict[str, Any] = alice.query("tasks:getRun", agentRunId=run)
    return found


def is_free(alice: Person, of: str) -> bool:
    """Whether another run may begin."""
    return "running" not in alice.query("tasks:get", taskId=of)


@ways
def test_a_run_is_completed_by_its_reply_whoever_asked_for_it(house: House, begin: Begin) -> None:
    """001-01, 02, 10, 17, 21, 23, 24, 26, U10: the fault that made one adapter necessary, on each road."""
    alice = house.person("alice")
    bridge = task(alice)
    run = begin(alice, bridge, "/say the plan")
    assert state_of(alice, run)["status"] == "pending"
    assert alice.query("tasks:get", taskId=bridge)["running"] == run
    house.work()
    ended = state_of(alice, run)
    assert (ended["status"], ended["state"]) == ("completed", "completed")
    assert messages(alice, ended["sessionId"])[-1]["content"].strip() == "the plan"
    assert is_free(alice, bridge)
    (listed,) = alice.query("tasks:conversations", taskId=bridge)
    assert listed["conversationId"] == ended["conversationId"]
    alice.mutation("adapter:sendMessage", conversationId=ended["conversationId"], message="/fail invalid\nhello")
    house.work()
    assert state_of(alice, run) == ended, "U05: what is said later changes nothing"


@ways
@pytest.mark.parametrize(
    "message", ["/fail invalid\nx", "/fail refusal 5\nwrite 60 words", "/fail midstream 5 9\nwrite 60 words"]
)
def test_a_run_fails_with_its_reply_also_before_the_first_token(house: House, begin: Begin, message: str) -> None:
    """001-U05, U16."""
    alice = house.person("alice")
    bridge = task(alice)
    run = begin(alice, bridge, message)
    house.work()
    ended = state_of(alice, run)
    assert (ended["status"], ended["state"]) == ("failed", "failed")
    assert ended["reason"] == messages(alice, ended["sessionId"])[-1]["reason"]
    assert is_free(alice, bridge)


@ways
def test_a_run_that_takes_too_long_has_failed(model: ScriptedModel, store: Store, begin: Begin) -> None:
    """001-U04, U16: there is no time in which a run can hang."""
    house = patient(model, store, generation_timeout_s=1)
    alice = house.person("alice")
    bridge = task(alice)
    run = begin(alice, bridge, "/pace 20\nwrite 5000 characters")
    house.work()
    ended = state_of(alice, run)
    assert (ended["state"], ended["reason"]) == ("failed", "deadline")
    assert is_free(alice, bridge)


@ways
@pytest.mark.parametrize("begun", [False, True])
def test_a_stopped_run_is_aborted_before_and_while_it_is_written(house: House, begin: Begin, begun: bool) -> None:
    """001-U06, U16: a stop runs the lifecycle, and has a state of its own."""
    alice = house.person("alice")
    bridge = task(alice)
    run = begin(alice, bridge, "/say " + "word " * 700)
    stop = lambda: alice.mutation("adapter:abortSession", sessionId=state_of(alice, run)["sessionId"])  # noqa: E731
    if begun:
        stopped = list[bool]()

        def stopping() -> None:
            assert state_of(alice, run)["state"] == "running"
            stopped.append(stop())

        with at_chunk(house.backend, 2, stopping):
            house.work()
        assert stopped == [True]
    else:
        assert stop() is True
    pass_by(house)
    ended = state_of(alice, run)
    assert (ended["status"], ended["state"], ended["reason"]) == ("failed", "aborted", "stopped")
    assert bool(messages(alice, ended["sessionId"])[-1]["content"]) is begun
    assert stop() is False
    assert is_free(alice, bridge)
    assert len(runs(alice, bridge)) == 1


@ways
def test_a_death_of_the_writer_at_any_write_leaves_no_run_running(model: ScriptedModel, store: Store, begin: Begin) -> None:
    """001-U16: a restart orphans no run; what it was doing is in the store."""
    house = patient(model, store, chunk_flush_ms=60_000)
    alice, at, deaths = house.person("alice"), 0, 0
    while True:
        at += 1
        bridge = task(alice, title=f"Bridge {at}")
        run = begin(alice, bridge, "/say " + "word " * 300)
        mortals = mortal(house)
        mortals.die_at, mortals.after = at, True
        died = False
        try:
            house.work()
        except Died:
            died = True
            house.later.asked.clear()
        house.store.inner = mortals.inner
        for _ in range(3):
            pass_by(house, 61_000)
        ended = state_of(alice, run)
        assert ended["state"] in ("completed", "failed", "interrupted"), (at, ended)
        assert is_free(alice, bridge), at
        assert messages(alice, ended["sessionId"])[-1]["completed"]
        if not died:
            break
        deaths += 1
    assert ended["state"] == "completed"
    assert deaths > 3


def test_a_reply_that_is_being_written_is_the_runs_that_is_linked_to_it(house: House) -> None:
    """001-17, U10: `link-conversation` in the middle of a reply."""
    alice = house.person("alice")
    bridge = task(alice)
    record = alice.mutation("images:create")["record"]
    alice.mutation("chat:sendMessage", sessionId=record["sessionId"], content="/say " + "word " * 700)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="planification", begin=False)["agentRunId"]
    seen = list[str]()

    def linking() -> None:
        linked = alice.mutation("tasks:linkConversation", agentRunId=run, conversationId=record["conversationId"])
        seen.append(linked["state"])

    with at_chunk(house.backend, 2, linking):
        house.work()
    assert seen == ["running"]
    ended = state_of(alice, run)
    assert (ended["state"], ended["conversationId"]) == ("completed", record["conversationId"])
    assert ended["startedAt"] <= ended["endedAt"]


def test_a_run_that_is_given_no_reply_has_failed_in_a_minute(house: House) -> None:
    """001-U08, U16: `forceCompleteRunningAgents`, without being asked; and by hand, twice without harm (U05)."""
    alice = house.person("alice")
    bridge = task(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="review", begin=False)["agentRunId"]
    assert alice.query("tasks:get", taskId=bridge)["status"] == "in_progress"
    pass_by(house, working.STUCK_MS + 1)
    ended = state_of(alice, run)
    assert (ended["status"], ended["reason"]) == ("failed", "it never got a reply")
    assert len(runs(alice, bridge)) == 1
    second = alice.mutation("tasks:startRun", taskId=bridge, type="planification", begin=False)["agentRunId"]
    done = alice.mutation("tasks:completeRun", agentRunId=second)
    assert done["status"] == "completed"
    house.clock.ahead += 5_000
    assert alice.mutation("tasks:completeRun", agentRunId=second) == done


def test_a_run_has_one_reply_and_one_conversation(house: House) -> None:
    """001-U01, U05: two conversations cannot be started for one run, and no conversation is two tasks'."""
    alice = house.person("alice")
    bridge, tunnel = task(alice), task(alice, title="Tunnel")
    run = by_a_conversation(alice, bridge, "/say x")
    options = {"agentRunId": run}
    refused("AgentRunEnded", alice, "mutation", "adapter:startConversation", taskId=bridge, message="again", options=options)
    refused("AgentRunNotFound", alice, "mutation", "adapter:startConversation", taskId=tunnel, message="x", options=options)
    other = alice.mutation("tasks:startRun", taskId=tunnel, type="review", begin=False)["agentRunId"]
    taken = state_of(alice, run)["conversationId"]
    refused("AlreadyLinkedConflict", alice, "mutation", "tasks:linkConversation", agentRunId=other, conversationId=taken)
    free = alice.mutation("images:create")["record"]["conversationId"]
    refused("AlreadyLinkedConflict", alice, "mutation", "tasks:linkConversation", agentRunId=run, conversationId=free)
    bobs = house.person("bob").mutation("images:create")["record"]["conversationId"]
    refused("ConversationNotFound", alice, "mutation", "tasks:linkConversation", agentRunId=other, conversationId=bobs)
