"""One account and one stage for all tests of a run: they go on from one another, as a deployment's life does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.emulator import Emulator
from tests.cloud.stage import Stage


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An empty account that enforces what is granted."""
    made = Emulator(tmp_path_factory.mktemp("account"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def stage(account: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A deployed stage."""
    made = Stage(account, tmp_path_factory.mktemp("stage"))
    made.deploy()
    yield made
    made.stop()
