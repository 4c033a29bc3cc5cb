"""Sessions that a coding agent keeps on its machine, and those of the chat, brought together by a real worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from concave_worker.adapter import Adapter, Heard
from concave_worker.agents.history import History
from concave_worker.kinds import Kinds, histories, parse
from concave_worker.sessions import ChatSessionManager
from concave_worker.sync import Sync

from tests.support.loop import alone
from tests.worker.agents import at_work, end, opencode_program
from tests.worker.house import House

PROGRAMS = ("opencode", "claude")


async def differences(house: House, program: str, directory: Path | None = None) -> int:
    """How many differences a round of this machine's worker finds and brings together."""
    adapter = Adapter(house.url, lambda: house.home.identity().token, Heard(print, print, print, print))
    manager = ChatSessionManager(adapter, Kinds([], {}, None).make, [house.work])
    try:
        return await Sync(adapter, manager, lambda: [history(house, program)], [directory or house.work]).round()
    finally:
        await adapter.close()


def history(house: House, program: str) -> History:
    """The agent's own sessions, as the worker looks at them."""
    named = program if program == "claude" else f"opencode={opencode_program()}"
    (found,) = histories([parse(named)], house.env, house.work, None)
    return found


async def kept(house: House, program: str, session: str, **change: Any) -> Any:
    """An agent's session as its program knows it now, after a change."""
    looking = history(house, program)
    await looking.open()
    try:
        if title := change.get("title"):
            await looking.rename(session, title)
        return await looking.found(session), [each.id for each in await looking.listed()]
    finally:
        await looking.close()


@pytest.fixture
def claude_at_home(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude's SDK looks for sessions where this process is at home."""
    monkeypatch.setenv("HOME", house.env["HOME"])


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("claude_at_home")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_session_that_was_begun_elsewhere_is_taken_in_goes_on_and_keeps_one_name(house: House, program: str) -> None:
    async def walk() -> None:
        alice = house.owner
        async with at_work("acp" if program == "opencode" else "claude", house.env, house.work) as desk:
            assert end(await desk.turn("my name is Ann\n/say noted")) == "end_turn"
            outside = desk.session
        worker = house.run(program, sync=True)
        assert "INFO 1 session" in worker.hear("brought together", 60)
        (told,) = alice.asks("chat:listSessions")
        session = told["sessionId"]
        assert (told["agent"], told["agentSessionId"], told["directory"]) == (program, outside, str(house.work))
        said = alice.asks("chat:getMessages", sessionId=session)
        assert [(each["role"], each["status"]) for each in said] == [("user", "completed"), ("assistant", "completed")]
        assert "my name is Ann" in said[0]["content"]
        assert said[1]["content"].strip() == "noted"
        assert (await alice.answered(session, "what is my name"))["content"].strip() == "Your name is Ann."
        assert worker.stop() == 0
        alice.does("images:update", imageId=told["imageId"], name="Named in the page")
        assert await differences(house, program) == 1
        assert (await kept(house, program, outside))[0].title == "Named in the page"
        await kept(house, program, outside, title="Named in the agent")
        assert await differences(house, program) == 1
        assert alice.asks("chat:getSession", sessionId=session)["name"] == "Named in the agent"
        assert await differences(house, program) == 0
        alice.does("chat:endSession", sessionId=session)
        assert await differences(house, program) == 1
        still, listed = await kept(house, program, outside)
        assert (still.id, outside in listed) == (outside, program == "claude")
        assert await differences(house, program) == 0

    alone(walk())


@pytest.mark.usefixtures("claude_at_home")
def test_only_what_is_in_the_directories_is_taken_in_and_what_is_deleted_in_the_agent_begins_anew(house: House) -> None:
    async def walk() -> None:
        elsewhere = house.folder / "private"
        async with at_work("claude", house.env, elsewhere) as desk:
            await desk.turn("please\n/say secret")
        worker = house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude", name="Mine")
        await alice.answered(session, "please\n/say hello")
        assert worker.stop() == 0
        assert await differences(house, "claude") == 1, "the name goes to the agent"
        assert await differences(house, "claude") == 0
        assert await differences(house, "claude", elsewhere / "none") == 0, "it is looked up before it counts as deleted"
        pytest.importorskip("claude_agent_sdk").delete_session(alice.asks("chat:getSession", sessionId=session)["agentSessionId"])
        assert await differences(house, "claude") == 1, "it was deleted in the agent"
        assert await differences(house, "claude") == 0
        house.run("claude")
        reply = await alice.answered(session, "please\n/say hello")
        assert reply["content"].startswith("_The agent does not remember")
        assert [each["sessionId"] for each in alice.asks("chat:listSessions")] == [session]
        assert "secret" not in json.dumps(alice.asks("chat:getMessages", sessionId=session))

    alone(walk())
