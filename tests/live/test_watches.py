"""Watches are there before a value is told, and go with their query: schedules in which something happens just in between."""

from __future__ import annotations

from chalicelib.backend import Backend
from chalicelib.data.reads import Watch
from chalicelib.data.store import Put
from chalicelib.data.tables import SYSTEM_SPECS, TABLES, spec
from chalicelib.live.rows import Subscription
from infra.local.faults.counting import CountingStore
from tests.live import counters, mutants
from tests.live.mutants import with_mailboxes, with_turns
from tests.live.test_protective_steps import broken, ready
from tests.support.client import Broken
from tests.support.sim import SETTINGS, Sim
from tests.support.verdict import check, leftovers


def subscribed_while_somebody_commits(backend: type[Backend]) -> None:
    """A commit and its whole fan-out fall between the first run of a query and its watches."""
    happened: list[bool] = []

    class Window(backend.turn_type):  # type: ignore[misc, name-defined]
        def _watch(self, new: list[tuple[Subscription, set[Watch]]]) -> None:
            if new[0][0].path == "counters:get" and not happened:
                happened.append(True)
                sim.pumping = False
                sim.executor.mutation("counters:add", {"name": "a", "op": "between"}, sim.backend.verifier.verify("bob@acme"))
                sim.backend.changed(sim.taken())
                sim.pumping = True
            super()._watch(new)

    with Sim(1, counters, backend=type("Windowed", (backend,), {"turn_type": Window})) as sim:
        person = ready(sim)
        sim.run(100)
        person.watch("counters:get", name="a")
        sim.run(3000)
        assert happened
        check(sim)


def test_a_query_is_run_again_after_it_is_watched() -> None:
    subscribed_while_somebody_commits(Backend)
    assert broken(subscribed_while_somebody_commits, with_turns(mutants.RunsOnce))


def woken_up_too_late(backend: type[Backend]) -> None:
    """A holder stands still before it writes its watches, until its connection is closed and forgotten."""
    stood: list[bool] = []

    class Window(backend.turn_type):  # type: ignore[misc, name-defined]
        def _watch(self, new: list[tuple[Subscription, set[Watch]]]) -> None:
            if new[0][0].path == "counters:get" and not stood:
                stood.append(True)
                self.world.clock.sleep(4.0 * SETTINGS.mailbox_lease_s)
            super()._watch(new)

    with Sim(1, counters, backend=type("Windowed", (backend,), {"turn_type": Window})) as sim:
        person = ready(sim)
        person.watch("counters:get", name="a")
        sim.run(30_000)
        assert stood
        check(sim)
        if left := leftovers(sim):
            raise Broken(str(left))


def test_queries_that_come_when_the_connection_is_forgotten_are_taken_back() -> None:
    woken_up_too_late(Backend)
    assert broken(woken_up_too_late, with_turns(mutants.LeavesLateWatches))


def woken_up_with_more_to_watch(backend: type[Backend]) -> None:
    """A holder stands still before it writes the row of a query again, that reads more now, until all is forgotten."""
    stood: list[bool] = []

    class Window(backend.turn_type):  # type: ignore[misc, name-defined]
        def _watch(self, new: list[tuple[Subscription, set[Watch]]]) -> None:
            if new[0][0].stored is not None and not stood:
                stood.append(True)
                self.world.clock.sleep(4.0 * SETTINGS.mailbox_lease_s)
            super()._watch(new)

    with Sim(1, counters, backend=type("Windowed", (backend,), {"turn_type": Window})) as sim:
        person = ready(sim)
        person.watch("counters:follow", pointer="p")
        sim.run(500)
        person.call("counters:point", pointer="p", target="a")
        sim.run(30_000)
        assert stood
        check(sim)
        if left := leftovers(sim):
            raise Broken(str(left))


def test_a_row_that_is_written_again_is_written_under_the_lease() -> None:
    woken_up_with_more_to_watch(Backend)
    assert broken(woken_up_with_more_to_watch, with_mailboxes(mutants.WatchesWithoutLease))


def woken_up_among_its_watches(backend: type[Backend]) -> None:
    """A holder stands still when its query's row is written, before the first watch is, until its connection is forgotten."""
    stood: list[bool] = []

    class Window(backend.turn_type):  # type: ignore[misc, name-defined]
        def _put(self, put: Put) -> None:
            if not stood:
                stood.append(True)
                self.world.clock.sleep(4.0 * SETTINGS.mailbox_lease_s)
            super()._put(put)

    with Sim(1, counters, backend=type("Windowed", (backend,), {"turn_type": Window})) as sim:
        sim.person("alice", "alice@acme").watch("counters:get", name="a")
        sim.run(30_000)
        assert stood
        check(sim)
        if left := leftovers(sim):
            raise Broken(str(left))


def test_watches_that_come_when_the_lease_is_gone_are_taken_back() -> None:
    woken_up_among_its_watches(Backend)
    assert broken(woken_up_among_its_watches, with_turns(mutants.LeavesLateWatches))


def test_new_queries_cost_a_unit_each_and_a_unit_a_watch() -> None:
    asked = {"get": {"name": "a"}, "listing": {"group": "g"}, "follow": {"pointer": "p"}, "pair": {"first": "x", "second": "y"}}
    with Sim(1, counters, ticker=False) as sim:
        tables = [table for table in TABLES.values() if table.__module__ == counters.__name__]
        sim.store.inner = counted = CountingStore(sim.base, [*SYSTEM_SPECS, *map(spec, tables)])
        person = sim.person("alice", "alice@acme")
        for name, args in asked.items():
            person.watch(f"counters:{name}", **args)
        assert sim.until(lambda: len(person.client.results) == len(asked), 2000)
        watches = counted.items["write", "watches"]
        assert counted.wcu["watches"] == watches == 5
        assert counted.wcu["subscriptions"] == len(asked)
