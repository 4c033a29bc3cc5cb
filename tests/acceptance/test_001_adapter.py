"""The conversation adapter: its entry points, options, sentences and lists."""

from __future__ import annotations

import ast
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib.data.store import Store
from chalicelib.data.tables import all_specs
from chalicelib.domain.agent_runs.starting import PROMPTS
from chalicelib.runtime.registry import load
from chalicelib.schema import Conversation
from infra.local.model.server import ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.acceptance.conftest import pass_by, patient
from tests.doors.test_agentx import streamed
from tests.doors.test_events import Chat
from tests.functions.conftest import House, Person, Refusal
from tests.functions.frames import Line
from tests.functions.test_agent_runs import runs, task
from tests.functions.test_busy import by_id, told
from tests.functions.test_chat import messages
from tests.functions.test_domains import asked_with, refused
from tests.functions.test_options import IMAGE
from tests.support.rest import Rest
from tests.support.writing import at_chunk, at_every_chunk

ROOT = Path(__file__).parents[2]


def agent(person: Person, **more: Any) -> str:
    about = {"name": "Daily", "prompt": "Say good morning.", "schedule": "0 9 * * *", **more}
    return str(person.mutation("schedules:create", **about)["scheduleId"])


# Three ways in, one adapter -----------------------------------------------------------------------------------------------


def test_a_conversation_of_a_task_is_started_and_resumed(house: House) -> None:
    """001-04, 05, 06, 21, 23, 24: each message reaches the model with what was said before."""
    alice = house.person("alice")
    bridge = task(alice)
    begun = alice.mutation("adapter:startConversation", taskId=bridge, message="/say one")
    house.work()
    resumed = alice.mutation("adapter:sendMessage", conversationId=begun["conversationId"], message="/say two")
    house.work()
    assert (begun["isNewSession"], resumed["isNewSession"]) == (True, False)
    assert (begun["conversationId"], begun["sessionId"]) == (resumed["conversationId"], resumed["sessionId"])
    assert told(house) == ["/say one", "one", "/say two"]
    assert [each["content"].strip() for each in messages(alice, begun["sessionId"])] == ["/say one", "one", "/say two", "two"]


def test_the_message_is_the_callers_and_the_adapter_adds_nothing(house: House) -> None:
    """001-03, 09, 20: what the model is told is the message, under the instruction that the caller built."""
    alice = house.person("alice")
    options = {"customSystemPrompt": "# The project\n\nA bridge.", "agentType": "review"}
    alice.mutation("adapter:startConversation", taskId=task(alice), message="/say x\n\n# Context\n\nmine", options=options)
    house.work()
    assert told(house) == ["/say x\n\n# Context\n\nmine"]
    assert asked_with(house) == "# The project\n\nA bridge."


@pytest.mark.parametrize("kind", sorted(PROMPTS))
def test_an_agents_type_chooses_its_instruction(house: House, kind: str) -> None:
    """001-11, 25: by a run and by a conversation alike; in a resumed one for this reply alone."""
    alice = house.person("alice")
    bridge = task(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type=kind, message="/say x")
    house.work()
    assert (run["agentType"], asked_with(house)) == (kind, PROMPTS[kind])
    begun = alice.mutation("adapter:startConversation", taskId=bridge, message="/say x", options={"agentType": kind})
    house.work()
    assert asked_with(house) == PROMPTS[kind]
    plain = alice.mutation("adapter:startConversation", taskId=bridge, message="/say x")["conversationId"]
    house.work()
    usual = asked_with(house)
    for options, instruction in (({"agentType": kind}, PROMPTS[kind]), ({}, usual)):
        alice.mutation("adapter:sendMessage", conversationId=plain, message="/say y", options=options)
        house.work()
        assert asked_with(house) == instruction
    assert begun["isNewSession"]


def test_a_conversation_is_of_exactly_one_task_or_agent(house: House) -> None:
    """001-U01: both or none is refused, and a document never has both."""
    alice = house.person("alice")
    bridge, daily = task(alice), agent(alice)
    of_task = alice.mutation("adapter:startConversation", taskId=bridge, message="/say x")["conversationId"]
    of_agent = alice.mutation("adapter:startAgentConversation", agentId=daily, message="/say x")["conversationId"]
    for path, args in (
        ("adapter:startConversation", {"taskId": bridge, "agentId": daily}),
        ("adapter:startAgentConversation", {"taskId": bridge, "agentId": daily}),
        ("adapter:startConversation", {}),
        ("adapter:startAgentConversation", {}),
    ):
        refused("ArgumentValidationError", alice, "mutation", path, message="x", **args)

    def owners(run: Any) -> str:
        found = [run.db.query(Conversation.by_conversationId(each)).unique() for each in (of_task, of_agent)]
        assert [(each.task, each.cron_agent) for each in found] == [(bridge, None), (None, daily)]
        return "null"

    house.backend.executor.transact("acme", "test:owners", owners)
    house.work()
    assert asked_with(house) == "Say good morning.", "an agent's instruction is its own"


def test_a_start_that_is_refused_leaves_nothing(model: ScriptedModel) -> None:
    """001-U10: there is no row to be deleted, because none was written."""
    load(("chalicelib.functions",))  # which declares the tables
    house = patient(model, SqliteStore(":memory:", all_specs()), token_budget_per_org=1)
    alice, caller = house.person("alice"), Rest(house.backend, "alice@acme")
    bridge = task(alice)
    alice.mutation("adapter:startConversation", taskId=bridge, message="/say x")
    house.work()
    before = {
        table: house.rows(table) for table in ("conversations", "images", "chatSessions", "runs", "agentRuns", "chatMessages")
    }
    assert caller("POST", f"/tasks/{bridge}/conversations", {"message": "x"})[0] == 429
    assert caller("POST", f"/tasks/{bridge}/agent-runs", {"agentType": "review"})[0] == 429
    assert {table: house.rows(table) for table in before} == before


# Options and sentences ------------------------------------------------------------------------------------------------------


def test_what_is_not_said_has_a_default_and_a_warning(house: House) -> None:
    """001-U02, 08: `permissionMode`; who is told is the caller, and only the service names another."""
    alice, service = house.person("alice"), house.person("backend", roles=("service",))
    bridge = task(alice)
    assert alice.mutation("adapter:startConversation", taskId=bridge, message="x")["warnings"] == [
        "permissionMode is missing; bypassPermissions is used"
    ]
    for mode in ("default", "acceptEdits", "plan", "bypassPermissions"):
        begun = alice.mutation("adapter:startConversation", taskId=bridge, message="x", options={"permissionMode": mode})
        assert "warnings" not in begun
    refused("Forbidden", alice, "mutation", "adapter:startConversation", taskId=bridge, message="x", options={"userId": "bob"})
    assert alice.mutation("adapter:startConversation", taskId=bridge, message="x", options={"userId": "alice"})
    refused("TaskNotFound", service, "mutation", "adapter:startConversation", taskId=bridge, message="x")
    named = alice.mutation("adapter:startConversation", taskId=bridge, message="x", options={"conversationId": "mine"})
    assert named["conversationId"] == "mine"
    for wrong in ({"permissionMode": "all"}, {"somethingElse": 1}):
        refused(
            "ArgumentValidationError", alice, "mutation", "adapter:startConversation", taskId=bridge, message="x", options=wrong
        )


@pytest.mark.parametrize("name", ["broadcastFn", "broadcastToTaskSubscribersFn"])
def test_a_callback_is_refused_with_what_replaces_it(house: House, name: str) -> None:
    """001-07, U02: whoever watches is told."""
    alice = house.person("alice")
    options = {name: "f"}
    refusal = refused(
        "NotSupported", alice, "mutation", "adapter:startConversation", taskId=task(alice), message="x", options=options
    )
    assert f"options.{name}" in str(refusal)
    assert "subscriptions" in str(refusal)


def test_errors_are_404_and_400_with_the_documents_sentences_at_the_rest_door(house: House) -> None:
    """001-U04, U10: and a stranger gets the sentence of an id that never was."""
    alice = house.person("alice")
    bridge, daily = task(alice), agent(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="review")["agentRunId"]
    owner, bob = Rest(house.backend, "alice@acme"), Rest(house.backend, "bob@acme")
    for caller, name, cron, of in ((owner, "task-9", "sched-9", "arun-9"), (bob, bridge, daily, run)):
        for method, path, body, sentence in (
            ("POST", f"/tasks/{name}/conversations", {"message": "x"}, f"Task {name} not found"),
            ("GET", f"/tasks/{name}/conversations", None, f"Task {name} not found"),
            ("POST", f"/tasks/{name}/agent-runs", {"agentType": "review"}, f"Task {name} not found"),
            ("GET", f"/tasks/{name}/agent-runs", None, f"Task {name} not found"),
            ("POST", f"/schedules/{cron}/conversations", {"message": "x"}, f"Agent {cron} not found"),
            ("PUT", f"/agent-runs/{of}/complete", {}, f"Agent run {of} not found"),
            ("PUT", f"/agent-runs/{of}/link-conversation", {"conversationId": "x"}, f"Agent run {of} not found"),
            ("DELETE", f"/agent-runs/{of}", None, f"Agent run {of} not found"),
        ):
            status, answer = caller(method, path, body)
            assert (status, answer["message"]) == (404, sentence), (method, path)
        for path in (f"/tasks/{name}", f"/agent-runs/{of}", f"/schedules/{cron}"):
            assert caller("GET", path)[0] == 404
    status, answer = owner("POST", f"/tasks/{bridge}/agent-runs", {"agentType": "dancing"})
    assert (status, answer["message"], answer["field"]) == (400, "Unknown agent type: dancing", "type")
    assert bob("GET", "/tasks")[1]["data"] == bob("GET", "/schedules")[1]["data"] == []


@pytest.mark.parametrize("words", [" ", "\n\t ", "\u2003"])
def test_a_blank_message_is_refused_at_every_way_in_and_leaves_nothing(house: House, words: str) -> None:
    """001-03, 000-U12: no run is made that could only fail."""
    alice = house.person("alice")
    bridge, daily = task(alice), agent(alice)
    begun = alice.mutation("adapter:startConversation", taskId=bridge, message="/say x")
    record = alice.query("chat:getSession", sessionId=begun["sessionId"])
    house.work()
    for path, args in (
        ("adapter:startConversation", {"taskId": bridge, "message": words}),
        ("adapter:startAgentConversation", {"agentId": daily, "message": words}),
        ("adapter:sendMessage", {"conversationId": begun["conversationId"], "message": words}),
        ("tasks:startRun", {"taskId": bridge, "type": "review", "message": words}),
        ("chat:sendMessage", {"sessionId": begun["sessionId"], "content": words}),
        ("images:send", {"imageId": record["imageId"], "content": words}),
        ("rooms:send", {"conversationId": begun["conversationId"], "content": words}),
        ("schedules:create", {"name": "x", "prompt": words, "schedule": "0 9 * * *"}),
        ("schedules:update", {"scheduleId": daily, "prompt": words}),
    ):
        refused("MESSAGE_CONTENT_REQUIRED", alice, "mutation", path, **args)
    assert len(messages(alice, begun["sessionId"])) == 2
    assert runs(alice, bridge) == alice.query("schedules:runs", scheduleId=daily) == []
    assert len(alice.query("tasks:conversations", taskId=bridge)) == 1


# Sessions that are active -----------------------------------------------------------------------------------------------------


def test_active_sessions_are_listed_to_whose_they_are_and_all_to_the_orgs_backend(house: House) -> None:
    """001-19, U06."""
    alice, bob, service = house.person("alice"), house.person("bob"), house.person("backend", roles=("service",))
    begun = {each: each.mutation("adapter:startConversation", taskId=task(each), message="/say x") for each in (alice, bob)}
    for person in (alice, bob):
        (one,) = person.query("adapter:getActiveSessions")
        assert person.query("adapter:getAllActiveStreamingSessions") == [one]
        assert (one["conversationId"], one["state"]) == (begun[person]["conversationId"], "pending")
        found = person.query("adapter:getActiveStreamingByConversation", conversationId=one["conversationId"])
        assert found == one
    everybodys = service.query("adapter:getAllActiveStreamingSessions")
    assert {each["sessionId"] for each in everybodys} == {each["sessionId"] for each in begun.values()}
    assert house.person("eve", org="other").query("adapter:getAllActiveStreamingSessions") == []
    assert bob.query("adapter:getActiveStreamingByConversation", conversationId=begun[alice]["conversationId"]) is None
    assert bob.query("adapter:isSessionActive", sessionId=begun[alice]["sessionId"]) is False
    house.work()
    for path in ("adapter:getActiveSessions", "adapter:getAllActiveStreamingSessions"):
        assert alice.query(path) == service.query(path) == []
    assert alice.query("adapter:getActiveStreamingByConversation", conversationId=begun[alice]["conversationId"]) is None


@pytest.mark.parametrize("session", ["sess_nothing", "bob's"])
def test_an_unknown_or_foreign_session_cannot_be_aborted(house: House, session: str) -> None:
    """001-U06: false, and the other's reply goes on."""
    alice, bob = house.person("alice"), house.person("bob")
    begun = bob.mutation("adapter:startConversation", taskId=task(bob), message="/say mine")
    wanted = begun["sessionId"] if session == "bob's" else session
    assert alice.mutation("adapter:abortSession", sessionId=wanted) is False
    house.work()
    assert messages(bob, begun["sessionId"])[-1]["status"] == "completed"


# Defects to beat --------------------------------------------------------------------------------------------------------------


def test_two_sends_at_once_are_two_turns_and_never_two_writers(house: House) -> None:
    """001-U16, on both stores."""
    alice = house.person("alice")
    begun = alice.mutation("adapter:startConversation", taskId=task(alice), message="/say 0")
    room = begun["conversationId"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: alice.mutation("adapter:sendMessage", conversationId=room, message=f"/say {n}"), range(1, 9)))
    writing, most = list[str](), 0

    def watched(chunk: Any) -> None:
        nonlocal most
        running = [each for each in by_id(alice, begun["sessionId"]).values() if each["status"] == "running"]
        most = max(most, len(running))
        writing.append(chunk.message_id)

    with at_every_chunk(house.backend, watched):
        house.work()
    log = messages(alice, begun["sessionId"])
    asked, answered = log[::2], log[1::2]
    assert [each["content"] for each in asked] == [f"/say {each['content'].strip()}" for each in answered]
    assert {each["status"] for each in answered} == {"completed"}
    assert most <= 1


@pytest.mark.parametrize("ending", ["completed", "failed", "aborted"])
def test_an_image_that_was_sent_is_never_a_file_and_goes_with_its_conversation(house: House, ending: str) -> None:
    """001-U14: there is nothing to clean up after an error or an abort; what is kept is erased with the rest."""
    alice = house.person("alice")
    files = list[str]()
    watching = [True]

    def watch(event: str, about: tuple[Any, ...]) -> None:
        """An audit hook stays for good: it looks while the test runs, at files that are opened for writing."""
        if watching and event == "open" and isinstance(about[1], str) and set("wax+") & set(about[1]):
            files.append(str(about[0]))

    sys.addaudithook(watch)
    message = "/fail invalid\nlook" if ending == "failed" else "/say a dot"
    begun = alice.mutation("adapter:startConversation", taskId=task(alice), message=message, options={"images": [IMAGE]})
    if ending == "aborted":
        assert alice.mutation("adapter:abortSession", sessionId=begun["sessionId"])
    house.work()
    assert messages(alice, begun["sessionId"])[-1]["status"] == ending
    watching.clear()
    assert files == []
    alice.mutation("conversations:delete", conversationId=begun["conversationId"])
    for _ in range(3):
        pass_by(house)
    store: Any = house.store.inner
    for table in ("runs", "chatMessages", "images", "chatSessions", "conversations"):
        assert not store.scan(table, None, 100).items, table


def test_who_comes_late_hears_an_agents_reply_from_its_beginning(chat: Chat) -> None:
    """001-U16: a late subscriber of a run's conversation is told what was said already."""
    alice = chat.person("alice")
    run = alice.mutation("tasks:startRun", taskId=task(alice), type="planification", message="/say " + "word " * 700)
    image = alice.query("chat:getSession", sessionId=run["sessionId"])["imageId"]
    late = list[Line]()

    def joins() -> None:
        late.append(Line(chat, "alice@acme", name="late"))
        late[0].ask("image_run_request", {"imageId": image})

    with at_chunk(chat.backend, 3, joins):
        chat.work()
    chat.tell()
    heard = streamed(late[0], image)
    assert "".join(data["text"] for name, data in heard if name == "text_delta").split() == ["word"] * 700
    assert heard[-1][0] == "conversation_end"


def test_a_run_goes_on_in_another_process_after_a_restart(model: ScriptedModel, store: Store) -> None:
    """001-U16: nothing of it was in the memory of the process that is gone."""
    alice = patient(model, store).person("alice")
    bridge = task(alice)
    run = alice.mutation("tasks:startRun", taskId=bridge, type="planification", message="/say after all")["agentRunId"]
    second = patient(model, store)
    second.clock.ahead = 15_000
    for _ in range(2):
        pass_by(second)
    ended = second.person("alice").query("tasks:getRun", agentRunId=run)
    assert ended["status"] == "completed"
    assert len(runs(second.person("alice"), bridge)) == 1


def test_the_room_of_the_models_sdk_knows_no_lifecycle() -> None:
    """001-22: it imports nothing that writes, and names no run and no task."""
    for file in sorted((ROOT / "chalicelib" / "llm").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [each.split(".")[1] for each in names if each.startswith("chalicelib.")]
            wrong = [each for each in ours if each not in ("llm", "settings", "data", "hosts", "reach")]
            assert "chalicelib" not in names, file.name
            assert not wrong, (file.name, wrong)


def test_there_is_one_place_where_a_reply_begins_and_one_where_it_ends() -> None:
    """001-02, 12, 13, 14: only `replies/request.py` makes a run, only `lifecycle` tells the hooks of its begin and end."""
    makes, tells = set[str](), set[str]()
    for file in (ROOT / "chalicelib" / "domain").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called == "Run":
                makes.add(file.stem)
            if called in ("hooks.on_streaming_started", "hooks.on_streaming_complete"):
                tells.add(file.stem)
    assert (makes, tells) == ({"request"}, {"lifecycle"})


def test_a_conversation_or_a_run_begins_a_task_once(house: House) -> None:
    """001-U09: pending → in_progress, and a task that is done is not begun again."""
    alice = house.person("alice")
    for begin in (
        lambda of: alice.mutation("adapter:startConversation", taskId=of, message="/say x"),
        lambda of: alice.mutation("tasks:startRun", taskId=of, type="planification", begin=False),
        lambda of: alice.mutation("tasks:startRun", taskId=of, type="planification", message="/say x"),
    ):
        bridge = task(alice)
        assert alice.query("tasks:get", taskId=bridge)["status"] == "pending"
        with pytest.raises(Refusal):
            alice.mutation("tasks:startRun", taskId=bridge, type="dancing")
        assert alice.query("tasks:get", taskId=bridge)["status"] == "pending"
        begin(bridge)
        assert alice.query("tasks:get", taskId=bridge)["status"] == "in_progress"
        house.work()
        alice.mutation("tasks:update", taskId=bridge, status="completed")
        alice.mutation("adapter:startConversation", taskId=bridge, message="/say y")
        assert alice.query("tasks:get", taskId=bridge)["status"] == "completed"
