"""Bytes follow the change (invariant 10; check 14): what a watcher is sent for a reply, counted."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.replies.sessions import CHUNK_PAGE
from infra.local.model.server import ScriptedModel
from tests.functions.mutants import BYTES
from tests.functions.tabs import Live, Tab

CHUNK = 400


def written(model: ScriptedModel, chars: int, follows: Any) -> tuple[int, str]:
    """A worker writes a reply of so many characters, and `follows` watches it. Returns the bytes it was sent, and its text."""
    house = Live(model)
    alice, worker = house.person_of("alice@acme"), house.person_of("w@acme+worker")
    session = alice.mutation("chat:startSession", workerId="w")
    reply = alice.mutation("chat:sendMessage", sessionId=session, content="go on")
    tab = house.tab("alice@acme")
    watcher = follows(tab, session, reply)
    before = tab.received
    for number in range(chars // CHUNK):
        worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="x" * CHUNK, sequence=number)
        house.tell()
        watcher()
    return tab.received - before, watcher.text


class Follower:
    """The query is asked again after the last chunk that is here."""

    path, more = "chat:subscribeToChunks", {"after": -1}

    def __init__(self, tab: Tab, session: str, reply: str) -> None:
        self.tab, self.args = tab, {"sessionId": session, "messageId": reply}
        self.text, self.after = "", -1
        self.query = tab.client.subscribe(self.path, {**self.args, **self.more})
        tab.flush()

    def __call__(self) -> None:
        while news := [each for each in self.tab.client.value(self.query) if each["sequence"] > self.after]:
            self.text += "".join(each["chunk"] for each in news)
            self.after = news[-1]["sequence"]
            self.tab.client.unsubscribe(self.query)
            self.query = self.tab.client.subscribe("chat:subscribeToChunks", {**self.args, "after": self.after})
            self.tab.flush()


class Bystander(Follower):
    """Watches the first page, and never moves."""

    def __call__(self) -> None:
        self.text = "".join(each["chunk"] for each in self.tab.client.value(self.query))


class Reader(Bystander):
    """The shipped page's way: the newest chunk is added to what is here."""

    path, more = "chat:followReply", {"limit": 1}

    def __call__(self) -> None:
        newest = self.tab.client.value(self.query)[-1]
        assert newest["sequence"] == self.after + 1
        self.text, self.after = self.text + newest["chunk"], newest["sequence"]


def a_reply_costs_its_length(model: ScriptedModel) -> None:
    """10,000 and 40,000 characters to a watcher that moves its cursor: at most six bytes a character, and four times as many."""
    sizes = {}
    for chars in (10_000, 40_000):
        sizes[chars], text = written(model, chars, Follower)
        assert text == "x" * chars
        assert sizes[chars] <= 6 * chars, sizes
    assert sizes[40_000] <= 4.5 * sizes[10_000], sizes


def a_followed_reply_costs_little_more_than_its_text(model: ScriptedModel) -> None:
    """To who follows its newest chunk: less than two bytes a character, however long it is."""
    for chars in (10_000, 40_000):
        size, text = written(model, chars, Reader)
        assert text == "x" * chars
        assert size <= 2 * chars, size


def a_full_page_costs_nothing_more(model: ScriptedModel) -> None:
    """Who watches one page of a reply pays for that page, however long the reply becomes."""
    short, page = written(model, CHUNK_PAGE * CHUNK, Bystander)
    long, same = written(model, 100 * CHUNK, Bystander)
    assert len(page) == CHUNK_PAGE * CHUNK
    assert (long, same) == (short, page), (short, long)


CAUGHT_BY = {
    "a watcher moves its cursor": a_reply_costs_its_length,
    "a follower is told what is new": a_followed_reply_costs_little_more_than_its_text,
    "chunks come in pages": a_full_page_costs_nothing_more,
    "what did not change is not told": a_full_page_costs_nothing_more,
}


@pytest.mark.parametrize("claim", dict.fromkeys(CAUGHT_BY.values()), ids=lambda claim: claim.__name__)
def test_it_is_kept(claim: Any, model: ScriptedModel) -> None:
    claim(model)


@pytest.mark.parametrize("step", BYTES)
def test_it_is_broken_without(step: str, model: ScriptedModel) -> None:
    """Each invariant has tests that fail when its protective step is switched off."""
    with BYTES[step](), pytest.raises(AssertionError):
        CAUGHT_BY[step](model)
