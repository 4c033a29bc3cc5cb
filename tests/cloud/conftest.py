"""One account and one stage for all tests of a run: they go on from one another, as a deployment's life does.

The file that takes the stage down is the last, however files are named or given: the others need it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.emulator import Emulator
from tests.cloud.stage import Stage

END = "test_changes.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What ends the stage is run after what uses it."""
    items.sort(key=lambda item: item.path.name == END)


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
