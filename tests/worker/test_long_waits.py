"""What only time brings: a machine that is not heard of, and a question that nobody decides. By the real clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loop import alone
from tests.worker.house import House, environment_of
from tests.worker.test_replies import shell

LONG = "please\n/pace 30\nwrite 20000 characters"
LEASE_S, AWAY_S, OFFLINE_S = 60.0, 90.0, 120.0
SLOW_MACHINE_S = 15.0


@pytest.fixture
def house(env: dict[str, str], tmp_path: Path) -> Iterator[House]:
    """A backend with one enrolled machine that does not run yet; a question waits for a minute."""
    made = House(tmp_path, environment_of(env), PERMISSION_MINUTES="1")
    made.enrol()
    yield made
    made.close()


@pytest.mark.timeout(240)
def test_a_worker_that_is_gone_for_90_seconds_is_offline_and_goes_on_with_what_waits_when_it_is_back(house: House) -> None:
    async def walk() -> None:
        worker, alice = house.run("claude"), house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        assert (await alice.answered(session, "my name is Ann\n/say noted"))["status"] == "completed"
        first = alice.say(session, LONG)
        words = await alice.heard(first, session, 2)
        worker.kill()
        gone = time.monotonic()
        second = alice.say(session, "what is my name")
        reply = await alice.reply(session, first, LEASE_S + 2 * SLOW_MACHINE_S)
        assert reply["status"] == "interrupted"
        assert reply["content"].startswith(words)
        await alice.when("machines:list", {}, lambda said: said[0]["status"] == "offline", OFFLINE_S + SLOW_MACHINE_S)
        assert time.monotonic() - gone > AWAY_S - 30
        (machine,) = alice.asks("machines:list")
        assert machine["offlineSince"] > 0
        waiting = alice.asks("chat:getMessages", sessionId=session)[-1]
        assert (waiting["messageId"], waiting["status"]) == (second, "pending")
        house.run("claude")
        reply = await alice.reply(session, second)
        assert (reply["status"], reply["content"].strip()) == ("completed", "Your name is Ann.")
        assert alice.asks("machines:list")[0]["status"] == "online"

    alone(walk())


def test_a_question_that_nobody_decides_is_denied_and_the_reply_goes_on(house: House) -> None:
    async def walk() -> None:
        house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        message = alice.say(session, shell("claude", "touch no.txt", "/say fin"))
        await alice.question(session)
        await alice.when("permissions:list", {"sessionId": session}, lambda said: said[-1]["state"] == "expired", 90)
        reply = await alice.reply(session, message)
        assert reply["status"] == "completed"
        assert "Nobody decided in time" in reply["content"]
        assert reply["content"].endswith("fin")
        assert not (house.work / "no.txt").exists()

    alone(walk())
