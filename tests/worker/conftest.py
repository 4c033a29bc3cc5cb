"""The scripted model for coding agents, and a home for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.model.server import Pace, ScriptedModel
from tests.worker.agents import environment, opencode_program
from tests.worker.house import House, environment_of


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(pace=Pace(200, 0.02)) as scripted:
        yield scripted


@pytest.fixture
def env(model: ScriptedModel, tmp_path: Path) -> dict[str, str]:
    """The environment of agents that speak to the scripted model. They come together, by `make agents`: skipped without."""
    opencode_program()
    home = tmp_path / "home"
    home.mkdir()
    return environment(model.url, home)


@pytest.fixture
def house(env: dict[str, str], tmp_path: Path) -> Iterator[House]:
    """A backend with one enrolled machine that does not run yet."""
    opencode_program()
    made = House(tmp_path, environment_of(env))
    made.enrol()
    yield made
    made.close()
