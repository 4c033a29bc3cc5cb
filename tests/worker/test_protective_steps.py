"""Each protective step of the worker holds, and is missed when it is left out. Real processes, real agents."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.loop import alone
from tests.worker.house import House, environment_of
from tests.worker.mutants import STEPS
from tests.worker.test_replies import shell

LONG = "please\n/pace 30\nwrite 20000 characters"
SECRET = "very-secret"
LEASE_S, RENEWED_S = 20, 30.0


@pytest.fixture
def house(env: dict[str, str], tmp_path: Path) -> Iterator[House]:
    """A backend on which a silent writer counts as dead after 20 seconds, and a machine whose own environment has a secret."""
    settings = {"RUN_LEASE": str(LEASE_S), "SWEEP_SECONDS": "1"}
    made = House(tmp_path, {**environment_of(env), "DATABASE_PASSWORD": SECRET}, **settings)
    made.enrol()
    yield made
    made.close()


async def links(house: House) -> None:
    """A link that leads out of the directories is no way out."""
    (house.folder / "outside").mkdir()
    (house.work / "link").symlink_to(house.folder / "outside")
    house.run("claude")
    session = house.owner.session(house.worker, house.work / "link", agent="claude")
    assert (await house.owner.answered(session, "please\n/say hello")).get("reason") == "refused"


async def stopped(house: House) -> None:
    """What a stopped reply's tool would have done later it does not do."""
    house.run("claude")
    alice = house.owner
    session = alice.session(house.worker, house.work, agent="claude")
    message = alice.say(session, shell("claude", "touch begun; sleep 6; touch late", "/say fin"))
    alice.decide(await alice.question(session), "allow_once")
    while not (house.work / "begun").exists():
        await asyncio.sleep(0.1)  # a file that somebody else's process makes can only be looked for
    alice.does("chat:stop", sessionId=session, messageId=message)
    assert (await alice.answered(session, "please\n/say hello"))["content"].strip() == "hello"
    await asyncio.sleep(6)  # a file that is not made can only be waited for
    assert not (house.work / "late").exists()


async def renewed(house: House) -> None:
    """A question may be open for longer than a writer may be silent."""
    house.run("claude")
    alice = house.owner
    session = alice.session(house.worker, house.work, agent="claude")
    message = alice.say(session, shell("claude", "touch yes.txt", "/say fin"))
    question = await alice.question(session)
    await asyncio.sleep(RENEWED_S)  # longer than a lease
    assert alice.asks("permissions:list", sessionId=session)[-1]["state"] == "open"
    alice.decide(question, "allow_once")
    assert (await alice.reply(session, message))["status"] == "completed"


async def let_end(house: House) -> None:
    """A worker that is asked to stop lets its reply end."""
    worker = house.run("claude")
    alice = house.owner
    session = alice.session(house.worker, house.work, agent="claude")
    message = alice.say(session, "please\n/pace 40\n/repeat 150 x")
    await alice.heard(message, session, 1)
    assert await asyncio.to_thread(worker.stop) == 0
    assert (await alice.reply(session, message))["status"] == "completed"


async def replaced(house: House) -> None:
    """Of two processes of one worker one stays."""
    older = house.run("claude")
    house.run("claude")
    _, alive = await asyncio.to_thread(psutil.wait_procs, [psutil.Process(older.process.pid)], 8)
    assert alive == []


async def private(house: House) -> None:
    """A secret that others can read is not used."""
    (house.home.folder / "worker.json").chmod(0o644)
    program = house.program("run", "--dir", str(house.work), "--agent", "claude", "--no-sync")
    assert await asyncio.to_thread(program.hear, "chmod 600", 8)


async def worn_out(house: House) -> None:
    """An agent that dies again and again is not started for a while."""
    worker = house.run("claude")
    alice = house.owner
    session = alice.session(house.worker, house.work, agent="claude")
    for _ in range(3):
        message = alice.say(session, LONG)
        await alice.heard(message, session, 1)
        for each in psutil.Process(worker.process.pid).children(recursive=True):
            os.kill(each.pid, signal.SIGKILL)
        await alice.reply(session, message)
    assert (await alice.answered(session, "please\n/say hello"))["status"] == "failed"


async def kept(house: House) -> None:
    """No agent outlives its worker."""
    worker = house.run("opencode-server")
    alice = house.owner
    session = alice.session(house.worker, house.work, agent="opencode-server")
    await alice.heard(alice.say(session, LONG), session, 1)
    agents = psutil.Process(worker.process.pid).children(recursive=True)
    worker.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, agents, 8)
    for each in alive:
        each.kill()
    assert alive == []


async def told_little(house: House) -> None:
    """An agent does not get what is only the worker's."""
    house.run("claude")
    alice = house.owner
    session = alice.session(house.worker, house.work, agent="claude")
    message = alice.say(session, shell("claude", "printenv DATABASE_PASSWORD > seen; true", "/say fin"))
    alice.decide(await alice.question(session), "allow_once")
    await alice.reply(session, message)
    assert SECRET not in (house.work / "seen").read_text()


async def denied(house: House) -> None:
    """A call that was denied three times is not asked a fourth time."""
    house.run("claude")
    alice = house.owner
    session = alice.session(house.worker, house.work, agent="claude")
    message = alice.say(session, shell("claude", "touch no.txt", "/insist"))
    for _ in range(3):
        alice.decide(await alice.question(session), "reject_once")
    assert (await alice.reply(session, message, 10))["reason"] == "permission_denied"


PROMISES: dict[str, Callable[[House], Awaitable[None]]] = {
    "links are followed": links,
    "what is over elsewhere is broken off": stopped,
    "a silent reply is renewed": renewed,
    "turns may end": let_end,
    "the newer process stays": replaced,
    "a secret is read by its owner only": private,
    "an agent that dies again and again waits": worn_out,
    "agents end with their worker": kept,
    "the environment is an allow-list": told_little,
    "three denials end a turn": denied,
}


async def kept_by(house: House, promise: Callable[[House], Awaitable[None]]) -> None:
    """Run it."""
    await promise(house)


def test_every_step_that_can_be_left_out_has_a_promise() -> None:
    assert PROMISES.keys() == STEPS.keys()


@pytest.mark.parametrize("step", PROMISES)
def test_a_promise_is_kept(house: House, step: str) -> None:
    alone(kept_by(house, PROMISES[step]))


@pytest.mark.parametrize("step", PROMISES)
def test_a_promise_is_broken_without_its_step(house: House, step: str) -> None:
    house.without = step
    with pytest.raises(AssertionError):
        alone(kept_by(house, PROMISES[step]))
