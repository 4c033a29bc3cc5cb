"""A worker writes what is assigned to it, and nothing else; and every reply ends, whatever becomes of the worker."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.machines.workers import STALE_MS
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House
from tests.functions.machines import WORKER, asked, house_of, refused, taken_in


@pytest.fixture
def house(model: ScriptedModel) -> House:
    return house_of(model)


def last(house: House, session: str, who: str = "ada") -> Any:
    """The newest message of a session."""
    return house.person(who).query("chat:getMessages", sessionId=session)[-1]


def test_a_reply_is_assigned_claimed_written_and_done(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    session, reply = asked(house, directory="/srv/ada/code/site/", agent="claude")
    (work,) = worker.query("work:assigned")["work"]
    assert (work["messageId"], work["state"], work["question"]) == (reply, "pending", "hello")
    assert (work["directory"], work["agent"]) == ("/srv/ada/code/site", "claude")
    claimed = worker.mutation("work:claim", messageId=reply, instance=machine.instance)
    assert claimed == {"epoch": 1, "nextSequence": 0, "sessionId": session}
    assert last(house, session)["status"] == "pending"
    told = {"sessionId": session, "messageId": reply, "epoch": 1}
    worker.mutation("chat:writeChunk", chunk="Hel", sequence=0, **told)
    call = {"type": "tool_call", "id": "t1", "name": "bash", "title": "ls", "input": {"command": "ls"}}
    worker.mutation("chat:writeChunk", chunk="", sequence=1, part=call, **told)
    assert worker.mutation("work:claim", messageId=reply, instance=machine.instance)["nextSequence"] == 2
    assert worker.query("work:assigned")["work"][0]["state"] == "running"
    worker.mutation("chat:completeMessage", content="Hello", **told)
    assert last(house, session)["content"] == "Hello"
    assert worker.query("work:assigned")["work"] == []


def test_only_the_reply_whose_turn_it_is_is_assigned(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    session, first = asked(house)
    second = house.person("ada").mutation("chat:sendMessage", sessionId=session, content="and?")
    assert [each["messageId"] for each in worker.query("work:assigned")["work"]] == [first]
    assert refused(worker.mutation, "work:claim", messageId=second, instance=machine.instance) == "NotYours"
    worker.mutation("work:claim", messageId=first, instance=machine.instance)
    worker.mutation("chat:completeMessage", sessionId=session, messageId=first, content="one", epoch=1)
    assert [each["messageId"] for each in worker.query("work:assigned")["work"]] == [second]


def test_what_is_stopped_is_not_assigned_any_more_and_keeps_its_text(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    session, reply = asked(house)
    worker.mutation("work:claim", messageId=reply, instance=machine.instance)
    worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="half", sequence=0, epoch=1)
    house.person("ada").mutation("chat:stop", sessionId=session)
    assert worker.query("work:assigned")["work"] == []
    assert worker.mutation("work:renew", messageIds=[reply], instance=machine.instance) == {"lost": [reply]}
    house.work()
    assert (last(house, session)["content"], last(house, session)["status"]) == ("half", "aborted")


def test_a_worker_that_was_started_again_ends_what_it_was_writing_and_goes_on_with_what_waits(house: House) -> None:
    machine = taken_in(house)
    old = machine.access()
    session, reply = asked(house)
    second = house.person("ada").mutation("chat:sendMessage", sessionId=session, content="and?")
    old.mutation("work:claim", messageId=reply, instance=machine.instance)
    old.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="half", sequence=0, epoch=1)
    new = machine.access("instance-2")
    house.work()
    assert house.person("ada").query("chat:getMessages", sessionId=session)[1]["status"] == "interrupted"
    assert [each["messageId"] for each in new.query("work:assigned")["work"]] == [second]
    assert refused(old.query, "work:assigned") == "InstanceReplaced"
    told = {"sessionId": session, "messageId": reply, "chunk": "x", "sequence": 1}
    assert refused(old.mutation, "chat:writeChunk", **told) == "InstanceReplaced"
    assert refused(machine.access, "instance-1") == "InstanceReplaced", "the older process does not come back"


def test_a_worker_that_is_not_heard_of_is_offline_and_its_reply_ends(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    session, reply = asked(house)
    worker.mutation("work:claim", messageId=reply, instance=machine.instance)
    house.clock.ahead += STALE_MS - 1000
    worker.mutation("workers:heartbeat", instance=machine.instance)
    house.clock.ahead += STALE_MS - 1000
    worker.mutation("work:renew", messageIds=[reply], instance=machine.instance)
    house.sweep()
    house.work()
    assert house.person("ada").query("machines:list")[0]["status"] == "online"
    house.clock.ahead += 2000
    house.sweep()
    house.work()
    (listed,) = house.person("ada").query("machines:list")
    assert (listed["status"], "offlineSince" in listed) == ("offline", True)
    assert last(house, session)["status"] == "interrupted"
    assert house.person("ada").query("chat:getSession", sessionId=session)["worker"]["status"] == "offline"


def test_a_long_tool_that_says_nothing_loses_no_reply_while_it_is_renewed(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    session, reply = asked(house)
    worker.mutation("work:claim", messageId=reply, instance=machine.instance)
    for _ in range(10):
        house.clock.ahead += 25_000
        assert worker.mutation("work:renew", messageIds=[reply], instance=machine.instance) == {"lost": []}
        worker.mutation("workers:heartbeat", instance=machine.instance)
        house.sweep()
        house.work()
    worker.mutation("chat:completeMessage", sessionId=session, messageId=reply, content="done", epoch=1)
    assert last(house, session)["content"] == "done"


def test_a_message_waits_for_an_absent_worker_and_fails_after_a_day(model: ScriptedModel) -> None:
    house = house_of(model, worker_wait_hours=2)
    machine = taken_in(house)
    machine.access().mutation("workers:goOffline", instance=machine.instance)
    session, _ = asked(house)
    for hours in (0.5, 1.0):
        house.clock.ahead += int(hours * 3_600_000)
        house.sweep()
        house.work()
        assert last(house, session)["status"] == "pending"
    house.clock.ahead += 3_600_000
    house.sweep()
    house.work()
    assert (last(house, session)["status"], last(house, session)["reason"]) == ("failed", "worker_offline")


def test_a_session_that_may_not_wait_refuses_messages_to_an_absent_worker(house: House) -> None:
    machine = taken_in(house)
    ada = house.person("ada")
    assert refused(ada.mutation, "chat:startSession", workerId=WORKER, onOffline="reject") == "WorkerOffline"
    worker = machine.access()
    session, _ = asked(house, onOffline="reject")
    worker.mutation("workers:goOffline", instance=machine.instance)
    assert refused(ada.mutation, "chat:sendMessage", sessionId=session, content="again") == "WorkerOffline"


def test_a_reply_that_cannot_be_written_keeps_its_text_and_says_why(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    session, reply = asked(house)
    worker.mutation("work:claim", messageId=reply, instance=machine.instance)
    worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="half", sequence=0, epoch=1)
    told = {"messageId": reply, "epoch": 1, "code": "agent_crashed", "text": "opencode ended with 137"}
    worker.mutation("work:fail", **told)
    worker.mutation("work:fail", **told)
    message = last(house, session)
    assert (message["status"], message["reason"], message["content"]) == ("failed", "agent_crashed", "half")
    assert message["parts"][-1] == {"type": "error", "message": "opencode ended with 137"}
    next_one = house.person("ada").mutation("chat:sendMessage", sessionId=session, content="again")
    assert worker.query("work:assigned")["work"][0]["messageId"] == next_one


@pytest.mark.parametrize("directory", ["/srv/ada", "/srv/ada/code/../secrets", "code", "/srv/ada/codex", "/"])
def test_an_agent_works_inside_the_folders_that_the_worker_opens(house: House, directory: str) -> None:
    taken_in(house)
    call = house.person("ada").mutation
    assert refused(call, "chat:startSession", workerId=WORKER, directory=directory) == "DirectoryNotAllowed"


def test_an_agent_that_the_worker_has_not_is_refused(house: House) -> None:
    taken_in(house)
    assert refused(house.person("ada").mutation, "chat:startSession", workerId=WORKER, agent="vim") == "AgentNotFound"


# Whose worker it is ------------------------------------------------------------------------------------------------------


def test_a_colleague_uses_a_worker_only_where_it_is_shared_with_the_org(house: House) -> None:
    machine = taken_in(house)
    worker, bob = machine.access(), house.person("bob")
    assert refused(bob.mutation, "chat:startSession", workerId=WORKER) == "WorkerNotFound"
    assert bob.query("machines:list") == []
    assert refused(bob.mutation, "workers:share", workerId=WORKER, audience="org") == "WorkerNotFound"
    house.person("ada").mutation("workers:share", workerId=WORKER, audience="org")
    assert [each["mine"] for each in bob.query("machines:list")] == [False]
    session, reply = asked(house, "bob")
    assert refused(bob.mutation, "workers:revoke", workerId=WORKER) == "NotYourWorker"
    assert worker.query("work:assigned")["work"][0]["messageId"] == reply
    house.person("ada").mutation("workers:share", workerId=WORKER, audience="owner")
    assert worker.query("work:assigned")["work"] == []
    assert refused(worker.mutation, "work:claim", messageId=reply, instance=machine.instance) == "WorkerNotShared"
    house.clock.ahead += 20_000
    house.sweep()
    house.work()
    assert last(house, session, "bob")["reason"] == "worker_not_shared"


def test_nobody_of_another_org_uses_a_shared_worker(house: House) -> None:
    taken_in(house, audience="org")
    assert refused(house.person("eve", "north").mutation, "chat:startSession", workerId=WORKER) == "WorkerNotFound"
    assert house.person("eve", "north").query("machines:list") == []


def test_a_worker_does_nothing_but_its_work(house: House) -> None:
    worker = taken_in(house).access()
    session, _ = asked(house)
    assert worker.query("chat:getMessages", sessionId=session)[0]["content"] == "hello"
    for path, args in [
        ("chat:startSession", {}),
        ("chat:sendMessage", {"sessionId": session, "content": "x"}),
        ("chat:endSession", {"sessionId": session}),
        ("workers:share", {"workerId": WORKER, "audience": "org"}),
        ("machines:remove", {"machineId": "machine-laptop-1"}),
        ("conversations:create", {"type": "user-agent", "participants": {"userId": "ada"}}),
        ("tasks:create", {"title": "x"}),
    ]:
        assert refused(worker.mutation, path, **args), path


def test_a_worker_sees_nothing_of_sessions_that_are_not_its_own(house: House) -> None:
    taken_in(house)
    session, reply = asked(house)
    other = taken_in(house, workerId="worker-other-1", machineId="machine-other-1").access("instance-9")
    assert other.query("chat:getMessages", sessionId=session) == []
    assert other.query("work:sessions", sessionIds=[session]) == [{"sessionId": session, "status": "gone"}]
    assert refused(other.mutation, "work:claim", messageId=reply, instance="instance-9") == "MessageNotFound"
    told = {"sessionId": session, "messageId": reply, "chunk": "x", "sequence": 0}
    assert refused(other.mutation, "chat:writeChunk", **told) == "SessionNotFound"


def test_a_user_whose_name_is_a_workers_is_no_worker(house: House) -> None:
    taken_in(house).access()
    session, reply = asked(house)
    told = {"sessionId": session, "messageId": reply, "chunk": "x", "sequence": 0}
    for name in (WORKER, f"worker:{WORKER}"):
        assert refused(house.person(name).mutation, "chat:writeChunk", **told) == "SessionNotFound"
        assert refused(house.person(name).query, "work:assigned") == "Unauthorized"


def test_a_session_that_is_over_is_told_to_who_has_it_open(house: House) -> None:
    worker = taken_in(house).access()
    session, _ = asked(house)
    assert worker.query("work:sessions", sessionIds=[session])[0]["status"] == "active"
    house.person("ada").mutation("chat:endSession", sessionId=session)
    house.work()
    assert worker.query("work:sessions", sessionIds=[session])[0]["status"] == "terminated"
    assert worker.query("work:assigned")["work"] == []
