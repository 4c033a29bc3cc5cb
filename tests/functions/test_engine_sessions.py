"""An agent's own sessions and the chat's are brought together; what was brought together needs nothing more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.machines.syncing import COMPARED, EngineSession, plan
from chalicelib.schema import ChatSession
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person
from tests.functions.machines import WORKER, house_of, taken_in

AT = 1_893_456_000_000.0 * 2


@pytest.fixture
def house(model: ScriptedModel) -> House:
    return house_of(model)


def engine(name: str, title: str = "Fix the build", at: float = AT, **more: Any) -> dict[str, Any]:
    """A session as an agent's program lists it."""
    return {"agentSessionId": name, "title": title, "updatedAt": at, **more}


def synced(worker: Person, *sessions: dict[str, Any]) -> list[str]:
    """Plan and apply, on both sides; what it did. Another plan finds nothing."""
    actions = worker.query("sync:plan", sessions=list(sessions))["actions"]
    for action in actions:
        for each in sessions:
            if action["kind"] == "renameInEngine" and action["agentSessionId"] == each["agentSessionId"]:
                each["title"] = action["name"]
    worker.mutation("sync:apply", actions=actions)
    assert worker.query("sync:plan", sessions=list(sessions))["actions"] == []
    assert worker.mutation("sync:apply", actions=actions)["applied"] == 0
    return [each["kind"] for each in actions]


def opened(house: House, worker: Person, name: str = "ses_1") -> str:
    """A session of the chat which the agent knows by a name of its own."""
    session = str(house.person("ada").mutation("chat:startSession", workerId=WORKER, name="My chat"))
    worker.mutation("chat:sessionReady", sessionId=session, agentSessionId=name)
    return session


def test_what_was_renamed_there_is_renamed_here(house: House) -> None:
    worker = taken_in(house).access()
    session = opened(house, worker)
    assert synced(worker, engine("ses_1", "New session")) == ["renameInEngine"]
    assert synced(worker, engine("ses_1", "Fix  the build")) == ["rename"]
    assert house.person("ada").query("chat:getSession", sessionId=session)["name"] == "Fix the build"


def test_a_name_that_a_person_gives_here_is_not_taken_back_by_a_turn_there(house: House) -> None:
    worker, ada = taken_in(house).access(), house.person("ada")
    session = opened(house, worker)
    assert synced(worker, engine("ses_1", "New session")) == ["renameInEngine"]
    ada.mutation("images:update", imageId=ada.query("chat:getSession", sessionId=session)["imageId"], name="Mine")
    there = engine("ses_1", "My chat", at=AT + 1)
    assert synced(worker, there) == ["renameInEngine"]
    assert there["title"] == ada.query("chat:getSession", sessionId=session)["name"] == "Mine"


def test_sessions_of_agents_that_were_not_listed_are_left_alone(house: House) -> None:
    worker = taken_in(house).access()
    session = str(house.person("ada").mutation("chat:startSession", workerId=WORKER, agent="claude"))
    worker.mutation("chat:sessionReady", sessionId=session, agentSessionId="c1")
    opened(house, worker)
    assert [each["sessionId"] for each in worker.query("sync:plan", sessions=[], agents=["claude"])["actions"]] == [session]
    (action,) = worker.query("sync:plan", sessions=[], agents=["opencode"])["actions"]
    assert (action["kind"], action["agentSessionId"]) == ("deletedInEngine", "ses_1")
    assert worker.query("sync:plan", sessions=[], agents=["goose"])["actions"] == []


def test_a_session_that_is_taken_in_goes_on_with_its_own_agent_and_is_not_taken_in_again(house: House) -> None:
    worker = taken_in(house).access()
    (action,) = worker.query("sync:plan", sessions=[engine("c9", agent="claude")])["actions"]
    assert worker.mutation("sync:apply", actions=[action])["applied"] == 1
    (session,) = house.person("ada").query("chat:listSessions")
    assert (session["agent"], session["agentSessionId"]) == ("claude", "c9")
    for _ in range(COMPARED):
        house.person("ada").mutation("chat:startSession", workerId=WORKER)
    assert worker.query("sync:plan", sessions=[engine("c9", agent="claude")])["actions"] == []
    assert worker.mutation("sync:apply", actions=[action])["applied"] == 0


@pytest.mark.parametrize("sessions", [[], [engine("ses_1", deleted=True)]])
def test_what_was_deleted_there_is_marked_here_and_stays_readable(house: House, sessions: list[Any]) -> None:
    worker = taken_in(house).access()
    session = opened(house, worker)
    assert synced(worker, *sessions) == ["deletedInEngine"]
    assert house.person("ada").query("chat:getSession", sessionId=session)["status"] == "active"


def test_what_was_ended_here_is_deleted_there(house: House) -> None:
    worker = taken_in(house).access()
    session = opened(house, worker)
    house.person("ada").mutation("chat:endSession", sessionId=session)
    assert synced(worker, engine("ses_1", "My chat")) == ["deleteInEngine"]


def test_what_was_made_there_is_taken_in_with_what_was_said(house: House) -> None:
    worker = taken_in(house).access()
    (action,) = worker.query("sync:plan", sessions=[engine("ses_9", directory="/srv/ada/code")])["actions"]
    said = [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "Because."}, {"role": "user", "content": " "}]
    worker.mutation("sync:apply", actions=[{**action, "messages": said}])
    (session,) = house.person("ada").query("chat:listSessions")
    assert (session["name"], session["directory"], session["workerId"]) == ("Fix the build", "/srv/ada/code", WORKER)
    messages = house.person("ada").query("chat:getMessages", sessionId=session["sessionId"])
    assert [each["content"] for each in messages] == ["why?", "Because."]
    assert worker.query("sync:plan", sessions=[engine("ses_9", directory="/srv/ada/code")])["actions"] == []


names = st.sampled_from(["a", "b", "c"])
titles = st.sampled_from(["", "one", " two  words "])


@given(
    st.lists(st.builds(EngineSession, agent_session_id=names, title=titles, updated_at=st.floats(0, 10), deleted=st.booleans())),
    st.lists(
        st.tuples(names, titles, st.floats(0, 10), st.sampled_from(["active", "terminated"])), unique_by=lambda each: each[0]
    ),
)
def test_whatever_differs_one_round_brings_it_together(sessions: list[EngineSession], known: list[Any]) -> None:
    chats = {
        name: ChatSession(
            id=f"sess_{name}",
            conversation="c",
            image_id="i",
            org="acme",
            agent_session_id=name,
            name=title or None,
            last_activity=at,
            status=status,
        )
        for name, title, at, status in known
    }
    there = {each.agent_session_id: each for each in sessions}
    for action in plan(sessions, chats.values()):
        match action.kind:
            case "rename":
                chats[action.agent_session_id].name = chats[action.agent_session_id].engine_title = action.name
            case "renameInEngine":
                chats[action.agent_session_id].engine_title = action.name
                there[action.agent_session_id].title = action.name or ""
            case "deletedInEngine" | "deleteInEngine":
                chats[action.agent_session_id].gone_in_engine = True
                there.pop(action.agent_session_id, None)
            case "import":
                made = action.agent_session_id
                chats[made] = ChatSession(
                    id=f"sess_{made}", conversation="c", image_id="i", org="acme", agent_session_id=made, name=action.name
                )
    assert plan(there.values(), chats.values()) == []
