"""Who is told of what, and that it is sent: the rules as a table, the badge, what becomes of a message."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.data.tables import all_specs
from chalicelib.domain import notifications, push
from chalicelib.domain.notifications import BEGUN, COMPLETE, FAILED, INTERRUPTED, READY, decide, waits
from chalicelib.schema import WORKFLOW_COMPLETE
from infra.local.model.server import Pace, ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.functions.browsers import PUBLIC, asked, heard, jobs, subscribed, told_house
from tests.functions.conftest import House, pass_by
from tests.functions.test_agent_runs import task
from tests.functions.test_chat import messages
from tests.functions.test_domains import refused
from tests.support.push_service import PushService, signed_by
from tests.support.stores import Around
from tests.support.writing import Died, at_chunk, dies, in_the_middle


@pytest.fixture
def house(model: ScriptedModel, service: PushService) -> House:
    return told_house(model, service)


# The rules ----------------------------------------------------------------------------------------------------------------

RULES = [
    # how it ended, agent's type, is the task's workflow complete? -> what the user is told
    ("completed", None, False, READY),
    ("completed", None, True, READY),
    ("completed", "planification", False, READY),
    ("completed", "planification", True, READY),
    ("completed", "implementation", False, None),
    ("completed", "implementation", True, COMPLETE),
    ("completed", "review", False, None),
    ("completed", "review", True, COMPLETE),
    ("failed", None, False, FAILED),
    ("failed", "planification", False, FAILED),
    ("failed", "implementation", False, FAILED),
    ("failed", "implementation", True, FAILED),
    ("failed", "review", False, FAILED),
    ("interrupted", None, False, INTERRUPTED),
    ("interrupted", "planification", False, INTERRUPTED),
    ("interrupted", "implementation", False, INTERRUPTED),
    ("interrupted", "review", False, INTERRUPTED),
    ("aborted", None, False, None),
    ("aborted", "planification", False, None),
    ("aborted", "implementation", False, None),
    ("aborted", "review", True, None),
    ("in_progress", None, False, BEGUN),
]


@pytest.mark.parametrize(("state", "agent_type", "complete", "title"), RULES)
def test_what_a_user_is_told_follows_from_how_it_ended(state: Any, agent_type: Any, complete: bool, title: str | None) -> None:
    assert len(RULES) == 22
    assert decide(state, agent_type, complete) == title


def test_the_titles_are_the_documents_words() -> None:
    assert (COMPLETE, READY) == ("Task Workflow Complete", "Claude Response Ready")


def test_six_tries_take_about_an_hour_and_a_service_may_ask_for_more_time() -> None:
    own = [waits(tried, 0) for tried in range(1, 8)]
    assert [each is None for each in own] == [False] * 5 + [True] * 2
    assert 3000 <= sum(filter(None, own)) <= 4000
    assert waits(1, 300.0) == 300.0
    assert waits(1, 10**9) == notifications.LONGEST_WAIT_S
    assert waits(5, 1.0) == own[4]


@pytest.mark.parametrize(
    ("text", "body"),
    [("", ""), ("  Hello\n\n  there ", "Hello there"), ("x" * 120, "x" * 120), ("🦆" * 121, "🦆" * 119 + "…")],
)
def test_a_body_is_the_beginning_of_the_reply_in_one_line(text: str, body: str) -> None:
    assert notifications.beginning(text) == body


# What is told -----------------------------------------------------------------------------------------------------------


def test_a_reply_that_is_ready_is_told_in_every_browser_of_its_user_and_in_nobody_elses(
    house: House, service: PushService
) -> None:
    alice, bob, namesake = house.person("alice"), house.person("bob"), house.person("alice", org="other")
    one, two = subscribed(alice, service, "one", "two")
    others = [*subscribed(bob, service, "bobs"), *subscribed(namesake, service, "namesakes")]
    session = asked(alice, "/say The bridge stands.")
    house.work()
    for browser in (one, two):
        (told,) = heard(service, browser)
        assert (told["title"], told["body"], told["badge"]) == (READY, "The bridge stands.", 0)
        assert (told["url"], bool(told["tag"])) == (f"#/s/{session}", True)
    assert [heard(service, each) for each in others] == [[], []]
    assert all(signed_by(each, PUBLIC, service.origin)["sub"].startswith("mailto:") for each in service.arrived)


def test_the_badge_is_the_number_of_tasks_in_progress(house: House, service: PushService) -> None:
    alice = house.person("alice")
    (browser,) = subscribed(alice, service)
    bridge, road, _pending = task(alice, "Bridge"), task(alice, "Road"), task(alice, "Harbour")
    alice.mutation("tasks:startRun", taskId=bridge, type="planification", message="/say A plan.")
    house.work()
    assert sorted((each["title"], each["body"], each["badge"]) for each in heard(service, browser)) == [
        (READY, "A plan.", 1),
        (BEGUN, "Bridge", 1),
    ]
    alice.mutation("tasks:update", taskId=road, status="in_progress")
    alice.mutation("tasks:update", taskId=road, title="Long road", status="in_progress")
    alice.mutation("tasks:update", taskId=bridge, status="completed")
    house.work()
    last = heard(service, browser)[2:]
    assert [(each["title"], each["badge"], each["silent"], each["url"], each["tag"]) for each in last] == [
        (BEGUN, 1, True, "#/tasks", road)
    ]
    alice.mutation("adapter:startConversation", taskId=_pending, message="/say hi")
    house.work()
    assert [(each["title"], each["badge"]) for each in heard(service, browser)[3:]] == [(BEGUN, 2), (READY, 2)]


def test_a_task_that_begins_with_a_run_without_a_reply_is_told_of_as_well(house: House, service: PushService) -> None:
    """The caller starts the conversation itself."""
    alice = house.person("alice")
    (browser,) = subscribed(alice, service)
    bridge = task(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="planification", begin=False)["agentRunId"]
    alice.mutation("adapter:startConversation", taskId=bridge, message="/say a plan", options={"agentRunId": run})
    house.work()
    assert sorted(each["title"] for each in heard(service, browser)) == [READY, BEGUN]


def test_agents_that_take_turns_are_told_of_once_at_the_end(house: House, service: PushService) -> None:
    alice = house.person("alice")
    (browser,) = subscribed(alice, service)
    bridge = task(alice, description="/say built")
    alice.mutation("tasks:startRun", taskId=bridge, type="implementation")
    house.work()
    pass_by(house, 1_000)
    assert {each["title"] for each in heard(service, browser)} == {BEGUN}
    done = task(alice, "Tower")
    alice.mutation("tasks:startRun", taskId=done, type="review", message=f"/say All is well. {WORKFLOW_COMPLETE}")
    house.work()
    (told,) = [each for each in heard(service, browser) if each["title"] == COMPLETE]
    assert (told["body"], told["tag"]) == ("All is well.", done)


@pytest.mark.parametrize(
    ("message", "title"), [("/fail invalid", FAILED), ("/fail midstream 5 9\nwrite 60 words", FAILED), ("/say fine", READY)]
)
def test_a_failure_is_told_too(house: House, service: PushService, message: str, title: str) -> None:
    alice = house.person("alice")
    (browser,) = subscribed(alice, service)
    session = asked(alice, message)
    house.work()
    (told,) = heard(service, browser)
    assert (told["title"], bool(told["body"]), told["url"]) == (title, True, f"#/s/{session}")


def test_a_reply_whose_writer_died_is_told_when_it_is_settled(house: House, service: PushService) -> None:
    alice = house.person("alice")
    (browser,) = subscribed(alice, service)
    session = asked(alice, "/say " + "word " * 900)
    with at_chunk(house.backend, 2, dies), pytest.raises(Died):
        house.work()
    for _ in range(3):
        pass_by(house, 61_000)
    (told,) = heard(service, browser)
    assert (told["title"], told["url"]) == (INTERRUPTED, f"#/s/{session}")


def test_a_run_that_never_got_a_reply_and_a_chain_that_could_not_start_are_told(
    model: ScriptedModel, service: PushService
) -> None:
    house = told_house(model, service, token_budget_per_org=1)
    alice = house.person("alice")
    (browser,) = subscribed(alice, service)
    alice.mutation("tasks:startRun", taskId=task(alice), type="implementation", message="/say x")
    house.work()
    pass_by(house)
    told = [each for each in heard(service, browser) if each["title"] == FAILED]
    assert [each["body"] for each in told] == ["Bridge: BudgetExceeded"]


def test_who_stops_a_reply_is_not_told_and_a_fenced_writer_tells_nobody(service: PushService) -> None:
    """The stop raises the epoch; the writer that goes on to its own end has lost it."""
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=40, first_token_s=0)) as slow:
        house = told_house(slow, service)
        alice = house.person("alice")
        subscribed(alice, service)
        session = asked(alice, "write 2000 words")
        reply = messages(alice, session)[-1]["messageId"]
        with in_the_middle(house.work, lambda: alice.query("chat:subscribeToChunks", sessionId=session, messageId=reply)):
            alice.mutation("chat:stop", sessionId=session, messageId=reply)
        house.work()
        assert messages(alice, session)[-1]["status"] == "aborted"
        assert (jobs(house, "notifications:fanOut"), service.arrived) == (0, [])


# In the same commit ---------------------------------------------------------------------------------------------------------


class Recording(Around):
    """A store that remembers which rows were written together."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.together = list[list[str]]()

    def transact(self, actions: Any) -> None:
        """One commit."""
        self.inner.transact(actions)
        self.together.append([repr(each) for each in actions])


ENDINGS = {
    "completed": "/say hello",
    "failed": "/fail invalid",
    "failed in the middle": "/fail midstream 5 9\nwrite 60 words",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_commit_that_ends_a_reply_schedules_its_telling_and_that_one_job_per_browser(
    model: ScriptedModel, service: PushService, ending: str
) -> None:
    store = Recording(SqliteStore(":memory:", all_specs()))
    house = told_house(model, service, store)
    alice = house.person("alice")
    browsers = subscribed(alice, service, *(f"number-{number}" for number in range(push.MOST)))
    asked(alice, ENDINGS[ending])
    house.work()
    state = ending.split()[0]
    ended = [rows for rows in store.together if any("table='runs'" in each and f"'{state}'" in each for each in rows)]
    assert len(ended) == 1
    told = [rows for rows in store.together if any("notifications:fanOut" in each for each in rows if "'pending'" in each)]
    assert told == ended, "the telling is of another commit than the end"
    assert sum("notifications:fanOut" in each and "table='jobs'" in each for each in ended[0]) == 1
    assert "hello" not in "".join(each for each in ended[0] if "table='jobs'" in each), "a job holds words of the reply"
    assert (jobs(house, "notifications:fanOut"), jobs(house, "notifications:deliver")) == (1, push.MOST)
    assert [len(heard(service, each)) for each in browsers] == [1] * push.MOST


def test_who_has_no_browser_costs_no_job(house: House) -> None:
    alice = house.person("alice")
    asked(alice, "/say hello")
    house.work()
    assert jobs(house, "notifications:fanOut") == 0


def test_without_keys_there_is_no_public_key_and_nothing_is_sent(model: ScriptedModel, service: PushService) -> None:
    house = told_house(model, service, push_public_key=None, push_private_key=None)
    alice = house.person("alice")
    assert alice.query("push:publicKey") is None
    refused("NotConfigured", alice, "mutation", "push:subscribe", subscription=service.browser().subscription)
    assert alice.mutation("push:test") == 0
    assert told_house(model, service).anybody().query("push:publicKey") == PUBLIC
