"""A scripted model of its own for every test, as fast as it can.

The SDK is loaded before the first test: what a test gives a reply is time for the reply. Loaded lazily, inside it, the SDK takes
seconds of that on a busy machine, forty with twenty processes on two cores.
"""

from collections.abc import Iterator

import anthropic  # noqa: F401 - see above
import pytest

from infra.local.model.server import Pace, ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(pace=Pace(0)) as scripted:
        yield scripted
