"""What goes wrong under a reply: agents, workers and backends that die, owners that change their mind."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil
import pytest

from tests.support.loop import alone
from tests.worker.agents import opencode_program
from tests.worker.house import House, MachineProcess, Person, Refusal
from tests.worker.test_replies import AGENTS, shell

LONG = "please\n/pace 30\nwrite 20000 characters"


def agents_of(worker: MachineProcess) -> list[psutil.Process]:
    """The processes of its agents."""
    return psutil.Process(worker.process.pid).children(recursive=True)


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_that_is_killed_fails_its_reply_and_the_next_turn_works(house: House, agent: str) -> None:
    async def walk() -> None:
        worker = house.run(agent)
        alice = house.owner
        session = alice.session(house.worker, house.work, agent=agent)
        await alice.answered(session, "my name is Ann\n/say noted")
        message = alice.say(session, LONG)
        words = await alice.heard(message, session, 2)
        for each in agents_of(worker):
            os.kill(each.pid, signal.SIGKILL)
        reply = await alice.reply(session, message)
        assert (reply["status"], reply["reason"]) == ("failed", "agent_crashed")
        assert reply["content"].startswith(words)
        assert (await alice.answered(session, "what is my name"))["content"].strip() == "Your name is Ann."

    alone(walk())


def test_an_agent_that_ends_as_it_starts_is_started_once_more(house: House) -> None:
    async def walk() -> None:
        program = house.folder / "opencode"
        tried = house.folder / "tried"
        locked = f'if [ "$1" = acp ] && [ ! -e {tried} ]; then touch {tried}; echo database is locked >&2; exit 1; fi'
        program.write_text(f'#!/bin/sh\n{locked}\nexec {opencode_program()} "$@"\n')
        program.chmod(0o755)
        worker = house.program("run", "--dir", str(house.work), "--agent", f"opencode={program}", "--no-sync")
        worker.hear("INFO ready")
        alice = house.owner
        session = alice.session(house.worker, house.work)
        assert (await alice.answered(session, "please\n/say hello"))["content"].strip() == "hello"
        assert tried.exists()

    alone(walk())


def test_an_agent_that_dies_again_and_again_is_not_started_for_a_while(house: House) -> None:
    async def walk() -> None:
        worker = house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        for _ in range(3):
            message = alice.say(session, LONG)
            await alice.heard(message, session, 1)
            for each in agents_of(worker):
                os.kill(each.pid, signal.SIGKILL)
            assert (await alice.reply(session, message))["reason"] == "agent_crashed"
        reply = await alice.answered(session, "please\n/say hello")
        assert (reply["status"], reply["reason"], reply["content"]) == ("failed", "agent_crashed", "")
        assert agents_of(worker) == []
        other = alice.session(house.worker, house.work, agent="claude")
        assert (await alice.answered(other, "please\n/say hello"))["content"] == "hello"

    alone(walk())


@pytest.mark.parametrize("agent", AGENTS)
def test_a_worker_that_is_killed_and_comes_back_ends_its_reply_with_its_text_and_goes_on_with_the_next(
    house: House, agent: str
) -> None:
    async def walk() -> None:
        worker = house.run(agent)
        alice = house.owner
        session = alice.session(house.worker, house.work, agent=agent)
        first = alice.say(session, LONG)
        second = alice.say(session, "please\n/say hello")
        words = await alice.heard(first, session, 2)
        started = agents_of(worker)
        worker.kill()
        house.run(agent)
        reply = await alice.reply(session, first)
        assert reply["status"] == "interrupted"
        assert reply["content"].startswith(words)
        assert (await alice.reply(session, second))["content"].strip() == "hello"
        _, alive = await asyncio.to_thread(psutil.wait_procs, started, 10)
        assert alive == []

    alone(walk())


@pytest.mark.parametrize("agent", ["opencode", "claude"])
def test_a_question_outlives_the_backend(house: House, agent: str) -> None:
    async def walk() -> None:
        house.run(agent)
        alice = house.owner
        session = alice.session(house.worker, house.work, agent=agent)
        message = alice.say(session, shell(agent, "touch yes.txt", "/say fin"))
        question = await alice.question(session)
        house.served.kill()
        house.served.start()
        alice.decide(question, "allow_once")
        reply = await alice.reply(session, message)
        assert (reply["status"], reply["content"]) == ("completed", "fin")
        assert (house.work / "yes.txt").exists()

    alone(walk())


def test_a_backend_that_is_killed_and_comes_back_has_the_whole_answer(house: House) -> None:
    async def walk() -> None:
        house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        message = alice.say(session, "please\n/pace 40\n/repeat 300 x")
        await alice.heard(message, session, 2)
        house.served.kill()
        await asyncio.sleep(2)  # what is said meanwhile waits for the backend
        house.served.start()
        reply = await alice.reply(session, message)
        assert (reply["status"], reply["content"].strip()) == ("completed", "x" * 300)

    alone(walk())


def test_a_worker_that_is_revoked_stops_at_once_and_ends_with_3(house: House) -> None:
    async def walk() -> None:
        worker = house.run()
        alice = house.owner
        session = alice.session(house.worker, house.work)
        message = alice.say(session, LONG)
        words = await alice.heard(message, session, 2)
        started = agents_of(worker)
        alice.does("workers:revoke", workerId=house.worker)
        assert worker.ended() == 3
        reply = await alice.reply(session, message)
        assert reply["status"] in ("interrupted", "failed", "aborted")
        assert reply["content"].startswith(words)
        _, alive = await asyncio.to_thread(psutil.wait_procs, started, 10)
        assert alive == []
        assert house.program("run", "--dir", str(house.work), "--agent", f"opencode={opencode_program()}").ended() == 3

    alone(walk())


def test_of_two_processes_of_one_worker_the_newer_one_stays_and_the_older_ends_with_4(house: House) -> None:
    async def walk() -> None:
        older = house.run()
        house.run()
        assert older.ended() == 4
        alice = house.owner
        session = alice.session(house.worker, house.work)
        assert (await alice.answered(session, "please\n/say hello"))["content"].strip() == "hello"

    alone(walk())


def test_a_worker_that_is_asked_to_stop_lets_its_reply_end(house: House) -> None:
    async def walk() -> None:
        worker = house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        message = alice.say(session, "please\n/pace 40\n/repeat 150 x")
        await alice.heard(message, session, 1)
        assert worker.stop() == 0
        reply = await alice.reply(session, message)
        assert (reply["status"], reply["content"].strip()) == ("completed", "x" * 150)
        told = alice.asks("machines:list")
        assert told[0]["status"] == "offline"

    alone(walk())


def test_a_worker_that_is_told_to_stop_now_breaks_its_reply_off_and_says_so(house: House) -> None:
    async def walk() -> None:
        worker = house.run()
        alice = house.owner
        session = alice.session(house.worker, house.work)
        message = alice.say(session, LONG)
        words = await alice.heard(message, session, 2)
        stopping = house.program("stop", "--now")
        assert (worker.ended(), stopping.ended()) == (0, 0)
        reply = await alice.reply(session, message)
        assert (reply["status"], reply["reason"]) == ("failed", "worker_stopped")
        assert reply["content"].startswith(words)

    alone(walk())


def test_a_colleague_has_nothing_on_my_worker_until_it_is_shared(house: House) -> None:
    async def walk() -> None:
        house.run()
        bob, foreigner = Person(house.url, "bob"), Person(house.url, "mallory", "elsewhere")
        for stranger in (bob, foreigner):
            with pytest.raises(Refusal) as refused:
                stranger.session(house.worker, house.work)
            assert refused.value.code == "WorkerNotFound"
        house.owner.does("workers:share", workerId=house.worker, audience="org")
        session = bob.session(house.worker, house.work)
        assert (await bob.answered(session, "please\n/say hello"))["content"].strip() == "hello"
        message = bob.say(session, shell("opencode", "touch yes.txt", "/say fin"))
        question = await bob.question(session)
        with pytest.raises(Refusal) as refused:
            house.owner.decide(question, "allow_once")
        assert refused.value.code == "PermissionNotFound"
        bob.decide(question, "allow_once")
        assert (await bob.reply(session, message))["status"] == "completed"

    alone(walk())


def test_a_directory_that_the_process_does_not_open_is_refused_also_behind_a_link(house: House) -> None:
    async def walk() -> None:
        outside = house.folder / "outside"
        outside.mkdir()
        (house.work / "link").symlink_to(outside)
        house.run("claude")
        alice = house.owner
        with pytest.raises(Refusal) as refused:
            alice.session(house.worker, outside)
        assert refused.value.code == "DirectoryNotAllowed"
        session = alice.session(house.worker, house.work / "link", agent="claude")
        reply = await alice.answered(session, "please\n/say hello")
        assert (reply["status"], reply["reason"], reply["content"]) == ("failed", "refused", "")
        gone = alice.session(house.worker, house.work / "gone", agent="claude")
        assert (await alice.answered(gone, "please\n/say hello"))["reason"] == "refused"

    alone(walk())


def test_a_session_that_is_ended_ends_its_agent(house: House) -> None:
    async def walk() -> None:
        worker = house.run()
        alice = house.owner
        session = alice.session(house.worker, house.work)
        await alice.answered(session, "please\n/say hello")
        started = agents_of(worker)
        assert started
        alice.does("chat:endSession", sessionId=session)
        _, alive = await asyncio.to_thread(psutil.wait_procs, started, 15)
        assert alive == []

    alone(walk())


def test_an_agent_that_is_not_here_fails_with_its_name(house: House) -> None:
    async def walk() -> None:
        house.run()
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="opencode")
        assert (await alice.answered(session, "please\n/say hello"))["status"] == "completed"
        with pytest.raises(Refusal) as refused:
            alice.session(house.worker, house.work, agent="goose")
        assert refused.value.code == "AgentNotFound"

    alone(walk())
