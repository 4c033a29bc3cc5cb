"""Erase an org: everything that any table holds of it, with a receipt that counts it and a second look that finds nothing.

For single conversations there is `conversations:delete`; this is for a customer who leaves. Nothing of the engine's is left
either: fences, claims, commit rows and sockets of the org go too. Its people must be signed out first: what a live client
writes meanwhile is found by the second look, and reported.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chalicelib.data.entries import ROWS
from chalicelib.data.errors import BadRequest
from chalicelib.data.store import Delete, Key, Store
from chalicelib.data.tables import all_specs
from chalicelib.operating.transfer import org_of
from chalicelib.runtime.side_rows import forgotten
from infra.admin.transfer import items

OF_CONNECTIONS = {"mailboxes", "subscriptions", "inbox"}
"""Keyed by connection, not by org; they end with their sockets."""


@dataclass
class Erased:
    """What was erased, by table, and what was found afterwards."""

    removed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)


def erase_org(store: Store, org: str, confirmed: str | None) -> Erased:
    """Remove all rows of an org for good.

    Args:
        confirmed: the org's name once more.

    Raises:
        BadRequest: the names differ, or the org belongs to the system.
    """
    if confirmed != org:
        raise BadRequest(f"This cannot be undone. To erase the org {org!r}, say it once more: --yes {org}", "NotConfirmed")
    if org.startswith("_system"):
        raise BadRequest("The system's own org cannot be erased.", "NotAllowed")
    told = Erased()
    for name in _tables():
        for item in items(store, name):
            if org_of(item) == org:
                if name == ROWS:
                    forgotten(store, [item])
                store.write(Delete(Key(name, item["pk"], item.get("sk"))))
                told.removed[name] += 1
    for name in _tables():
        told.left[name] += sum(org_of(item) == org for item in items(store, name))
    told.left = +told.left
    return told


def _tables() -> list[str]:
    return [spec.name for spec in all_specs() if spec.name not in OF_CONNECTIONS]
