"""Twenty seconds of clients that are cut off and come back while others commit; `make soak` does it for ten minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.aws.gateway import POOL
from tests.walk.soak import soak

CLIENTS, SECONDS = 80, 20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="what a process holds is read from /proc")
@pytest.mark.parametrize("live", ["owner", "rows"])
def test_who_comes_back_misses_nothing_and_leaves_nothing(live: str, tmp_path: Path) -> None:
    found = soak(live, tmp_path, CLIENTS, SECONDS)
    assert found.lost == []
    assert found.left == {}
    assert found.connections > 1.5 * CLIENTS
    assert found.cut > 10
    assert found.changes > 50
    # Pools grow to their bounds, and threads hold files of the database; each client that stayed would be one more.
    assert found.files[1] <= found.files[0] + 2 * POOL + 40, found.files
    assert found.threads[1] <= found.threads[0] + 2, found.threads
