"""`usePaginatedQuery` over changing data: pages that never overlap and never leave a gap."""

from __future__ import annotations

from typing import Any

from tests.live import counters
from tests.support.person import Person
from tests.support.sim import Sim
from tests.support.sim_parts import ROUGH
from tests.support.verdict import check, rows


class Pages:
    """What the hook does: each page is a live query of its own, the next begins where the last one ends."""

    def __init__(self, person: Person, size: int) -> None:
        self.person, self.size, self.queries = person, size, list[int]()
        self.more(None)

    def more(self, cursor: str | None) -> None:
        """Load a page."""
        opts = {"numItems": self.size, "cursor": cursor, "id": 1}
        self.queries.append(self.person.watch("counters:page", group="g", paginationOpts=opts))

    def load_more(self) -> bool:
        """Load the page after the last one, if there is one; False when it is not known yet."""
        last = self.person.client.results.get(self.queries[-1])
        if last is None:
            return False
        if not last.value["isDone"]:
            self.more(last.value["continueCursor"])
        return True

    def ids(self) -> list[str] | None:
        """Everything that is shown, in order; None while a page is loading."""
        pages: list[Any] = [self.person.client.results.get(query) for query in self.queries]
        return None if None in pages else [each["id"] for page in pages for each in page.value["page"]]


def truth(sim: Sim) -> list[str]:
    found = [row for row in rows(sim, "simCounters") if row["group"] == "g"]
    return [row["pk"].split("|")[-1] for row in sorted(found, key=lambda row: (row["_creationTime"], row["pk"]), reverse=True)]


def browse(sim: Sim, *, drops: bool) -> None:
    alice, bob = sim.person("alice", "alice@acme"), sim.person("bob", "bob@acme")
    for number in range(12):
        bob.call("counters:add", name=f"n{number:02}", op=f"first{number}")
    sim.until(lambda: not bob.client.waiting, 20_000)
    pages = Pages(alice, 4)
    for number in range(24):
        sim.run(sim.rng.uniform(10, 250))
        pages.load_more()
        choice = sim.rng.random()
        if choice < 0.5:
            bob.call("counters:add", name=f"m{number:02}", op=f"second{number}")
        elif choice < 0.8:
            bob.call("counters:move", name=f"n{sim.rng.randrange(12):02}", group=sim.rng.choice("gh"))
        elif drops:
            alice.drop()
        shown = pages.ids()
        if shown is not None:
            assert len(shown) == len(set(shown)), "an item is on two pages"
    sim.calm(26_000)
    for _ in range(12):
        pages.load_more()
        sim.run(500)
    sim.run(2000)
    shown = pages.ids()
    assert shown == truth(sim)
    journals = [alice.client.queries[query].journal for query in pages.queries]
    assert all(journals)


def test_pages_stay_gapless_while_items_come_and_go() -> None:
    for seed in range(6):
        with Sim(seed, counters) as sim:
            browse(sim, drops=False)


def test_pages_stay_gapless_across_reconnects_and_mishaps() -> None:
    for seed in range(6):
        with Sim(seed, counters, ROUGH) as sim:
            browse(sim, drops=True)
            check_pages(sim)


def check_pages(sim: Sim) -> None:
    for person in sim.people:
        assert person.client.in_step
        assert not person.client.waiting


def test_a_page_keeps_its_end_on_a_new_connection(sim: Sim) -> None:
    person = sim.person("alice", "alice@acme")
    for number in range(3):
        person.call("counters:add", name=f"n{number}", op=f"op{number}")
    sim.until(lambda: not person.client.waiting)
    pages = Pages(person, 2)
    sim.run(500)
    assert pages.ids() == ["n2", "n1"]
    person.call("counters:add", name="n3", op="op3")
    sim.run(500)
    assert pages.ids() == ["n3", "n2", "n1"], "it grows, and ends where it ended"
    person.drop()
    sim.run(2000)
    assert pages.ids() == ["n3", "n2", "n1"], "the client gave the journal back"
    assert person.client.connections == 2
    assert person.client.in_step


def test_a_journal_that_belongs_to_nothing_restarts_the_pages(sim: Sim) -> None:
    person = sim.person("alice", "alice@acme")
    query = person.watch("counters:page", group="g", paginationOpts={"numItems": 2, "cursor": "nonsense", "id": 1})
    sim.run(500)
    failed = person.client.results[query]
    assert failed.data["paginationError"] == "InvalidCursor"
    check(sim)
