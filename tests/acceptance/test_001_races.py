"""Agent runs on both stores, with something else happening at each moment, and with many callers at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.data.store import Store
from chalicelib.functions import working
from infra.local.model.server import ScriptedModel
from tests.acceptance.conftest import pass_by, patient
from tests.acceptance.test_001_runs import by_a_start, is_free, state_of
from tests.functions.conftest import House, Person, Refusal
from tests.functions.replies import mortal
from tests.functions.test_agent_runs import runs, task
from tests.functions.test_chat import messages
from tests.support.rest import Rest
from tests.support.writing import at_chunk


def at_each_write(house: House, begin: Callable[[int], str], happens: Callable[[], object]) -> list[str]:
    """Begin a run, have something happen just before the writer's first write, its second, … Returns the runs."""
    begun, at = list[str](), 0
    while True:
        at += 1
        begun.append(begin(at))
        watched, seen = mortal(house), list[int]()

        def look(_: object, at: int = at, seen: list[int] = seen) -> None:
            seen.append(len(seen))
            if len(seen) == at:
                happens()

        watched.before = look
        house.work()
        watched.before = None
        for _ in range(3):
            pass_by(house, 61_000)
        house.store.inner = watched.inner
        if len(seen) < at:
            return begun


def test_a_stop_before_any_write_of_the_writer_leaves_one_end(model: ScriptedModel, store: Store) -> None:
    """001-U05, U06, U16: the run says what its message says, the task is free, and the stop was told what became of it."""
    house = patient(model, store, chunk_flush_ms=60_000)
    alice, stopped = house.person("alice"), dict[str, bool]()
    current: list[str] = []

    def begin(at: int) -> str:
        current[:] = [by_a_start(alice, task(alice, title=f"Bridge {at}"), "/say " + "word " * 300)]
        return current[0]

    def stop() -> None:
        stopped[current[0]] = bool(alice.mutation("tasks:stopRun", agentRunId=current[0]))

    begun = at_each_write(house, begin, stop)
    ends = set()
    for run in begun:
        ended = state_of(alice, run)
        assert ended["state"] == messages(alice, ended["sessionId"])[-1]["status"]
        assert ended["state"] == ("aborted" if stopped.get(run) else "completed"), (run, ended)
        assert is_free(alice, ended["taskId"])
        ends.add(ended["state"])
    assert ends == {"aborted", "completed"}
    assert len(begun) > 4


def test_a_link_before_any_write_of_the_writer_leaves_no_run_running(model: ScriptedModel, store: Store) -> None:
    """001-17, U10, U16: a run that is linked in time ends as the reply; one that comes too late has failed in a minute."""
    house = patient(model, store, chunk_flush_ms=60_000)
    alice = house.person("alice")
    current: list[tuple[str, str]] = []

    def begin(at: int) -> str:
        record = alice.mutation("images:create")["record"]
        alice.mutation("chat:sendMessage", sessionId=record["sessionId"], content="/say " + "word " * 300)
        of = task(alice, title=f"Bridge {at}")
        run = alice.mutation("tasks:startRun", taskId=of, type="review", begin=False)["agentRunId"]
        current[:] = [(run, record["conversationId"])]
        return str(run)

    def link() -> None:
        alice.mutation("tasks:linkConversation", agentRunId=current[0][0], conversationId=current[0][1])

    ends = set()
    for run in at_each_write(house, begin, link):
        ended = state_of(alice, run)
        assert (ended["state"], ended.get("reason")) in (("completed", None), ("failed", "it never got a reply")), ended
        assert is_free(alice, ended["taskId"])
        ends.add(ended["state"])
    assert ends == {"completed", "failed"}


@pytest.mark.parametrize("begun", [False, True])
def test_of_eight_stops_at_once_one_has_stopped_it(house: House, begun: bool) -> None:
    """001-U06."""
    alice = house.person("alice")
    bridge = task(alice)
    run = by_a_start(alice, bridge, "/say " + "word " * 700)
    session = state_of(alice, run)["sessionId"]
    answers: list[bool] = []

    def stop_all() -> None:
        with ThreadPoolExecutor(8) as pool:
            answers.extend(pool.map(lambda _: alice.mutation("adapter:abortSession", sessionId=session), range(8)))

    if begun:
        with at_chunk(house.backend, 2, stop_all):
            house.work()
    else:
        stop_all()
    pass_by(house)
    assert sorted(answers) == [False] * 7 + [True]
    assert state_of(alice, run)["state"] == "aborted"
    assert len(runs(alice, bridge)) == 1


# At once --------------------------------------------------------------------------------------------------------------------


def test_of_twenty_starts_at_once_one_takes_place_and_the_others_are_409(house: House) -> None:
    """001-U08, at the REST door."""
    alice = house.person("alice")
    bridge = task(alice)
    caller = Rest(house.backend, "alice@acme")

    def started(number: int) -> tuple[int, str]:
        body = {"agentType": "planification", "begin": number % 2 == 0}
        status, told = caller("POST", f"/tasks/{bridge}/agent-runs", body)
        return status, told.get("code", "")

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(started, range(20)))
    assert answers == [(201, ""), *[(409, "TaskBusy")] * 19]
    assert len(runs(alice, bridge)) == 1


def test_of_two_chains_at_once_one_starts_the_review(house: House) -> None:
    """001-U07: the task is asked again in the commit that starts it."""
    alice = house.person("alice")
    bridge = task(alice, description="/say built")
    run = by_a_start_of(alice, bridge, "implementation")
    house.work()
    assert state_of(alice, run)["status"] == "completed"
    executor, ready = house.backend.executor, threading.Barrier(4)

    def chained(_: int) -> None:
        ready.wait()
        executor.call("acme", working.chain, task_id=bridge, after=run)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(chained, range(4)))
    assert [(each["agentType"], each["triggeredBy"]) for each in runs(alice, bridge)] == [
        ("implementation", "manual"),
        ("review", "chain"),
    ]


def by_a_start_of(alice: Person, of: str, kind: str) -> str:
    return str(alice.mutation("tasks:startRun", taskId=of, type=kind)["agentRunId"])


def test_a_chain_and_a_person_at_once_start_one_run(house: House) -> None:
    """001-U07, U08: whichever of the two is first, the other finds the task busy."""
    alice = house.person("alice")
    bridge = task(alice, description="/say built")
    run = by_a_start_of(alice, bridge, "implementation")
    house.work()
    executor, ready = house.backend.executor, threading.Barrier(2)

    def chained() -> None:
        ready.wait()
        executor.call("acme", working.chain, task_id=bridge, after=run)

    def started() -> bool:
        ready.wait()
        try:
            return bool(by_a_start_of(alice, bridge, "planification"))
        except Refusal as refusal:
            assert refusal.tag == "TaskBusy"
            return False

    with ThreadPoolExecutor(2) as pool:
        chain, mine = pool.submit(chained), pool.submit(started)
        chain.result()
        kinds = [each["agentType"] for each in runs(alice, bridge)]
        assert kinds == ["implementation", "planification" if mine.result() else "review"]


def test_a_workflow_that_is_completed_before_the_second_is_over_is_not_followed(house: House) -> None:
    """001-U07: `workflow_complete` is asked again before the start."""
    alice = house.person("alice")
    bridge = task(alice, description="/say built")
    by_a_start_of(alice, bridge, "implementation")
    house.work()
    alice.mutation("tasks:update", taskId=bridge, workflowComplete=True)
    pass_by(house)
    assert len(runs(alice, bridge)) == 1
