"""`store` is an empty store of each kind in turn; `threaded` leaves out moto, which loses writes under threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.data.store import Store
from tests.support.engine import require_engine
from tests.support.stores import KINDS, Fresh, stores


@pytest.fixture(scope="module", params=KINDS)
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    if request.param == "dynoxide":
        require_engine()
    with stores(request.param, tmp_path_factory.mktemp("stores")) as make:
        yield make


@pytest.fixture
def store(fresh: Fresh) -> Store:
    return fresh()


@pytest.fixture
def threaded(request: pytest.FixtureRequest, fresh: Fresh) -> Store:
    if "moto" in request.node.name:
        pytest.skip("moto loses writes under threads")
    return fresh()


@pytest.fixture
def gap_of_moto(request: pytest.FixtureRequest) -> Callable[[bool, str], None]:
    """Leave out, on moto only, what moto is known to get wrong: `gap_of_moto(if this, because)`."""

    def leave_out(when: bool, because: str) -> None:
        if when and "moto" in request.node.name:
            pytest.skip(f"moto {because}")

    return leave_out
