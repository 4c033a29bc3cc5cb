"""The road between a worker and its backend: cut in the middle of a reply, and how much goes over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from concave_worker import limits

from tests.support.loop import alone
from tests.worker.house import House
from tests.worker.proxy import Road


@pytest.fixture
def road(house: House) -> Iterator[Road]:
    """The house's worker reaches its backend by this road."""
    made = Road(int(house.served.port))
    known = house.home.identity()
    house.home.keep(type(known)(**{**vars(known), "url": made.url}))
    yield made
    made.close()


def test_what_is_said_during_a_cut_arrives_after_it_once_and_in_order(house: House, road: Road) -> None:
    async def walk() -> None:
        worker = house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        words = "".join(f"{number}, " for number in range(200))
        message = alice.say(session, f"please\n/pace 30\n/say {words}")
        before = await alice.heard(message, session, 2)
        road.cut()
        worker.hear("the connection broke")
        await asyncio.sleep(8)
        road.mend()
        reply = await alice.reply(session, message)
        assert (reply["status"], reply["content"]) == ("completed", words.strip())
        assert reply["content"].startswith(before)
        chunks = alice.asks("chat:subscribeToChunks", sessionId=session, messageId=message, limit=64)
        assert [each["sequence"] for each in chunks] == list(range(int(chunks[0]["sequence"]), int(chunks[-1]["sequence"]) + 1))

    alone(walk())


def test_a_stop_during_a_cut_is_obeyed_after_it(house: House, road: Road) -> None:
    async def walk() -> None:
        worker = house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        message = alice.say(session, "please\n/pace 30\nwrite 20000 characters")
        await alice.heard(message, session, 1)
        road.cut()
        worker.hear("the connection broke")
        alice.does("chat:stop", sessionId=session, messageId=message)
        assert (await alice.reply(session, message))["status"] == "aborted"
        road.mend()
        assert (await alice.answered(session, "please\n/say hello"))["content"].strip() == "hello"

    alone(walk())


def test_a_thousand_words_cost_few_bytes_and_calls(house: House, road: Road) -> None:
    async def walk() -> None:
        house.run("claude")
        alice = house.owner
        session = alice.session(house.worker, house.work, agent="claude")
        await alice.answered(session, "please\n/say warm")
        before, begun = road.bytes, time.monotonic()
        message = alice.say(session, "please\n/pace 100\n/repeat 1000 word")
        reply = await alice.reply(session, message)
        assert len(reply["content"]) == 4000
        pieces = alice.asks("chat:subscribeToChunks", sessionId=session, messageId=message)[-1]["sequence"] + 1
        assert pieces <= (time.monotonic() - begun) / limits.FLUSH_S + 10
        # the text twice, in pieces and whole; a kilobyte and a half around each piece; heartbeats
        assert road.bytes - before < 2 * 4000 + pieces * 2000 + 20_000

    alone(walk())
