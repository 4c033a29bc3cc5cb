"""Real servers, real sockets, kills, cuts and lost answers: what everybody was told has one order, in the order of time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.histories.world import KINDS, LEAST, run
from tests.support import engine

SECONDS = 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_under_kills_and_cuts_is_strictly_serialisable(kind: str, tmp_path: Path) -> None:
    if kind.startswith("dynamodb"):
        engine.require_engine()
    told = run(kind, 7, SECONDS, tmp_path)
    assert told.anomalies == []
    assert told.outcomes["ok"] > LEAST[0]
    assert told.outcomes["shown live"] > LEAST[1]
    assert told.trouble["servers killed"] >= 1
    assert told.trouble["connections cut"] >= 1
