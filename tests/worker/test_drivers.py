"""Every driver against its real agent: words, tools, permissions, stops, deaths and memory."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from concave_worker.agents.environment import allowed
from concave_worker.agents.events import Permission, Text, Thought, Tool, Usage
from concave_worker.agents.guard import Guarded, Limits
from concave_worker.parts import Parts

from infra.local.model.server import ScriptedModel
from tests.support.loop import alone
from tests.worker.agents import DRIVERS, at_work, end, made, words

pytestmark = pytest.mark.parametrize("driver", DRIVERS)
Env = dict[str, str]


def test_an_answer_comes_in_pieces_and_a_thought_is_no_part_of_it(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            events = await desk.turn("please\n/think let me see\n/say one two three four five six")
        pieces = [event for event in events if isinstance(event, Text)]
        assert len(pieces) >= 3
        assert (words(events).strip(), end(events)) == ("one two three four five six", "end_turn")
        assert any(isinstance(event, Usage) and event.tokens["output_tokens"] > 0 for event in events)
        thoughts = "".join(event.text for event in events if isinstance(event, Thought))
        assert thoughts == "let me see"

    alone(walk())


def test_what_is_allowed_is_done_and_what_is_denied_is_not(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            events = await desk.turn(desk.shell("echo made > yes.txt; cat yes.txt", "/say fin"), "allow_once")
            asked = [event for event in events if isinstance(event, Permission)]
            tools = [event for event in events if isinstance(event, Tool)]
            assert (len(asked), end(events), words(events)) == (1, "end_turn", "fin")
            assert "echo made > yes.txt" in asked[0].title
            assert (tools[-1].status, tools[-1].output.strip()) == ("completed", "made")
            assert (asked[0].id, (desk.directory / "yes.txt").read_text()) == (tools[-1].id, "made\n")
            events = await desk.turn(desk.shell("echo made > no.txt", "/say fin"), "deny")
            tools = [event for event in events if isinstance(event, Tool)]
            assert (end(events), tools[-1].status) == ("end_turn", "failed")
            assert not (desk.directory / "no.txt").exists()

    alone(walk())


def test_always_counts_for_the_session_and_no_longer(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        for _ in range(2):
            async with at_work(driver, env, tmp_path / "d") as desk:
                first = await desk.turn(desk.shell("touch one"), "allow_always")
                second = await desk.turn(desk.shell("touch one"))
                assert [sum(isinstance(event, Permission) for event in each) for each in (first, second)] == [1, 0]

    alone(walk())


def test_a_stop_hangs_up_on_the_model_and_the_next_turn_works(
    driver: str, env: Env, model: ScriptedModel, tmp_path: Path
) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            events, stopped = [], False
            async for event in desk.agent.prompt("please\n/pace 40\nwrite 8000 characters"):
                events.append(event)
                if words(events) and not stopped:
                    stopped = True
                    await desk.agent.cancel()
            assert end(events) == "cancelled"
            assert words(events)
            long = [request for request in model.requests if "8000" in str(request.body) and request.body.get("tools")]
            assert await asyncio.to_thread(long[0].done.wait, 5)
            assert long[0].closed_early
            assert end(await desk.turn("please\n/say hello")) == "end_turn"

    alone(walk())


def test_a_stop_takes_a_question_back(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            events = []
            async for event in desk.agent.prompt(desk.shell("touch no.txt")):
                events.append(event)
                if isinstance(event, Permission):
                    await desk.agent.cancel()
            assert end(events) == "cancelled"
            assert words(await desk.turn("please\n/say hello")) == "hello"
            assert not (desk.directory / "no.txt").exists()

    alone(walk())


def test_what_a_tool_changes_in_a_file_is_told_line_by_line(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            file = desk.directory / "poem.txt"
            if driver == "claude":
                call = ("Write", {"file_path": str(file), "content": "roses\nare red\n"})
            else:
                file.write_text("roses\nare blue\n")
                call = ("edit", {"filePath": str(file), "oldString": "blue", "newString": "red"})
            reads = {"opencode": "read", "acp": "read"}.get(driver)
            first = [f"/use {reads} {json.dumps({'filePath': str(file)})}"] if reads else []
            order = "\n".join(["please", *first, f"/use {call[0]} {json.dumps(call[1])}", "/say fin"])
            events = await desk.turn(order, "allow_once")
            assert (end(events), file.read_text()) == ("end_turn", "roses\nare red\n")
            parts = Parts()
            told = [part for event in events if isinstance(event, Tool) for part in parts.tool(event)]
            (change,) = [part["diff"] for part in told if "diff" in part]
            lines = [line for line in change.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
            assert lines == (["+roses", "+are red"] if driver == "claude" else ["-are blue", "+are red"])
            assert "poem.txt" in change

    alone(walk())


def test_a_call_that_is_denied_again_and_again_ends_the_turn(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            desk.agent = Guarded(desk.agent)
            events = await desk.turn(desk.shell("touch no.txt", "/insist"), "deny")
            asked = sum(isinstance(event, Permission) for event in events)
            # opencode ends the turn itself with the first denial
            assert (end(events), asked) == (("permission_denied", 3) if driver == "claude" else ("end_turn", 1))
            assert words(await desk.turn("please\n/say hello")) == "hello"

    alone(walk())


def test_an_answer_that_is_begun_again_for_ever_ends(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            desk.agent = Guarded(desk.agent, Limits(characters=200, turn_s=20))
            events = await desk.turn("please\n/pace 0\n/fail truncated 20\nwrite 4000 characters")
            assert len(words(events)) < 4000
            assert end(events) in ("too_large", "agent_error", "deadline", "end_turn")

    alone(walk())


def test_an_agent_that_is_killed_ends_the_turn_and_one_that_comes_after_it_remembers(
    driver: str, env: Env, tmp_path: Path
) -> None:
    async def walk() -> None:
        others = children()
        async with at_work(driver, env, tmp_path / "d") as desk:
            await desk.turn("my name is Ann\n/say noted")
            events = []
            async for event in desk.agent.prompt("please\n/pace 40\nwrite 8000 characters"):
                events.append(event)
                if words(events):
                    for each in started_since(others):
                        with suppress(psutil.NoSuchProcess):  # one that went with its parent
                            each.kill()
            assert end(events) == "agent_crashed"
            assert words(events)
            session = desk.session
            assert not desk.agent.alive
        async with at_work(driver, env, tmp_path / "d", resume=session) as desk:
            assert (desk.resumed, desk.session) == (True, session)
            assert words(await desk.turn("what is my name")).strip() == "Your name is Ann."

    alone(walk())


def test_an_agent_that_forgot_its_session_opens_a_new_one(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        lost = "0d0de4ae-5b44-4d39-9a1e-94ae6a3c9d55" if driver == "claude" else "ses_unknown"
        async with at_work(driver, env, tmp_path / "d", resume=lost) as desk:
            assert not desk.resumed
            assert desk.session != lost
            assert words(await desk.turn("please\n/say hello")) == "hello"

    alone(walk())


def test_nothing_that_an_agent_started_outlives_it(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        others = children()
        async with at_work(driver, env, tmp_path / "d") as desk:
            turn = asyncio.create_task(desk.turn(desk.shell("echo on; sleep 77.5; echo over"), "allow_once"))
            async with asyncio.timeout(90):
                while not (started := _running(others, "sleep 77.5")):
                    await asyncio.sleep(0.05)
            turn.cancel()
        _, alive = await asyncio.to_thread(psutil.wait_procs, started, 10)
        assert alive == []

    alone(walk())


def test_an_agent_sees_only_what_is_allowed_of_the_environment(
    driver: str, env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCAVE_WORKER_TOKEN", "very-secret")
    monkeypatch.setenv("DATABASE_PASSWORD", "very-secret")

    async def walk() -> None:
        given = allowed({**os.environ, **env}, env)
        async with at_work(driver, given, tmp_path / "d") as desk:
            await desk.turn(desk.shell("env > seen.txt"), "allow_once")
            seen = (desk.directory / "seen.txt").read_text()
        assert "very-secret" not in seen
        assert f"HOME={env['HOME']}" in seen

    alone(walk())


def test_what_the_model_refuses_fails_with_its_words(driver: str, env: Env, tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work(driver, env, tmp_path / "d") as desk:
            events = await desk.turn("please\n/fail invalid")
            assert (end(events), "a scripted failure" in str(events[-1])) == ("agent_error", True)
            assert words(await desk.turn("please\n/say hello")) == "hello"

    alone(walk())


def test_to_close_twice_or_before_it_was_opened_is_nothing(driver: str, env: Env) -> None:
    async def walk() -> None:
        agent = made(driver, env)
        await agent.cancel()
        await agent.close()
        await agent.close()
        assert not agent.alive

    alone(walk())


def children() -> set[psutil.Process]:
    """What this process started: other tests have theirs there, too, a browser and servers."""
    return set(psutil.Process().children())


def started_since(others: set[psutil.Process]) -> list[psutil.Process]:
    """What this process has started beside them, and everything below that."""
    started = []
    for child in children() - others:
        with suppress(psutil.NoSuchProcess):
            started += [child, *child.children(recursive=True)]
    return started


def _running(others: set[psutil.Process], command: str) -> list[psutil.Process]:
    """What was started beside the others, once the command is among it."""
    started = started_since(others)
    with suppress(psutil.Error):
        if any(" ".join(each.cmdline()) == command for each in started):
            return started
    return []
