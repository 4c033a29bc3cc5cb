"""`kill -9` of the agent, the worker and the backend at every step of a reply, by enumeration.

A step is a call of the worker's that is on its way, or whose answer is; a question that is open; a tool that runs. What was
accepted stays, the reply ends, and the next turn of the same session works.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from tests.support.loop import alone
from tests.worker.house import House, MachineProcess
from tests.worker.proxy import Road, Side
from tests.worker.test_replies import shell

TEXT = "please\n/pace 60\n/repeat 150 x"
WHOLE = "x" * 150
BOUND_S = 30.0
AGENT, WORKER, BACKEND = "agent", "worker", "backend"


@dataclass(frozen=True)
class Step:
    """A step, and how its reply ends when each of the three is killed there (`-`: there is nobody to kill)."""

    call: str
    side: Side
    agent: str
    worker: str
    backend: str = "completed"
    tool: bool = False
    after: int = 0

    def ends(self, victim: str) -> str:
        """How its reply ends."""
        return {AGENT: self.agent, WORKER: self.worker, BACKEND: self.backend}[victim]


STEPS = (
    Step("work:claim", "asked", "-", "completed"),
    Step("work:claim", "answered", "-", "interrupted"),
    Step("chat:sessionReady", "asked", "failed", "interrupted"),
    Step("chat:sessionReady", "answered", "failed", "interrupted"),
    Step("chat:writeChunk", "asked", "failed", "interrupted", after=1),
    Step("chat:writeChunk", "answered", "failed", "interrupted", after=1),
    Step("permissions:ask", "asked", "failed", "interrupted", tool=True),
    Step("permissions:ask", "answered", "failed", "interrupted", tool=True),
    Step("chat:completeMessage", "asked", "completed", "interrupted"),
    Step("chat:completeMessage", "answered", "completed", "completed"),
)


@pytest.fixture
def road(house: House) -> Iterator[Road]:
    """The house's worker reaches its backend by this road."""
    made = Road(int(house.served.port))
    known = house.home.identity()
    house.home.keep(type(known)(**{**vars(known), "url": made.url}))
    yield made
    made.close()


def kill(house: House, worker: MachineProcess, victim: str) -> None:
    """`kill -9`."""
    if victim == WORKER:
        worker.kill()
    elif victim == BACKEND:
        house.served.kill()
    else:
        for each in psutil.Process(worker.process.pid).children(recursive=True):
            os.kill(each.pid, signal.SIGKILL)


def back(house: House, worker: MachineProcess, victim: str) -> MachineProcess:
    """What starts it again, if anything must."""
    if victim == BACKEND:
        house.served.start()
    return house.run("claude") if victim == WORKER else worker


def accepted(house: House, session: str, message: str) -> str:
    """The words of a reply that the backend has."""
    pieces = house.owner.asks("chat:subscribeToChunks", sessionId=session, messageId=message, limit=64)
    return "".join(each["chunk"] for each in pieces)


async def still_works(house: House, session: str, where: object) -> None:
    """The next turn. An agent that was killed in its first one says that it forgot."""
    reply = await house.owner.answered(session, "please\n/say still here", BOUND_S)
    told = reply["status"], reply["content"].strip()[-len("still here") :]
    assert told == ("completed", "still here"), (where, reply.get("reason"), reply.get("parts"))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("victim", [AGENT, WORKER, BACKEND])
def test_whoever_is_killed_at_whichever_call_the_reply_ends_with_what_was_accepted(house: House, road: Road, victim: str) -> None:
    async def walk() -> None:
        worker, alice = house.run("claude"), house.owner
        for step in STEPS:
            if step.ends(victim) == "-":
                continue
            session = alice.session(house.worker, house.work, agent="claude")
            held = road.hold(step.call, step.side, step.after)
            message = alice.say(session, shell("claude", "touch made.txt", "/say fin") if step.tool else TEXT)
            assert await asyncio.to_thread(held.here.wait, BOUND_S), step
            words = accepted(house, session, message)
            kill(house, worker, victim)
            road.let_go(held, lost=victim == WORKER)
            worker = back(house, worker, victim)
            if step.tool and step.ends(victim) == "completed":
                alice.decide(await alice.question(session), "allow_once")
            reply = await alice.reply(session, message, BOUND_S)
            assert (step, reply["status"]) == (step, step.ends(victim)), reply
            assert reply["content"].startswith(words), step
            if reply["status"] == "completed":
                assert reply["content"].strip() == ("fin" if step.tool else WHOLE), step
            await still_works(house, session, step)

    alone(walk())


@pytest.mark.parametrize("victim", [AGENT, WORKER, BACKEND])
def test_whoever_is_killed_while_a_question_is_open_or_a_tool_runs_the_reply_ends(house: House, victim: str) -> None:
    async def walk() -> None:
        worker, alice = house.run("claude"), house.owner
        ends = {AGENT: "failed", WORKER: "interrupted", BACKEND: "completed"}[victim]
        for running in (False, True):
            session = alice.session(house.worker, house.work, agent="claude")
            begun = house.work / "begun"
            message = alice.say(session, shell("claude", "touch begun; sleep 5; rm begun", "/say fin"))
            question = await alice.question(session)
            if running:
                alice.decide(question, "allow_once")
                while not begun.exists():
                    await asyncio.sleep(0.1)  # a file that somebody else's process makes can only be looked for
            kill(house, worker, victim)
            worker = back(house, worker, victim)
            if not running and victim == BACKEND:
                alice.decide(question, "allow_once")
            reply = await alice.reply(session, message, BOUND_S)
            assert (running, reply["status"]) == (running, ends), reply
            if not running and victim != BACKEND:
                assert (await alice.question(session, "cancelled"))["requestId"] == question["requestId"]
            await still_works(house, session, running)
            begun.unlink(missing_ok=True)

    alone(walk())
