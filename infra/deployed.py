"""The data of a deployed stage, seen from the machine that deploys: indexes that are new must be built before they are read.

Before the code changes, the store is told which indexes of its tables are new: the new code finds them *building* and refuses
to read them. After it, no old code writes any more, and every document is brought in through the engine (`runtime/indexes.py`),
from where an earlier deployment was interrupted, if one was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import wiring
from chalicelib.data.building import IndexStates
from chalicelib.data.tables import TABLES, all_specs
from chalicelib.runtime.indexes import Indexes
from chalicelib.runtime.registry import load
from chalicelib.settings import Settings
from infra.account import NotDone


class Nothing:
    """Starts nothing and posts nothing: what is committed here is told by the stream, in the cloud."""

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        """Left to the stream."""

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        """Left to the sweep."""

    def post(self, connection: str, text: str) -> Any:
        """There is no socket here."""
        return "unknown"

    def close(self, connection: str) -> bool:
        """There is no socket here."""
        return False

    def is_open(self, connection: str) -> bool:
        """There is no socket here."""
        return False


class Deployed:
    """The indexes of a stage.

    Args:
        stage: its name.
        apps: packages of tables and functions.
        region: where it is.
    """

    def __init__(self, stage: str, apps: tuple[str, ...], region: str) -> None:
        from chalicelib.aws.store import DynamoStore

        settings = Settings.from_env({"STAGE": stage, "CONCAVE_APPS": ",".join(apps)})
        registry = load(apps)
        self._prefix = settings.prefix
        self._store = DynamoStore(all_specs(), prefix=settings.prefix, region=region)
        nothing = Nothing()
        parts = wiring.Parts(self._store, nothing, nothing, wiring.SystemClock(), [], settings=settings)
        self._indexes = Indexes(wiring.build(settings, registry, parts).executor)

    def before(self) -> list[str]:
        """Tell the store what the new code declares, for tables that are there. Returns what will have to be built."""
        there = [table for name, table in TABLES.items() if self._exists(name)]
        return self._indexes.reconcile(there) if IndexStates in there else []

    def after(self, tell: Callable[[str], object]) -> None:
        """Build what is not ready.

        Raises:
            NotDone: an index does not agree with its table, such as a value that two documents of a unique index hold.
        """
        broken = []
        for name in self._indexes.reconcile():
            tell(f"building the index {name}")
            audit = self._indexes.build(name)
            tell(f"{name}: {audit.documents} documents, {'ready' if audit.clean else 'NOT ready'}")
            if not audit.clean:
                broken.append(f"{name}: {'; '.join(audit.examples)}")
        if broken:
            raise NotDone(f"deployed, but reads of these indexes are refused until this is put right: {' | '.join(broken)}")

    def close(self) -> None:
        """Let go of the sockets."""
        self._store.close()

    def _exists(self, table: str) -> bool:
        try:
            self._store.client.describe_table(TableName=self._prefix + table)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise
        return True
