"""A turn that an agent does not end by itself ends, and questions that nobody answers mean no."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from concave_worker.agents.events import scope
from concave_worker.agents.guard import Guarded, Limits
from concave_worker.decisions import Decisions, outcome

from tests.support.loop import alone
from tests.worker.agents import at_work, end, words

OPTIONS = [
    {"optionId": "y", "kind": "allow_once", "name": "Yes"},
    {"optionId": "a", "kind": "allow_always", "name": "Always"},
    {"optionId": "n", "kind": "reject_once", "name": "No"},
]


@pytest.mark.parametrize(
    ("limits", "message", "code"),
    [
        (Limits(silence_s=1.5), "please\n/fail stall 3\nwrite 400 characters", "timeout"),
        (Limits(turn_s=1.5), "please\n/pace 20\nwrite 4000 characters", "deadline"),
        (Limits(characters=1000), "please\n/pace 400\nwrite 8000 characters", "too_large"),
    ],
)
def test_a_turn_keeps_its_limits_and_the_next_one_works(
    limits: Limits, message: str, code: str, env: dict[str, str], tmp_path: Path
) -> None:
    async def walk() -> None:
        async with at_work("claude", env, tmp_path / "d") as desk:
            desk.agent = Guarded(desk.agent, limits)
            events = await desk.turn(message)
            assert end(events) == code
            assert len(events) > 1
            assert words(await desk.turn("please\n/say hello")) == "hello"

    alone(walk())


def test_neither_a_question_nor_a_running_tool_is_silence(env: dict[str, str], tmp_path: Path) -> None:
    async def walk() -> None:
        async with at_work("claude", env, tmp_path / "d") as desk:
            guarded = Guarded(desk.agent, Limits(silence_s=4))
            turn = aiter(guarded.prompt(desk.shell("sleep 5; echo over", "/say fin")))
            said = []
            async for event in turn:
                said.append(event)
                if type(event).__name__ == "Permission":
                    await asyncio.sleep(5)
                    await guarded.answer(event.id, "allow_once")  # type: ignore[union-attr]
            assert (end(said), words(said)) == ("end_turn", "fin")

    alone(walk())


@pytest.mark.parametrize(
    ("closed", "decision"),
    [
        ({"state": "allowed", "optionId": "y"}, "allow_once"),
        ({"state": "allowed", "optionId": "a"}, "allow_always"),
        ({"state": "denied", "optionId": "n"}, "deny"),
        ({"state": "expired"}, "deny"),
        ({"state": "cancelled"}, "cancelled"),
    ],
)
def test_what_a_closed_question_means(closed: dict[str, Any], decision: str) -> None:
    made, note = outcome({"title": "touch x", "options": OPTIONS, **closed})
    assert (made, "touch x" in note) == (decision, closed["state"] == "expired")


def test_a_decision_reaches_whoever_waits_also_when_it_came_first() -> None:
    async def walk() -> None:
        decisions = Decisions()
        question: dict[str, Any] = {"requestId": "q", "state": "open", "title": "touch x", "options": OPTIONS}
        decisions.heard([question])
        waiting = asyncio.create_task(decisions.decided(question))
        await asyncio.sleep(0)
        decisions.heard([{**question, "state": "allowed", "optionId": "a"}])
        assert await waiting == ("allow_always", "")
        assert await decisions.decided(question) == ("allow_always", "")

    alone(walk())


def test_always_covers_the_same_command_or_the_tool() -> None:
    assert scope("bash", {"command": "ls"}) != scope("bash", {"command": "rm -rf /"})
    assert scope("edit", {"path": "a"}) == scope("edit", {"path": "b"})
