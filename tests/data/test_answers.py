"""What a commit answers is kept in its row, and a long answer in few bytes."""

from __future__ import annotations

import pytest

from chalicelib.data.receipts import ANSWER_CHARS, from_row
from chalicelib.data.sizes import item_bytes
from chalicelib.data.store import Key
from chalicelib.data.tables import MARK
from chalicelib.data.values import dumps
from chalicelib.runtime.scheduling import Run
from tests.data.sea import Boat
from tests.data.test_groups import Harbour


@pytest.mark.parametrize("length", [10, ANSWER_CHARS - 1, ANSWER_CHARS, 300_000])
def test_a_long_answer_is_kept_in_few_bytes_and_is_the_same_when_it_is_asked_for_again(length: int) -> None:
    harbour = Harbour()
    answer = dumps("héllo " * (length // 6))

    def long(run: Run) -> str:
        run.db.insert(Boat(harbour="h"))
        return answer

    assert [harbour.alone(long, "k"), harbour.alone(long, "k")] == [answer, answer]
    row = harbour.get(Key("commits", "acme|k"))
    assert row is not None
    assert item_bytes(row) < max(2 * ANSWER_CHARS, length // 20)
    assert len(harbour.boats()) == 1


@pytest.mark.parametrize("boats", [1, 30])
def test_the_places_of_a_commit_are_kept_in_few_bytes_and_are_the_same_when_they_are_read(boats: int) -> None:
    harbour = Harbour()

    def build(run: Run) -> str:
        for number in range(boats):
            run.db.insert(Boat(id=f"boat-{number}-of-a-large-fleet", harbour="h"))
        return dumps("built")

    harbour.alone(build, "k")
    row = harbour.get(Key("commits", "acme|k"))
    assert row is not None
    written = {(boat["pk"], MARK) for boat in harbour.scan("seaBoats").items}
    assert len(written) == boats
    assert written <= set(from_row(row).touched)
    assert item_bytes(row) < 500 + 60 * boats
