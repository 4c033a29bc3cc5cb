"""Twenty tabs of the official client under jitter and cuts."""

from __future__ import annotations

from tests.support.official import npm
from tests.walk.conftest import Backend


def test_twenty_tabs_under_a_bad_network_agree(shared: Backend) -> None:
    """Each mutation ran once and is shown when its promise resolves; no value goes backwards; all end with the same."""
    assert npm(shared.url, "tabs").found(100)["ran"] > 20
