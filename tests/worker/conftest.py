"""The scripted model for coding agents, and a home for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.model.server import Pace, ScriptedModel
from tests.worker.agents import environment


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(pace=Pace(200, 0.02)) as scripted:
        yield scripted


@pytest.fixture
def env(model: ScriptedModel, tmp_path: Path) -> dict[str, str]:
    """The environment of agents that speak to the scripted model."""
    home = tmp_path / "home"
    home.mkdir()
    return environment(model.url, home)
