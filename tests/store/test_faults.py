"""The store that misbehaves: each fault does what it says, and no more; the same seed does the same again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.data.errors import ConcaveError, ConditionFailed, Contention, StoreFailed
from chalicelib.data.store import Absent, Change, Check, Delete, Exists, Key, Put, Update
from infra.local.faults.process import Crashed, CrashingStore, ShakenStream
from infra.local.faults.store import Faults, FaultyStore
from infra.local.sqlite.store import SqliteStore
from tests.support.stores import SPECS

A, B, FENCE = Key("notes", "a"), Key("notes", "b"), Key("fences", "f", "!")


class World:
    """A store with faults on a clock of its own; `meanwhile` runs whenever the store sleeps."""

    def __init__(self, seed: int = 1, **faults: Any) -> None:
        self.time = 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        self.truth = SqliteStore(":memory:", SPECS)
        self.store = FaultyStore(
            self.truth, SPECS, random.Random(seed), Faults(**faults), now=lambda: self.time, sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.time += seconds / 2
        self.meanwhile()
        self.time += seconds / 2

    def owned(self, owner: str = "me") -> list[str]:
        return [item["pk"] for item in self.store.query("notes", owner, index="by_owner").items]


def _note(pk: str, owner: str = "me", order: str | None = None) -> Put:
    return Put("notes", {"pk": pk, "by_owner#p": owner, "by_owner#o": order or pk})


def test_without_faults_it_is_the_store_itself() -> None:
    world = World()
    world.store.transact([_note("a"), Update(FENCE, add={("n",): 1})])
    assert world.store.write(Update(FENCE, add={("n",): 1})) == {"pk": "f", "sk": "!", "n": 2}
    with pytest.raises(ConditionFailed):
        world.store.write(Put("notes", {"pk": "a"}, Absent()))
    assert world.store.transact_get([A, FENCE]) == world.store.batch_get([A, FENCE])
    assert (world.owned(), world.store.query("fences", "f").items) == (["a"], [{"pk": "f", "sk": "!", "n": 2}])


def test_an_index_shows_entries_late_and_removed_ones_a_while_longer() -> None:
    world = World(index_lag=(1.0, 2.0))
    world.store.write(_note("a"))
    assert (world.owned(), world.store.get(A) is not None) == ([], True)
    world.time = 2.0
    assert world.owned() == ["a"]
    world.store.write(Update(A, set={("by_owner#p",): "you"}))
    assert (world.owned(), world.owned("you")) == (["a"], [])
    world.time = 4.0
    assert (world.owned(), world.owned("you")) == ([], ["a"])
    world.store.write(Delete(A))
    assert world.owned("you") == ["a"]
    world.time = 6.0
    assert world.owned("you") == []


def test_a_lagging_index_keeps_order_bounds_and_limit() -> None:
    world = World(index_lag=(5.0, 5.0))
    for pk in "bdf":
        world.truth.write(_note(pk))
    world.store.write(Delete(Key("notes", "d")))
    world.store.write(_note("c"))
    rows = world.store.query("notes", "me", index="by_owner", newest=True, limit=2)
    assert ([item["pk"] for item in rows.items], rows.more) == (["f", "d"], True)
    assert [item["pk"] for item in world.store.query("notes", "me", index="by_owner", low="c").items] == ["d", "f"]
    assert rows.items[1] == {"pk": "d", "by_owner#p": "me", "by_owner#o": "d"}


def test_an_item_that_moves_twice_is_seen_in_order() -> None:
    world = World(seed=3, index_lag=(0.0, 10.0))
    world.store.write(_note("a", order="1"))
    for order in "2345":
        world.store.write(Update(A, set={("by_owner#o",): order}))
    seen: list[str] = []
    while world.time < 11:
        seen += [item["by_owner#o"] for item in world.store.query("notes", "me", index="by_owner").items]
        world.time += 0.01
    assert seen == sorted(seen)
    assert seen[-1] == "5"


def _states(world: World) -> tuple[Any, Any, bool]:
    """The versions of both notes as plain reads see them, and whether a transactional read is refused."""
    a, b = world.store.batch_get([A, B])
    try:
        world.store.transact_get([A, B])
        busy = False
    except Contention:
        busy = True
    return a and a["v"], b and b["v"], busy


def test_a_transaction_may_be_half_visible_until_its_call_returns() -> None:
    halves = set()
    for seed in range(40):
        world = World(seed, half_visible=1.0)
        world.truth.transact([Put("notes", {"pk": "a", "v": 1}), Put("notes", {"pk": "b", "v": 1})])
        during: list[tuple[Any, Any, bool]] = []
        world.meanwhile = lambda world=world, during=during: during.append(_states(world))  # type: ignore[misc]
        world.store.transact([Put("notes", {"pk": "a", "v": 2}), Put("notes", {"pk": "b", "v": 2})])
        assert _states(world) == (2, 2, False)
        assert all(busy for _, _, busy in during)
        halves |= {(a, b) for a, b, _ in during}
    assert halves == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_half_visible_items_are_so_in_queries_and_busy_for_writers() -> None:
    world = World(half_visible=1.0, half_visible_for=(5.0, 5.0), linger=True)
    for sk in "13":
        world.truth.write(Put("log", {"pk": "c", "sk": sk}))
    world.store.transact(
        [Put("log", {"pk": "c", "sk": "2"}), Delete(Key("log", "c", "3")), Check(Key("log", "c", "1"), Exists())]
    )
    early = [item["sk"] for item in world.store.query("log", "c").items]
    assert early == ["1", "3"]
    assert [item["sk"] for item in world.store.query("log", "c", newest=True, limit=1).items] == ["3"]
    for write in (Put("log", {"pk": "c", "sk": "2"}), Delete(Key("log", "c", "3"))):
        with pytest.raises(Contention):
            world.store.write(write)
        with pytest.raises(Contention):
            world.store.transact([write])
    world.store.write(Update(Key("log", "c", "1"), add={("n",): 1}))
    world.time = 5.0
    assert [item["sk"] for item in world.store.query("log", "c").items] == ["1", "2"]
    world.store.write(Delete(Key("log", "c", "2")))


def test_a_lost_answer_leaves_the_transaction_half_visible_for_its_caller() -> None:
    world = World(half_visible=1.0, half_visible_for=(5.0, 5.0), lost_after=1.0)
    with pytest.raises(StoreFailed):
        world.store.transact([Put("commits", {"pk": "c"})])
    world.store.faults = Faults()
    assert world.store.get(Key("commits", "c")) is None
    with pytest.raises(Contention):
        world.store.transact_get([Key("commits", "c")])
    world.time = 5.0
    assert world.store.get(Key("commits", "c")) == {"pk": "c"}


def test_contention_writes_nothing_and_spares_plain_reads() -> None:
    world = World(contention=1.0)
    for call in (
        lambda: world.store.write(_note("a")),
        lambda: world.store.transact([_note("a")]),
        lambda: world.store.transact_get([A]),
    ):
        with pytest.raises(Contention) as busy:
            call()
        assert busy.value.table == "notes"
    assert (world.store.get(A), world.truth.get(A)) == (None, None)


def test_lost_requests_and_answers_differ_in_what_is_there() -> None:
    before, after = World(lost_before=1.0), World(lost_after=1.0)
    for world in (before, after):
        with pytest.raises(StoreFailed):
            world.store.write(_note("a"))
        with pytest.raises(StoreFailed):
            world.store.transact([_note("b"), Check(A, Exists())] if world is after else [_note("b")])
        with pytest.raises(StoreFailed):
            world.store.get(A)
    assert (before.truth.batch_get([A, B]), [item is not None for item in after.truth.batch_get([A, B])]) == (
        [None, None],
        [True, True],
    )
    with pytest.raises(StoreFailed):
        after.store.write(Put("notes", {"pk": "a"}, Absent()))


def test_a_single_write_that_is_tried_twice_meets_itself() -> None:
    world = World(tried_twice=1.0)
    with pytest.raises(ConditionFailed):
        world.store.write(Put("notes", {"pk": "a"}, Absent()))
    assert world.store.get(A) == {"pk": "a"}
    world.store.transact([Put("notes", {"pk": "b"}, Absent())])
    assert world.store.write(Update(B, add={("n",): 1})) == {"pk": "b", "n": 2}


def test_delays_go_by_on_the_given_clock() -> None:
    world = World(delay=(1.0, 1.0))
    world.store.get(A)
    assert world.time == 2.0


def test_a_seed_repeats_itself() -> None:
    def run(seed: int) -> list[str]:
        world = World(seed, contention=0.3, lost_after=0.2, lost_before=0.1, index_lag=(0, 3), half_visible=0.5)
        told = []
        for number in range(60):
            world.time += 0.1
            try:
                world.store.transact([_note(str(number % 7)), Update(FENCE, add={("n",): 1})])
                told.append(str(world.owned()))
            except ConcaveError as error:
                told.append(type(error).__name__)
        return told

    assert run(5) == run(5) != run(6)
    assert {"Contention", "StoreFailed"} <= set(run(5))


@pytest.mark.parametrize("after", [False, True])
def test_a_process_dies_at_its_request_and_stays_dead_while_others_live(after: bool) -> None:
    truth = SqliteStore(":memory:", SPECS)
    process, other = CrashingStore(truth, 3, after=after), CrashingStore(truth)
    process.write(_note("a"))
    process.query("notes", "me", index="by_owner")
    with pytest.raises(Crashed):
        process.transact([_note("b")])
    with pytest.raises(Crashed):
        process.get(A)
    assert [item is not None for item in other.batch_get([A, B])] == [True, after]
    assert other.requests == 1


def _stream(truth: SqliteStore, seed: int, clock: list[float], **shaking: Any) -> tuple[list[Change], ShakenStream]:
    for number in range(40):
        truth.write(Put("commits", {"pk": str(number % 4), "n": number}))
    stream, taken = ShakenStream(truth, random.Random(seed), lambda: clock[0], **shaking), []
    while stream.waiting():
        taken += [change for batch in stream.take(5) for change in batch]
        clock[0] += 0.1
    return taken, stream


def _orders(changes: list[Change]) -> dict[str, list[int]]:
    orders: dict[str, list[int]] = {}
    for change in changes:
        assert change.new is not None
        orders.setdefault(change.new["pk"], []).append(change.new["n"])
    return orders


def test_a_shaken_stream_is_late_and_repeats_but_loses_nothing_and_keeps_an_items_order() -> None:
    truth, clock = SqliteStore(":memory:", SPECS), [0.0]
    taken, _ = _stream(truth, 2, clock, late=(0.0, 3.0), twice=0.3)
    assert {change.sequence for change in taken} == {change.sequence for change in truth.changes(limit=100)}
    assert len(taken) > 40
    assert clock[0] > 1
    assert [change.sequence for change in taken] != sorted(change.sequence for change in taken)
    for order in _orders(taken).values():
        firsts = list(dict.fromkeys(order))
        assert firsts == sorted(firsts)


def test_disorder_breaks_even_an_items_order() -> None:
    taken, _ = _stream(SqliteStore(":memory:", SPECS), 2, [0.0], late=(0.0, 3.0), disorder=True)
    assert any(order != sorted(order) for order in _orders(taken).values())
    assert len(taken) == 40
