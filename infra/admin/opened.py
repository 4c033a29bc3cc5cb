"""A deployment's data and functions, opened from outside: the laptop's file, or a stage's tables in AWS.

The same settings as everything else say which: DATA_DIR for the laptop (stop `make dev` first, one process may have the
file), STAGE (and AWS credentials) for a stage, DYNAMODB_ENDPOINT_URL for another engine. Nothing is posted and nothing
invoked from here: the streams tell subscribers, and the sweep starts jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Literal

from chalicelib import wiring
from chalicelib.backend import Backend
from chalicelib.data.tables import all_specs
from chalicelib.runtime.registry import load
from chalicelib.settings import Settings


class Silent:
    """Hands nothing over: what was asked for is found by the sweep."""

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        """Nothing."""

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        """Nothing."""


class NoSockets:
    """There are no connections here."""

    def post(self, connection: str, text: str) -> Literal["gone"]:
        """Nobody is there."""
        return "gone"

    def is_open(self, connection: str) -> bool:
        """It is not."""
        return False

    def close(self, connection: str) -> bool:
        """It is."""
        return True


@contextmanager
def opened(settings: Settings) -> Iterator[Backend]:
    """A backend on the data of these settings, as long as the context is open.

    Raises:
        ConcaveError: another process has the file.
    """
    registry = load(settings.apps)
    with closing(_store(settings)) as store:
        parts = wiring.Parts(store, Silent(), NoSockets(), wiring.SystemClock(), [], settings=settings)
        yield wiring.build(settings, registry, parts)


def _store(settings: Settings) -> Any:
    if settings.store == "dynamodb":
        from chalicelib.aws.store import DynamoStore

        return DynamoStore(all_specs(), settings.prefix, settings.dynamodb_endpoint)
    from infra.local.sqlite.store import SqliteStore

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return SqliteStore(settings.data_dir / "concave.db", all_specs())
