"""The data of a deployed stage, seen from the machine that deploys: documents must be what the new code declares, and indexes
that are new must be built before they are read.

Before anything changes, the documents of changed tables are looked through. Before the code changes, the store is told which
indexes of its tables are new: the new code finds them *building* and refuses to read them. After it, no old code writes any
more, and every document is brought in through the engine (`runtime/indexes.py`), from where an earlier deployment was
interrupted, if one was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import wiring
from chalicelib.data.building import IndexStates
from chalicelib.data.errors import SchemaRefused
from chalicelib.data.tables import TABLES, Table, all_specs
from chalicelib.runtime.agreement import Agreement
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
    """The documents and indexes of a stage.

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
        self.executor = wiring.build(settings, registry, parts).executor
        """Runs functions on the tables of the stage."""
        self._indexes, self._agreement = Indexes(self.executor), Agreement(self.executor)

    def check(self, tell: Callable[[str], object]) -> None:
        """Refuse the new code if stored documents are not what its tables declare. Nothing has been changed then.

        Raises:
            NotDone: names the documents, the fields and the rules.
        """
        there = [table for name, table in TABLES.items() if self._exists(name)]
        changed = self._agreement.changed(there) if IndexStates in there else []
        if not changed:
            return
        tell(f"looking at the documents of {', '.join(table.table_name for table in changed)}")
        try:
            self._agreement.require(changed)
        except SchemaRefused as error:
            raise NotDone(str(error)) from None

    def before(self, tell: Callable[[str], object], *, audited: bool = False) -> list[str]:
        """Tell the store what the new code declares, for tables that are there. Returns what will have to be built.

        Args:
            tell: takes a line of progress.
            audited: an earlier release has written since, which knew nothing of newer indexes: those are built again.
        """
        there = [table for name, table in TABLES.items() if self._exists(name)]
        if audited:
            self._indexes.begin(self.audit(tell, there))
        return self._indexes.reconcile(there) if IndexStates in there else []

    def after(self, tell: Callable[[str], object], *, audited: bool = False) -> None:
        """Build what is not ready; `audited`: and what an earlier release has written beside.

        Raises:
            NotDone: an index does not agree with its table, such as a value that two documents of a unique index hold.
        """
        broken = []
        self._agreement.accept(TABLES.values())
        if audited:
            self._indexes.begin(self.audit(tell))
        for name in self._indexes.reconcile():
            tell(f"building the index {name}")
            audit = self._indexes.build(name)
            tell(f"{name}: {audit.documents} documents, {'ready' if audit.clean else 'NOT ready'}")
            if not audit.clean:
                broken.append(f"{name}: {'; '.join(audit.examples)}")
        if broken:
            raise NotDone(f"deployed, but reads of these indexes are refused until this is put right: {' | '.join(broken)}")

    def audit(self, tell: Callable[[str], object], tables: Iterable[type[Table]] | None = None) -> list[str]:
        """Compare every index (of these tables) with its table; those that do not agree, each of them told."""
        wrong = []
        names = None if tables is None else {table.table_name for table in tables}
        for name in self._indexes.declared():
            if names is not None and name.partition(".")[0] not in names:
                continue
            found = self._indexes.audit(name)
            if not found.clean:
                tell(f"{name} does not agree with its table: {'; '.join(found.examples)}")
                wrong.append(name)
        return wrong

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
