"""`sim` is a calm deployment of the counters app; `Sim` itself makes others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import counters
from tests.support.sim import Sim


@pytest.fixture
def sim() -> Iterator[Sim]:
    with Sim(1, counters) as made:
        yield made
