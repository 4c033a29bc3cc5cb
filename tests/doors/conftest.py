"""A whole backend behind the doors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, model
from tests.support.rest import Names, Rest

__all__ = ["model"]


@pytest.fixture
def house(model: ScriptedModel) -> House:
    """Real functions on a real SQLite store; a token is `subject@org`."""
    made = House(model)
    made.backend.verifier = Names(made.backend.verifier)  # type: ignore[assignment]
    return made


@pytest.fixture
def rest(house: House) -> Callable[[str | None], Rest]:
    """Somebody at the REST door, by token."""
    return lambda token=None: Rest(house.backend, token)
