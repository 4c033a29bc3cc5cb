"""A machine whose backend is on a DynamoDB engine, its sockets in memory and in rows: one walk through a reply's whole life."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.loop import alone
from tests.walk.conftest import engine as engine
from tests.walk.conftest import on
from tests.worker.house import House, Person, Refusal, environment_of
from tests.worker.test_replies import shell

LONG = "please\n/pace 30\nwrite 20000 characters"


@pytest.fixture(params=["rows", "owner"])
def house(request: pytest.FixtureRequest, env: dict[str, str], engine: Engine, tmp_path: Path) -> Iterator[House]:
    """A backend with one enrolled machine that does not run yet; everything is kept by a DynamoDB engine."""
    made = House(tmp_path, environment_of(env), LIVE=request.param, **on(engine))
    made.enrol()
    yield made
    made.close()


async def answers(house: House, session: str) -> None:
    """A streamed answer; a command that is allowed, and one that is not."""
    alice = house.owner
    message = alice.say(session, "please\n/pace 40\nwrite 600 characters")
    words = await alice.heard(message, session, 3)
    reply = await alice.reply(session, message)
    assert (reply["status"], len(reply["content"].strip())) == ("completed", 600)
    assert reply["content"].startswith(words)
    for name, decision in (("yes", "allow_once"), ("no", "reject_once")):
        message = alice.say(session, shell("claude", f"touch {name}.txt", "/say fin"))
        alice.decide(await alice.question(session), decision)
        assert (await alice.reply(session, message))["status"] == "completed"
        assert (house.work / f"{name}.txt").exists() == (name == "yes")


async def is_stopped(house: House, session: str) -> None:
    """A reply that its reader stops keeps its text."""
    alice = house.owner
    message = alice.say(session, LONG)
    words = await alice.heard(message, session, 2)
    alice.does("chat:stop", sessionId=session, messageId=message)
    reply = await alice.reply(session, message)
    assert reply["status"] == "aborted"
    assert reply["content"].startswith(words)


async def outlives_its_backend(house: House, session: str) -> None:
    """A backend that is killed has the whole answer in the end, and the question that was open."""
    alice = house.owner
    message = alice.say(session, "please\n/pace 40\n/repeat 200 x")
    await alice.heard(message, session, 2)
    house.served.kill()
    house.served.start()
    assert (await alice.reply(session, message))["content"].strip() == "x" * 200
    message = alice.say(session, shell("claude", "touch later.txt", "/say fin"))
    question = await alice.question(session)
    house.served.kill()
    house.served.start()
    alice.decide(question, "allow_once")
    assert (await alice.reply(session, message))["content"] == "fin"
    assert (house.work / "later.txt").exists()


def test_a_machine_works_on_dynamodb_as_it_does_on_a_laptop(house: House) -> None:
    async def walk() -> None:
        worker, alice = house.run("claude"), house.owner
        with pytest.raises(Refusal) as refused:
            Person(house.url, "bob").session(house.worker, house.work)
        assert refused.value.code == "WorkerNotFound"
        session = alice.session(house.worker, house.work, agent="claude")
        assert (await alice.answered(session, "my name is Ann\n/say noted"))["status"] == "completed"
        await answers(house, session)
        await is_stopped(house, session)
        await outlives_its_backend(house, session)
        first, second = alice.say(session, LONG), alice.say(session, "what is my name")
        words = await alice.heard(first, session, 2)
        worker.kill()
        worker = house.run("claude")
        reply = await alice.reply(session, first)
        assert reply["status"] == "interrupted"
        assert reply["content"].startswith(words)
        assert (await alice.reply(session, second))["content"].strip() == "Your name is Ann."
        newer = house.run("claude")
        assert worker.ended() == 4
        message = alice.say(session, LONG)
        words = await alice.heard(message, session, 2)
        await asyncio.to_thread(alice.does, "workers:revoke", workerId=house.worker)
        assert newer.ended() == 3
        assert (await alice.reply(session, message))["content"].startswith(words)

    alone(walk())
