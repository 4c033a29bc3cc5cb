"""From a commit to everybody who watches: who shares a value, who holds how much, what happens to the dead."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import Any, ClassVar

from chalicelib.backend import Backend
from chalicelib.data.errors import StoreFailed
from chalicelib.data.store import Delete, Key, Path, Put, Update
from chalicelib.live import rows as live_rows
from chalicelib.live.fanout import SLICE
from chalicelib.live.mailbox import NO_DIRT, Held, Mailboxes, Waking
from tests.live import call_mutants, counters, mutants
from tests.live.test_protective_steps import broken
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import AT_ONCE, SETTINGS, Sim
from tests.support.verdict import check, leftovers, rows


def crowd(sim: Sim, tokens: list[str], *paths: tuple[str, dict[str, Any]]) -> list[Person]:
    """People who are all connected and watch the same."""
    people = [sim.person(f"p{number}", token) for number, token in enumerate(tokens)]
    for person in people:
        for path, args in paths:
            person.watch(path, **args)
    assert sim.until(lambda: all(person.client.in_step for person in people), 10_000)
    sim.run(200)
    return people


def commit(sim: Sim, token: str, path: str, **args: Any) -> None:
    """A mutation from elsewhere."""
    sim.invoke("elsewhere", lambda: sim.executor.mutation(path, args, sim.backend.verifier.verify(token)))


class Counting(Backend):
    """Counts evaluations by path and caller."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.evaluations: Counter[tuple[str, str]] = Counter()

    def _evaluate(self, path: str, args: str, identity: str | None, journal: str | None, views: Any = None) -> Any:
        who = json.loads(identity) if identity else {"subject": "nobody", "org": "public"}
        self.evaluations[path, f"{who['subject']}@{who['org']}"] += 1
        return super()._evaluate(path, args, identity, journal, views)


def test_a_value_is_made_once_for_all_who_may_share_it() -> None:
    with Sim(1, counters, backend=Counting) as sim:
        people = crowd(sim, ["alice@acme", "bob@acme"] * 4, ("counters:get", {"name": "a"}))
        sim.backend.evaluations.clear()  # type: ignore[attr-defined]
        commit(sim, "carol@acme", "counters:add", name="a", op="one")
        sim.run(2000)
        check(sim)
        assert all(person.client.value(0)["ops"] == ["one"] for person in people)
        assert sum(sim.backend.evaluations.values()) == 1  # type: ignore[attr-defined]


def test_a_value_is_made_once_for_all_slices_that_are_served_together() -> None:
    with Sim(1, counters, backend=Counting) as sim:
        people = crowd(sim, ["alice@acme", "bob@acme"] * (AT_ONCE * SLICE), ("counters:get", {"name": "a"}))
        sim.backend.evaluations.clear()  # type: ignore[attr-defined]
        commit(sim, "carol@acme", "counters:add", name="a", op="one")
        sim.run(3000)
        check(sim)
        assert all(person.client.value(0)["ops"] == ["one"] for person in people)
        assert sum(sim.backend.evaluations.values()) == 2, "two waves"  # type: ignore[attr-defined]


def test_values_are_never_shared_across_orgs_nor_when_the_function_looked_at_its_caller() -> None:
    """Check 35."""
    with Sim(1, counters, backend=Counting) as sim:
        tokens = ["alice@acme", "bob@acme", "alice@other", "bob@other"]
        people = crowd(sim, tokens, ("counters:get", {"name": "a"}), ("counters:mine", {}))
        for token in tokens:
            commit(sim, token, "counters:visit", op=f"visit of {token}")
            commit(sim, token, "counters:add", name="a", op=f"count of {token}")
        sim.run(3000)
        check(sim)
        for person, token in zip(people, tokens, strict=True):
            subject, _, org = token.partition("@")
            assert person.client.value(1) == {"who": subject, "ops": [f"visit of {token}"]}
            assert sorted(person.client.value(0)["ops"]) == [f"count of {each}" for each in sorted(tokens) if each.endswith(org)]


def test_one_turn_serves_two_orgs_and_each_gets_its_own() -> None:
    """The same path and arguments, one fan-out: the shared values of that turn are asked by both."""
    with Sim(1, counters, backend=Counting) as sim:
        crowd(
            sim, ["alice@acme", "eve@other", "bob@acme", "mallory@other"], ("counters:get", {"name": "a"}), ("counters:mine", {})
        )
        commit(sim, "alice@acme", "counters:add", name="a", op="secret")
        sim.run(1000)
        sim.backend.evaluations.clear()  # type: ignore[attr-defined]
        marks = ["0", "1"]

        def all_at_once() -> None:
            wakings = [sim.backend.mailboxes.wake(f"conn-{number}", marks) for number in range(1, 5)]
            sim.backend.batches.serve([waking.held for waking in wakings if waking.held is not None])

        sim.invoke("all at once", all_at_once)
        sim.run(1000)
        check(sim)
        shared = {key: count for key, count in sim.backend.evaluations.items() if key[0] == "counters:get"}  # type: ignore[attr-defined]
        private = {key: count for key, count in sim.backend.evaluations.items() if key[0] == "counters:mine"}  # type: ignore[attr-defined]
        assert sorted(who.partition("@")[2] for _, who in shared) == ["acme", "other"]
        assert sum(shared.values()) == 2
        assert sum(private.values()) == 4


class Watching(Mailboxes):
    """Knows how many leases are held at once."""

    most = 0
    holding: ClassVar[set[str]] = set()

    def wake(self, connection: str, marks: Any = (), *, auth: int = 0, stored: bool = True) -> Waking:
        waking = super().wake(connection, marks, auth=auth, stored=stored)
        if waking.held is not None:
            Watching.holding.add(connection)
            Watching.most = max(Watching.most, len(Watching.holding))
        return waking

    def release(self, held: Held, seen: int, sets: dict[Path, Any], dirty: Any = NO_DIRT) -> bool:
        released = super().release(held, seen, sets, dirty)
        if released:
            Watching.holding.discard(held.connection)
        return released


def test_leases_are_taken_in_slices() -> None:
    with Sim(1, counters, backend=mutants.with_mailboxes(Watching)) as sim:
        crowd(sim, ["alice@acme"] * 50, ("counters:get", {"name": "a"}))
        Watching.most = 0
        commit(sim, "carol@acme", "counters:add", name="a", op="one")
        sim.run(5000)
        check(sim)
        assert 2 <= Watching.most <= AT_ONCE * SLICE


def test_the_watches_of_a_connection_without_a_mailbox_go_when_they_are_touched(sim: Sim) -> None:
    crowd(sim, ["alice@acme"], ("counters:get", {"name": "a"}))
    sim.people[0].stays_away = True
    sim.base.write(Delete(Key("mailboxes", "conn-1")))
    sim.ticker = False
    commit(sim, "carol@acme", "counters:add", name="a", op="one")
    sim.run(1000)
    assert rows(sim, "watches") == []
    assert leftovers(sim) == []
    assert not sim.gateway.links["conn-1"].known


def a_frame_that_nobody_serves(backend: type[Backend]) -> None:
    """Who stored it left its note, and died before it could serve it. Then somebody commits what the connection watches."""
    with Sim(1, counters, backend=backend) as sim:
        crowd(sim, ["alice@acme"], ("counters:get", {"name": "a"}))
        sim.ticker = False
        sim.run(2.0 * SETTINGS.identity_wait_ms)  # whoever has asked for a turn has had it
        link = sim.people[0].link
        assert link is not None
        link.heard = False  # its client knows nothing of the frame
        sim.base.write(Put("inbox", live_rows.frame_row("conn-1", live_rows.FAULT, 7, "unreadable", sim.clock.now_ms())))
        sim.base.write(Update(Key("mailboxes", "conn-1"), {}, {("notes",): 1}))
        commit(sim, "carol@acme", "counters:add", name="a", op="one")
        sim.run(1000)
        if rows(sim, "inbox"):
            raise Broken("a frame is left lying")


def test_who_is_told_of_a_commit_reads_the_inbox_if_another_note_is_there() -> None:
    a_frame_that_nobody_serves(Backend)
    assert broken(a_frame_that_nobody_serves, mutants.with_mailboxes(call_mutants.LooksOnlyAtWhatItBrings))


class Refusing(Mailboxes):
    """Cannot leave a note on one connection, for a while."""

    down = False

    def wake(self, connection: str, marks: Any = (), *, auth: int = 0, stored: bool = True) -> Waking:
        if connection == "conn-1" and Refusing.down:
            raise StoreFailed("down")
        return super().wake(connection, marks, auth=auth, stored=stored)


def test_a_note_that_cannot_be_left_is_left_later_and_the_others_do_not_wait() -> None:
    Refusing.down = False
    with Sim(1, counters, backend=mutants.with_mailboxes(Refusing)) as sim:
        people = crowd(sim, ["alice@acme"] * 3, ("counters:get", {"name": "a"}))
        Refusing.down = True
        commit(sim, "carol@acme", "counters:add", name="a", op="one")
        assert sim.until(lambda: [person.client.value(0)["value"] for person in people] == [0, 1, 1], 1000)
        Refusing.down = False
        assert sim.until(lambda: people[0].client.value(0)["value"] == 1, 2000)


def test_a_holder_that_works_too_long_lets_another_go_on() -> None:
    """Notes keep coming: the invocation that serves them must end all the same."""
    with Sim(1, counters) as sim:
        crowd(sim, ["alice@acme"], ("counters:get", {"name": "a"}))
        longest = [0.0]
        sim.invoker.asked.clear()
        for number in range(400):
            work = partial(commit, sim, "carol@acme", "counters:add", name="a", op=f"op{number}")
            sim.schedule.at(number * 25.0, work)
        seen: dict[str, float] = {}

        def look() -> None:
            row = sim.base.get(Key("mailboxes", "conn-1")) or {}
            if "lease" in row:
                longest[0] = max(longest[0], sim.schedule.now - seen.setdefault(row["lease"], sim.schedule.now))
            sim.schedule.at(5.0, look)

        look()
        sim.run(13_000)
        check(sim)
        assert longest[0] < SETTINGS.mailbox_lease_s * 1000 / 2
        assert sim.people[0].client.connections == 1


def test_a_lease_is_kept_while_the_others_of_the_slice_are_worked_for() -> None:
    class Sleepy(Backend):
        def _evaluate(self, *args: Any) -> Any:
            self.clock.sleep(0.7)
            return super()._evaluate(*args)

    with Sim(1, counters, backend=Sleepy) as sim:
        people = [sim.person(f"p{number}", "alice@acme") for number in range(8)]
        for number, person in enumerate(people):
            person.watch("counters:big", name="a", chars=number)  # nothing to share
        assert sim.until(lambda: all(person.client.in_step for person in people), 20_000)
        commit(sim, "carol@acme", "counters:add", name="a", op="one")
        sim.run(20_000)
        check(sim)
        assert [person.client.connections for person in people] == [1] * 8


def test_slices_of_one_change_are_served_at_once() -> None:
    """A hundred subscribers do not wait for twelve slices before their own: the turns of slices overlap in time."""
    with Sim(1, counters) as sim:
        people = crowd(sim, ["alice@acme"] * (3 * SLICE), ("counters:get", {"name": "a"}))
        began = len(sim.lasted)
        commit(sim, "carol@acme", "counters:add", name="a", op="one")
        sim.run(2000)
        check(sim)
        assert all(person.client.value(0)["ops"] == ["one"] for person in people)
        parts = [taken for name, taken in sim.lasted[began:] if name == "thread"]
        whole = max(taken for name, taken in sim.lasted[began:] if name == "on_change")
        assert len(parts) >= AT_ONCE
        assert whole < sum(parts), (whole, parts)
