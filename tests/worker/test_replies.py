"""Replies by a real worker: streamed, with tools and permissions, stopped, and with a memory."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.loop import alone
from tests.worker.agents import SHELL
from tests.worker.house import House

AGENTS = ("opencode", "opencode-server", "claude")


def shell(agent: str, command: str, *more: str) -> str:
    """A message that orders a command."""
    name = SHELL["claude" if agent == "claude" else "opencode"]
    return "\n".join([f"please\n/use {name} {json.dumps({'command': command, 'description': 'a test'})}", *more])


@pytest.mark.parametrize("agent", AGENTS)
def test_an_answer_streams_and_is_the_same_in_the_end(house: House, agent: str) -> None:
    async def walk() -> None:
        house.run(agent)
        alice = house.owner
        session = alice.session(house.worker, house.work, agent=agent)
        message = alice.say(session, "please\n/pace 40\n/think hm hm\nwrite 600 characters")
        words = await alice.heard(message, session, 3)
        reply = await alice.reply(session, message)
        assert (reply["status"], len(reply["content"].strip())) == ("completed", 600)
        assert reply["content"].startswith(words)
        assert reply["reasoning"] == "hm hm"
        assert reply["usage"]["output_tokens"] > 0
        told = alice.asks("chat:getSession", sessionId=session)
        assert told["agentSessionId"]
        assert told["worker"]["status"] == "online"

    alone(walk())


@pytest.mark.parametrize("agent", AGENTS)
def test_the_sessions_owner_decides_whether_a_tool_runs(house: House, agent: str) -> None:
    async def walk() -> None:
        house.run(agent)
        alice = house.owner
        session = alice.session(house.worker, house.work, agent=agent)
        message = alice.say(session, shell(agent, "echo made > yes.txt; cat yes.txt", "/say fin"))
        question = await alice.question(session)
        assert "echo made > yes.txt" in question["title"]
        assert not (house.work / "yes.txt").exists()
        alice.decide(question, "allow_once")
        reply = await alice.reply(session, message)
        assert (reply["status"], reply["content"], (house.work / "yes.txt").read_text()) == ("completed", "fin", "made\n")
        call, result = [each for each in reply["parts"] if each["type"].startswith("tool")]
        assert (call["id"], call["status"], result["id"]) == (question["toolCallId"], "completed", call["id"])
        assert result["content"].strip() == "made"

        message = alice.say(session, shell(agent, "echo made > no.txt", "/say fin"))
        alice.decide(await alice.question(session), "reject_once")
        reply = await alice.reply(session, message)
        assert reply["status"] == "completed"
        assert not (house.work / "no.txt").exists()
        assert [each["isError"] for each in reply["parts"] if each["type"] == "tool_result"] == [True]

    alone(walk())


def test_always_is_remembered_by_the_session_also_when_its_agent_is_started_again(house: House) -> None:
    async def walk() -> None:
        worker = house.run()
        alice = house.owner
        session = alice.session(house.worker, house.work)
        message = alice.say(session, shell("opencode", "touch one", "/say fin"))
        alice.decide(await alice.question(session), "allow_always")
        assert (await alice.reply(session, message))["status"] == "completed"
        worker.stop()
        house.run()
        assert (await alice.answered(session, shell("opencode", "touch one", "/say fin")))["content"] == "fin"
        other = alice.session(house.worker, house.work)
        alice.say(other, shell("opencode", "touch one", "/say fin"))
        assert (await alice.question(other))["state"] == "open"

    alone(walk())


@pytest.mark.parametrize("agent", AGENTS)
def test_a_stop_ends_a_reply_and_keeps_its_text_and_takes_its_question_back(house: House, agent: str) -> None:
    async def walk() -> None:
        house.run(agent)
        alice = house.owner
        session = alice.session(house.worker, house.work, agent=agent)
        message = alice.say(session, "please\n/pace 30\nwrite 20000 characters")
        words = await alice.heard(message, session, 2)
        alice.does("chat:stop", sessionId=session, messageId=message)
        reply = await alice.reply(session, message)
        assert reply["status"] == "aborted"
        assert reply["content"].startswith(words)
        message = alice.say(session, shell(agent, "touch no.txt"))
        question = await alice.question(session)
        alice.does("chat:stop", sessionId=session, messageId=message)
        assert (await alice.reply(session, message))["status"] == "aborted"
        assert (await alice.question(session, "cancelled"))["requestId"] == question["requestId"]
        assert (await alice.answered(session, "please\n/say still here"))["content"].strip() == "still here"
        assert not (house.work / "no.txt").exists()

    alone(walk())


@pytest.mark.parametrize("agent", AGENTS)
def test_a_session_remembers_its_turns_when_its_worker_is_started_again(house: House, agent: str) -> None:
    async def walk() -> None:
        worker = house.run(agent)
        alice = house.owner
        session = alice.session(house.worker, house.work, agent=agent)
        assert (await alice.answered(session, "my name is Ann\n/say noted"))["status"] == "completed"
        assert worker.stop() == 0
        await alice.when("machines:list", {}, lambda said: said[0]["status"] == "offline")
        message = alice.say(session, "what is my name")
        house.run(agent)
        assert (await alice.reply(session, message))["content"].strip() == "Your name is Ann."

    alone(walk())


def test_four_sessions_at_once_are_answered_each_in_its_own_place(house: House) -> None:
    async def walk() -> None:
        house.run()
        alice = house.owner
        folders = [house.work / name for name in ("a", "b", "c", "d")]
        for folder in folders:
            folder.mkdir()
        sessions = [alice.session(house.worker, folder) for folder in folders]
        words = [f"please\n/pace 40\n/repeat 30 {folder.name}" for folder in folders]
        replies = await asyncio.gather(*(alice.answered(*each) for each in zip(sessions, words, strict=True)))
        said = [(reply["status"], reply.get("reason"), reply["content"].strip()) for reply in replies]
        assert said == [("completed", None, folder.name * 30) for folder in folders]

    alone(walk())


def test_a_long_answer_arrives_whole(house: House) -> None:
    async def walk() -> None:
        house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        reply = await alice.answered(session, "please\n/pace 0\nwrite 60000 characters")
        assert reply["status"] == "completed"
        whole = alice.asks("chat:getMessagePart", sessionId=session, messageId=reply["messageId"], field="content")
        assert len(str(whole)) >= 60000 or len(reply["content"]) == 60000

    alone(walk())


def test_what_the_model_refuses_fails_with_its_words(house: House) -> None:
    async def walk() -> None:
        house.run()
        alice = house.owner
        session = alice.session(house.worker, house.work)
        reply = await alice.answered(session, "please\n/fail invalid")
        assert (reply["status"], reply["reason"]) == ("failed", "agent_error")
        assert "a scripted failure" in json.dumps(reply["parts"])

    alone(walk())
