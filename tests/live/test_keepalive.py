"""Pings without a lease, in their slots; visits now and then; and how a look is shared out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.data.store import Item, Key, Put, Update
from chalicelib.live.keepalive import VISIT, Keepalive, Need
from tests.live import counters
from tests.support.sim import SETTINGS, TICK_MS, Sim
from tests.support.verdict import check, rows

PING_MS = SETTINGS.ping_s * 1000


def pings(sim: Sim) -> list[int]:
    """How often each has been pinged."""
    return [sum('"Ping"' in text for text in person.log) for person in sim.people]


def quiet(sim: Sim, people: int) -> None:
    """People who are connected and say nothing."""
    for number in range(people):
        sim.person(f"p{number}", "alice@acme").watch("counters:get", name="a")
    assert sim.until(lambda: all(person.client.in_step for person in sim.people), 10_000)
    sim.run(500)


def slots(sim: Sim) -> range:
    """The seconds that come, as long as two pings are apart."""
    return range(sim.clock.now_ms() + 2000, sim.clock.now_ms() + 2000 + 2 * PING_MS, 1000)


def test_everybody_is_pinged_in_time_and_a_ping_writes_nothing() -> None:
    with Sim(1, counters) as sim:
        quiet(sim, 20)
        sim.run(PING_MS + 2 * TICK_MS)
        assert min(pings(sim)) >= 1
        before, recorded = pings(sim), {row["pk"]: dict(row) for row in rows(sim, "mailboxes")}
        sim.run(3 * PING_MS)
        told = [now - then for now, then in zip(pings(sim), before, strict=True)]
        assert set(told) <= {2, 3, 4}
        kept = [row for row in rows(sim, "mailboxes") if row == recorded[row["pk"]]]
        assert len(kept) == len(recorded)
        check(sim)


def test_who_was_not_served_for_long_is_visited_and_so_is_who_has_a_frame_waiting() -> None:
    with Sim(1, counters) as sim:
        quiet(sim, 2)
        sim.ticker = False
        row = sim.base.get(Key("mailboxes", "conn-1")) or {}
        assert {sim.backend.keepalive.need(row, start, start + 1000) for start in slots(sim)} == {None, "ping"}
        later = [start + VISIT * PING_MS for start in slots(sim)]
        assert {sim.backend.keepalive.need(row, start, start + 1000) for start in later} == {None, "visit"}
        sim.base.write(Put("inbox", {"pk": "conn-1", "sk": "9", "at": sim.clock.now_ms(), "body": "{}"}))
        other = sim.base.get(Key("mailboxes", "conn-2")) or {}
        found: list[Item] = []
        sim.invoke("ping", lambda: found.extend(sim.backend.keepalive._ping([row, other])))
        sim.run(50)
        assert [each["pk"] for each in found] == ["conn-1"]


def test_slots_spread_pings_over_the_sweeps() -> None:
    with Sim(1, counters) as sim:
        quiet(sim, 40)
        sim.run(PING_MS + 2 * TICK_MS)
        before = pings(sim)
        sim.run(TICK_MS + 100)
        asked = sum(pings(sim)) - sum(before)
        assert 0 < asked < 25, "a sweep in four pings a fourth"


@pytest.mark.parametrize("what", ["closing", "expired"])
def test_a_connection_that_is_only_to_be_closed_is_not_pinged(what: str) -> None:
    """Its client is to notice that nobody is there."""
    with Sim(1, counters) as sim:
        quiet(sim, 1)
        sim.ticker = False
        changes: dict[Any, Any] = {("closing",): True} if what == "closing" else {("lease",): "dead", ("until",): 1}
        sim.base.write(Update(Key("mailboxes", "conn-1"), changes))
        row = sim.base.get(Key("mailboxes", "conn-1")) or {}
        assert all(sim.backend.keepalive.need(row, start, start + 1000) == "visit" for start in slots(sim))


class PingsTheDying(Keepalive):
    """Pings whoever is there, also who is only to be closed."""

    def need(self, row: Item, since: int, until: int) -> Need | None:
        return self._due(row, since, until) or super().need(row, since, until)


def test_without_that_rule_a_dying_connection_is_kept_from_noticing() -> None:
    with Sim(1, counters) as sim:
        quiet(sim, 1)
        sim.base.write(Update(Key("mailboxes", "conn-1"), {("closing",): True}))
        row = sim.base.get(Key("mailboxes", "conn-1")) or {}
        mutant = PingsTheDying(sim.backend.world, sim.backend.fanout, sim.backend.lane, print)
        assert any(mutant.need(row, start, start + 1000) == "ping" for start in slots(sim))


def test_a_ping_that_did_not_arrive_for_certain_closes_the_connection() -> None:
    with Sim(1, counters) as sim:
        quiet(sim, 1)
        sim.set(replace(sim.mishaps, unknown_posts=1.0))
        row = sim.base.get(Key("mailboxes", "conn-1")) or {}
        sim.invoke("ping", lambda: sim.backend.keepalive._ping([row]))
        sim.run(50)
        assert (sim.base.get(Key("mailboxes", "conn-1")) or {"closing": True})["closing"]
        sim.set(replace(sim.mishaps, unknown_posts=0.0))
        sim.run(20_000)
        check(sim)


class Sharing(Backend):
    """One sweep looks at two connections; what it hands out is looked at by another."""

    def __post_init__(self) -> None:
        self.settings = replace(self.settings, sweep_share=2)
        super().__post_init__()
        self.shares: list[dict[str, Any]] = []
        self.keepalive.hand_out = self.shares.append


def test_a_look_is_shared_out_and_every_share_is_looked_at() -> None:
    with Sim(1, counters, backend=Sharing) as sim:
        quiet(sim, 7)
        sim.ticker = False
        shares: list[dict[str, Any]] = sim.backend.shares  # type: ignore[attr-defined]
        sim.run(PING_MS)
        shares.clear()
        sim.invoke("tick", sim.backend.keepalive.tick)
        sim.run(1000)
        assert [len(share["connections"]) for share in shares] == [2, 2, 1]
        for share in shares:
            sim.invoke("share", lambda share=share: sim.backend.sweep(share))  # type: ignore[misc]
        sim.run(1000)
        assert all(share["until"] - share["since"] > 0 for share in shares)
        named = {connection for share in shares for connection in share["connections"]}
        assert len(named) == 5
