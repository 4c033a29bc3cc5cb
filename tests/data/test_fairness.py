"""Who waits in line for a busy document: nobody for much longer than the others."""

from __future__ import annotations

import statistics

import pytest

from chalicelib.data.store import Key
from infra.local.faults.store import Faults
from tests.data.sea import IN_LINE, Sea


@pytest.mark.parametrize("writers", [8, 32])
def test_nobody_waits_more_than_twice_the_median_of_the_group(writers: int) -> None:
    """Everybody boards one boat, each request to the store takes 5 ms (of simulated time), and nobody is passed over."""
    sea = Sea(IN_LINE, Faults(delay=(0.0025, 0.0025)))
    sea.do("launch", harbour="h", name="b")
    sea.storm()
    waits: dict[str, list[float]] = {}

    def write() -> None:
        for _ in range(8):
            began = sea.weave.now()
            done = sea.executor.mutation("sea:board", {"name": "b"}, None)
            assert done.receipt is not None
            row = sea.truth.get(Key("commits", done.receipt.id))
            assert row is not None
            waits.setdefault(str(row["_c"]), []).append(sea.weave.now() - began)

    assert sea.weave.run([write for _ in range(writers)]) == [None] * writers
    groups = [group for group in waits.values() if len(group) > 2]
    assert sum(len(group) for group in groups) > 0.75 * 8 * writers
    assert [group for group in groups if max(group) > 2 * statistics.median(group)] == []
    assert sea.truth.get(Key("seaBoats", "_public|seaBoats|b"))["crew"] == 8 * writers  # type: ignore[index]
