"""Many threads on one store: nothing is lost, one wins, and a snapshot is of one instant. Not on moto, which loses writes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chalicelib.data.errors import ConditionFailed, Contention
from chalicelib.data.store import Absent, Equals, Key, Put, Store, Update

THREADS = 8


def _together(work: Callable[[int], int]) -> list[int]:
    """Run the work in all threads, started at the same moment."""
    gate = threading.Barrier(THREADS)

    def run(number: int) -> int:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_no_addition_is_lost(threaded: Store) -> None:
    def add(_: int) -> int:
        for _ in range(25):
            threaded.write(Update(Key("notes", "sum"), add={("n",): 1}))
        return 25

    assert sum(_together(add)) == 200
    assert threaded.get(Key("notes", "sum")) == {"pk": "sum", "n": 200}


def test_one_of_many_makes_an_item(threaded: Store) -> None:
    def claim(number: int) -> int:
        won = 0
        for round_ in range(10):
            try:
                threaded.transact(
                    [Put("notes", {"pk": f"r{round_}", "by": number}, Absent()), Put("commits", {"pk": f"{round_} {number}"})]
                )
                won += 1
            except (ConditionFailed, Contention):
                assert threaded.get(Key("commits", f"{round_} {number}")) is None
        return won

    assert sum(_together(claim)) == 10


def test_compare_and_set_loses_no_step(threaded: Store) -> None:
    counter = Key("notes", "n")
    threaded.write(Put("notes", {"pk": "n", "v": 0}))

    def step(_: int) -> int:
        done = 0
        while done < 5:
            item = threaded.get(counter)
            assert item is not None
            try:
                threaded.transact(
                    [
                        Put("notes", {"pk": "n", "v": item["v"] + 1}, Equals(("v",), item["v"])),
                        Update(Key("fences", "f", "!"), add={("n",): 1}),
                    ]
                )
                done += 1
            except (ConditionFailed, Contention):
                continue
        return done

    assert sum(_together(step)) == 40
    assert threaded.batch_get([counter, Key("fences", "f", "!")]) == [{"pk": "n", "v": 40}, {"pk": "f", "sk": "!", "n": 40}]


def test_a_transactional_read_sees_all_of_a_transaction_or_nothing(threaded: Store) -> None:
    keys = [Key("notes", name) for name in "abc"]
    threaded.transact([Put("notes", {"pk": key.pk, "v": 0}) for key in keys])
    written = threading.Event()

    def run(number: int) -> int:
        if number == 0:
            for version in range(1, 60):
                threaded.transact([Put("notes", {"pk": key.pk, "v": version}) for key in keys])
            written.set()
            return 0
        torn = 0
        while not written.is_set():
            versions = {item["v"] for item in threaded.transact_get(keys) if item is not None}
            torn += len(versions) != 1
        return torn

    assert sum(_together(run)) == 0
