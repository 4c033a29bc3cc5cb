"""A scripted model of its own for every test, as fast as it can."""

from collections.abc import Iterator

import pytest

from infra.local.model.server import Pace, ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(pace=Pace(0)) as scripted:
        yield scripted
