"""The mailbox: no note without a holder, one holder at a time, an expired lease is only closed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from chalicelib.data.errors import StoreFailed
from chalicelib.data.store import Delete, Item, Key, Put, Store, Update, Write
from chalicelib.data.tables import SYSTEM_SPECS
from chalicelib.live.keepalive import Keepalive
from chalicelib.live.mailbox import Held, LeaseLost, Mailboxes
from infra.local.sqlite.store import SqliteStore
from tests.live import mutants
from tests.support.explore import End, Items, Process, explore

LEASE_MS = 1000


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def now_ms(self) -> int:
        return self.ms

    def now_ns(self) -> int:
        return self.ms * 1_000_000

    def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


def test_no_note_is_left_without_a_holder_in_any_interleaving_of_three_producers() -> None:
    ends = list(explore(producers(Mailboxes, 3), mailbox()))
    assert len(ends) > 20
    for end in ends:
        assert "lease" not in row(end)
        assert served(end) == {"1", "2", "3"}, end.path


def test_whoever_dies_at_any_step_leaves_nothing_that_the_ticker_does_not_find() -> None:
    ends = list(explore(producers(Mailboxes, 3), mailbox(), crashes=["producer 1", "producer 2"]))
    dead = [end for end in ends if end.crashed]
    assert len(dead) > 50
    for end in dead:
        left = row(end)
        missing = {"1", "2", "3"} - served(end) - {(end.crashed or "")[-1]}
        if "lease" not in left:
            assert not missing or must_be_woken(left), end.path
        else:
            assert taken_late(left) == "closing", end.path


@pytest.mark.parametrize("mutant", [mutants.LeaseBeforeNote, mutants.NoSecondTry, mutants.ReleasesAnyway])
def test_a_missing_step_loses_a_note_in_some_interleaving(mutant: type[Mailboxes]) -> None:
    ends = explore(producers(mutant, 3), mailbox())
    assert any(served(end) != {"1", "2", "3"} for end in ends)


def test_two_never_hold_at_once() -> None:
    for end in explore(producers(Mailboxes, 3), mailbox()):
        turns = sorted((item for (table, *_), item in end.items.items() if table == "turns"), key=lambda item: str(item["sk"]))
        assert all(not item["overlapped"] for item in turns), end.path


# The processes ------------------------------------------------------------------------------------------------------------


def producers(kind: type[Mailboxes], count: int) -> dict[str, Process]:
    """Each leaves a note with its number, and serves if it can."""
    return {f"producer {number}": producer(kind, str(number)) for number in range(1, count + 1)}


def producer(kind: type[Mailboxes], mark: str) -> Process:
    def run(store: Store) -> None:
        mailboxes = named(kind, mark)(store, Clock(), LEASE_MS)
        held = mailboxes.wake("c", [mark]).held
        while held is not None:
            seen, marks = int(held.row["notes"]), sorted(held.row["dirty"])
            store.write(Update(Key("busy", "c"), add={("n",): 1}))
            now = store.write(Update(Key("busy", "c"), add={("n",): -1}))
            store.write(Put("turns", {"pk": "c", "sk": f"{mark}-{seen}", "marks": marks, "overlapped": bool(now and now["n"])}))
            if mailboxes.release(held, seen, {("ts",): seen}):
                return
            mailboxes.refresh(held)

    return run


def named(kind: type[Mailboxes], mark: str) -> type[Mailboxes]:
    """With tokens that are the same at every repetition."""
    numbers: dict[int, itertools.count[int]] = {}

    class Named(kind):  # type: ignore[misc, valid-type]
        def _token(self) -> str:
            return f"{mark}.{next(numbers.setdefault(id(self.store), itertools.count()))}"

    return Named


def mailbox() -> Items:
    return {
        ("mailboxes", "c", ""): {"pk": "c", "notes": 0, "seen": 0, "dirty": {}, "opened": 0, "settled": True, "last": 1_000_000}
    }


def row(end: End) -> Item:
    return end.items[("mailboxes", "c", "")]


def served(end: End) -> set[str]:
    return {mark for (table, *_), item in end.items.items() if table == "turns" for mark in item["marks"]}


def must_be_woken(left: Item) -> bool:
    world = type("World", (), {"clock": Clock(), "ping_ms": staticmethod(lambda row: 50_000), "settle_ms": 0})()
    return Keepalive(world, None, None, print).need(left, 0, 0) == "visit"  # type: ignore[arg-type]


def taken_late(left: Item) -> str:
    clock, store = Clock(), SqliteStore(":memory:", SYSTEM_SPECS)
    store.write(Put("mailboxes", left))
    clock.ms += LEASE_MS + 1
    return Mailboxes(store, clock, LEASE_MS).wake("c").state


# One by one ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> SqliteStore:
    return SqliteStore(":memory:", SYSTEM_SPECS)


@pytest.fixture
def boxes(store: SqliteStore, clock: Clock) -> Mailboxes:
    made = Mailboxes(store, clock, LEASE_MS)
    made.open("c", {"opened": 0})
    return made


def hold(boxes: Mailboxes, marks: tuple[str, ...] = ()) -> Held:
    held = boxes.wake("c", marks).held
    assert held is not None
    return held


def test_a_second_wake_is_busy_and_its_note_keeps_the_holder_from_leaving(boxes: Mailboxes) -> None:
    held = hold(boxes, ("1",))
    assert boxes.wake("c", ["2"]).state == "busy"
    assert not boxes.release(held, int(held.row["notes"]), {("ts",): 1})
    boxes.refresh(held)
    assert set(held.row["dirty"]) == {"1", "2"}
    assert boxes.release(held, int(held.row["notes"]), {})
    assert boxes.read("c")["dirty"] == {}  # type: ignore[index]


def test_a_note_on_the_same_query_is_another_note(boxes: Mailboxes) -> None:
    held = hold(boxes, ("1",))
    before = held.row["dirty"]["1"]
    boxes.wake("c", ["1"])
    boxes.refresh(held)
    assert held.row["dirty"]["1"] != before


def test_an_expired_lease_can_only_be_closed_and_its_holder_writes_nothing_more(boxes: Mailboxes, clock: Clock) -> None:
    held = hold(boxes)
    clock.ms += LEASE_MS + 1
    assert boxes.wake("c").state == "closing"
    assert boxes.wake("c").state == "closing"
    for write in (
        lambda: boxes.save(held, {("ts",): 1}),
        lambda: boxes.keep(held),
        lambda: boxes.refresh(held),
        lambda: boxes.beside(held, [Put("watches", {"pk": "a", "sk": "c|1|x"})]),
        lambda: boxes.release(held, 1, {("ts",): 1}),
        lambda: boxes.leave(held),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert boxes.store.query("watches", "a").items == []


def test_an_expired_lane_is_taken_and_its_old_holder_is_shut_out(store: SqliteStore, clock: Clock) -> None:
    lanes = Mailboxes(store, clock, LEASE_MS, takeover=True)
    lanes.open("c|lane", {})
    old = lanes.wake("c|lane").held
    assert old is not None
    clock.ms += LEASE_MS + 1
    new = lanes.wake("c|lane").held
    assert new is not None
    with pytest.raises(LeaseLost):
        lanes.beside(old, [Put("inbox", {"pk": "c", "sk": "6|answer|1"})])
    lanes.beside(new, [Put("inbox", {"pk": "c", "sk": "6|answer|1"})])


def test_a_lease_is_renewed_when_a_third_of_it_is_used_and_not_before(boxes: Mailboxes, clock: Clock) -> None:
    held = hold(boxes)
    until = held.until
    clock.ms += LEASE_MS // 5
    boxes.keep(held)
    assert held.until == until
    clock.ms += LEASE_MS // 5
    boxes.keep(held)
    assert boxes.read("c")["until"] == held.until == clock.ms + LEASE_MS  # type: ignore[index]


def test_closing_is_closing_whoever_holds_it(boxes: Mailboxes) -> None:
    held = hold(boxes)
    boxes.mark_closing("c")
    assert boxes.wake("c").state == "closing"
    with pytest.raises(LeaseLost):
        boxes.save(held, {("ts",): 1})


def test_nothing_can_be_left_on_a_mailbox_that_is_gone(boxes: Mailboxes) -> None:
    boxes.delete("c")
    assert boxes.wake("c", ["1"]).state == "gone"
    boxes.mark_closing("c")
    assert boxes.read("c") is None


class Forgetful(SqliteStore):
    """Does the work of the n-th write, and loses its answer."""

    lose: Callable[[Write], bool] = staticmethod(lambda write: False)

    def write(self, write: Write) -> Item | None:
        done = super().write(write)
        if self.lose(write):
            self.lose = staticmethod(lambda _write: False)
            raise StoreFailed("the answer was lost")
        return done


def test_a_lost_answer_is_found_in_the_row(clock: Clock) -> None:
    store = Forgetful(":memory:", SYSTEM_SPECS)
    boxes = Mailboxes(store, clock, LEASE_MS)
    boxes.open("c", {"opened": 0})
    store.lose = lambda write: True
    held = hold(boxes)
    store.lose = lambda write: isinstance(write, Update) and ("lease",) in write.remove
    assert boxes.release(held, int(held.row["notes"]), {("ts",): 5})
    assert boxes.wake("c").state == "held"
    store.lose = lambda write: isinstance(write, Delete)
    boxes.delete("c")
    assert boxes.read("c") is None
