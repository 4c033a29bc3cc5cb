"""A reply is followed by its newest chunk: the page adds each to what it has, and asks once for what it missed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.walk.server import Served
from tests.web.bundled import told_by
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader, flat, worker
from tests.web.road import HOST, Road

DRIVER = r"""
import { begin, take } from "./following.js";

let state = 11; // the same replies every time
const random = (n) => {
  state = (state * 1103515245 + 12345) % 2147483648;
  return Math.floor((state / 2147483648) * n);
};
const total = { rounds: 0, gaps: 0, widest: 0, narrowed: 0 };

for (let round = 0; round < 400; round++) {
  const skips = random(4); // how often chunks come together: never, or nearly always
  let sequence = 0;
  const chunks = Array.from({ length: random(120) + 1 }, (_, number) => {
    const part = random(9) === 0 ? { type: "tool_call", id: `${number}` } : undefined;
    const chunk = { sequence, chunk: part ? "" : `${number} `, ...(part && { part }) };
    sequence += random(30) === 0 ? 2 : 1; // a worker may leave a number out
    return chunk;
  });
  let followed = begin("m"), there = 0, width = 1, before = "";
  while (followed.last < chunks.at(-1).sequence) {
    there = Math.min(chunks.length, there + 1 + (random(4) < skips ? random(12) : 0));
    for (let look = 0; look < 3; look++) {
      const late = random(3) === 0; // what was asked for is not here yet
      const page = followed.missing && !late
        ? chunks.filter(({ sequence }) => sequence > followed.last).slice(0, followed.missing)
            .filter((each) => chunks.indexOf(each) < there)
        : undefined;
      const next = take(followed, chunks.slice(Math.max(0, there - followed.width), there), page);
      if (!followed.missing && next.missing) total.gaps += 1;
      if (next.width < width) total.narrowed += 1;
      width = next.width;
      total.widest = Math.max(total.widest, width);
      if (!next.text.startsWith(before)) throw new Error(`round ${round}: the text shrank`);
      before = next.text;
      followed = next;
    }
  }
  const text = chunks.map(({ chunk }) => chunk).join("");
  if (followed.text !== text) throw new Error(`round ${round}: ${JSON.stringify([followed.text, text])}`);
  if (take(followed, chunks.slice(-followed.width), undefined) !== followed) throw new Error(`round ${round}: nothing came`);
  const parts = chunks.filter(({ part }) => part).length;
  const shown = followed.parts ?? [];
  if (shown.filter(({ type }) => type !== "text").length !== parts) throw new Error(`round ${round}: parts`);
  if (parts && shown.map(({ text }) => text ?? "").join("") !== text) throw new Error(`round ${round}: text of the parts`);
  total.rounds += 1;
}
console.log(JSON.stringify(total));
"""


def test_whatever_is_skipped_the_text_is_whole_and_never_shrinks(tmp_path: Path) -> None:
    """400 replies with tools between, some of whose updates are skipped; the steps for dense gaps are taken, both ways."""
    told = told_by(tmp_path, "following", DRIVER)
    assert told["gaps"] > 400
    assert told["widest"] == 8
    assert told["narrowed"] > 0


# In a browser ------------------------------------------------------------------------------------------------------------


class Wire:
    """What a page asks and is told over its sockets."""

    def __init__(self, page: Page) -> None:
        self.asked: list[dict[str, Any]] = []
        """Arguments of `chat:followReply`, as they were asked."""
        self.told: list[list[dict[str, Any]]] = []
        """Its values, each with a chunk at least."""
        self._queries: set[int] = set()
        devtools = page.context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.on("Network.webSocketFrameSent", lambda event: self._sent(event["response"]["payloadData"]))
        devtools.on("Network.webSocketFrameReceived", lambda event: self._received(event["response"]["payloadData"]))

    @property
    def missed(self) -> list[int]:
        """After which sequence what was missed was asked for, each time."""
        return [int(args["after"]) for args in self.asked if "after" in args]

    def _sent(self, text: str) -> None:
        for change in json.loads(text).get("modifications", []):
            if change.get("udfPath") == "chat:followReply":
                self.asked.append(change["args"][0])
                self._queries.add(change["queryId"])

    def _received(self, text: str) -> None:
        for change in json.loads(text).get("modifications", []):
            if change["queryId"] in self._queries and change.get("value"):
                self.told.append(change["value"])


class Writing:
    """A reply that a worker writes to its owner, chunk by chunk, as the test says."""

    def __init__(self, site: Served, owner: str) -> None:
        self.owner, self.worker = Backend(site.url, owner), worker(site, f"{owner}/w")
        self.session = self.owner.call("mutation", "chat:startSession", workerId=f"{owner}/w")
        self.reply = self.owner.call("mutation", "chat:sendMessage", sessionId=self.session, content="Write.")
        self.text, self._count = "", 0

    def write(self, chunks: int) -> None:
        """So many more, of some 90 characters."""
        for _ in range(chunks):
            chunk = f"Chunk {self._count} says what it says, and nothing that another one has said before it did. "
            about = {"sessionId": self.session, "messageId": self.reply, "sequence": self._count}
            self.worker.call("mutation", "chat:writeChunk", chunk=chunk, **about)
            self.text += chunk
            self._count += 1

    def shown(self, reader: Reader) -> None:
        """Wait until the page shows all of it."""
        expect(reader.replies.last.locator(".prose").last).to_have_text(self.text.strip(), timeout=20_000)

    def complete(self, reader: Reader) -> None:
        """The end; every state that was shown was a beginning of the text, and it never shrank."""
        about = {"sessionId": self.session, "messageId": self.reply}
        self.worker.call("mutation", "chat:completeMessage", content=self.text, **about)
        reader.ended()
        assert reader.agrees_with(self.owner) == self.text
        states = [flat(each) for each in reader.page.evaluate("window.seen")]
        assert all(other.startswith(one) for one, other in itertools.pairwise(states))


@pytest.fixture(scope="module")
def site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that leaves a worker its time between two chunks, as the common one does not."""
    server = Served(tmp_path_factory.mktemp("following") / "data", ALLOWED_HOSTS=HOST)
    yield server
    server.stop()


@pytest.fixture
def road(site: Served) -> Iterator[Road]:
    laid = Road(site.url)
    yield laid
    laid.close()


def at(writing: Writing, url: str, window: Window, name: str) -> tuple[Reader, Wire]:
    """Its owner's page, and what goes over its wire."""
    page = window()
    wire = Wire(page)
    return Reader(page, url, name).sign_in(f"#/s/{writing.session}"), wire


def test_each_update_is_one_chunk_and_nothing_is_asked_again(site: Served, window: Window) -> None:
    writing = Writing(site, "fiona")
    fiona, wire = at(writing, site.url, window, "fiona")
    for _ in range(12):
        writing.write(1)
        writing.shown(fiona)
    writing.complete(fiona)
    assert [[each["sequence"] for each in value] for value in wire.told] == [[number] for number in range(12)]
    assert set(wire.told[0][0]) == {"sequence", "chunk"}
    assert wire.asked == [{"sessionId": writing.session, "messageId": writing.reply, "limit": 1}]


def test_what_was_missed_while_the_road_was_cut_is_asked_for_once(site: Served, road: Road, window: Window) -> None:
    writing = Writing(site, "greta-f")
    greta, wire = at(writing, road.url, window, "greta-f")
    writing.write(3)
    writing.shown(greta)
    road.cut()
    greta.state("Reconnecting")
    before = len(wire.missed)
    writing.write(5)
    road.mend()
    greta.state("Live")
    writing.shown(greta)
    assert wire.missed[before:] == [2]
    writing.write(1)
    writing.shown(greta)
    writing.complete(greta)
    assert wire.missed[before:] == [2]


def test_who_comes_in_the_middle_reads_from_the_beginning_page_by_page(site: Served, window: Window) -> None:
    writing = Writing(site, "hilda-f")
    writing.write(70)
    hilda, wire = at(writing, site.url, window, "hilda-f")
    writing.shown(hilda)
    assert wire.missed == [-1, 63]
    writing.write(1)
    writing.shown(hilda)
    writing.complete(hilda)
    assert wire.missed == [-1, 63]


def test_a_page_that_was_frozen_has_it_all_when_it_goes_on(site: Served, window: Window) -> None:
    """As a browser does with a tab that nobody sees."""
    writing = Writing(site, "irma-f")
    irma, _ = at(writing, site.url, window, "irma-f")
    writing.write(2)
    writing.shown(irma)
    devtools = irma.page.context.new_cdp_session(irma.page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    writing.write(6)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    writing.shown(irma)
    writing.write(1)
    writing.shown(irma)
    writing.complete(irma)


def test_a_reload_in_the_middle_loses_nothing(site: Served, window: Window) -> None:
    writing = Writing(site, "jenny-f")
    jenny, wire = at(writing, site.url, window, "jenny-f")
    writing.write(4)
    writing.shown(jenny)
    jenny.page.reload()
    writing.shown(jenny)
    assert wire.missed[-1:] == [-1]
    writing.write(2)
    writing.shown(jenny)
    writing.complete(jenny)


def test_a_stopped_reply_keeps_what_was_shown_and_its_second_try_begins_anew(site: Served, window: Window) -> None:
    kira = Reader(window(), site.url, "kira-f").sign_in()
    kira.ask("/pace 50\nWrite about harbours in 300 words")
    kira.sees(80)
    kira.page.get_by_role("button", name="Stop").click()
    kira.ended()
    stopped = kira.agrees_with(Backend(site.url, "kira-f"))
    kira.page.get_by_role("button", name="Regenerate").click()
    expect(kira.page.get_by_text("An earlier reply")).to_be_visible()
    kira.ended(1)
    again = kira.agrees_with(Backend(site.url, "kira-f"))
    assert len(again) > len(stopped) > 0
