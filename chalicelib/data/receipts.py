"""The `commits` row: a commit's answer, event and outbox in one, and the only proof that it happened."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.data import trace
from chalicelib.data.errors import BadRequest, Contention
from chalicelib.data.reads import Touched
from chalicelib.data.store import Item, Key, Store

RECEIPT_TRIES = 50
ANSWER_CHARS = 512
"""A longer answer is kept compressed: a transaction costs two units for each KB."""
PLACES_CHARS = 300
"""More places than fit so many characters are kept compressed: they repeat one another's names."""
COMMIT_SECONDS = 14 * 86400
"""How long an answer can be asked for again (Convex keeps 14 days)."""


@dataclass(frozen=True)
class Receipt:
    """A commit that happened: what its `commits` row says.

    `result` is the function's encoded answer (JSON text), `touched` the places written, `jobs` what is to be started.
    """

    id: str
    result: str
    touched: list[Touched]
    jobs: list[dict[str, Any]] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)
    repeated: bool = False
    number: int | None = None
    """The commit's place in the store's order, where the store numbers its commits and said so."""


@dataclass(frozen=True)
class Intent:
    """What to commit beside the documents. `id` names the commit row; `call` identifies function and arguments.

    `kept`: whether anybody may ask for the answer again, by its key, when nothing was written.
    """

    id: str
    stamp: str
    call: str
    path: str
    org: str
    result: str
    now_s: int
    connection: str = ""
    jobs: tuple[dict[str, Any], ...] = ()
    log_lines: tuple[str, ...] = ()
    kept: bool = True
    trace: str = field(default_factory=trace.current)


@dataclass(frozen=True)
class Planned:
    """One call of a commit: its intent, and the places that it wrote itself."""

    intent: Intent
    touched: list[Touched]

    def has_row(self) -> bool:
        """Whether anybody will look for it: the call that asks again, or those who are to hear of it."""
        return self.intent.kept or bool(self.touched or self.intent.jobs)


def receipt(store: Store, commit_id: str, call: str | None = None, pause: Callable[[float], None] = time.sleep) -> Receipt | None:
    """The commit under this id, if it happened. Another call under the same id is an error, not an answer."""
    row = commit_rows(store, [commit_id], pause).get(commit_id)
    return None if row is None else from_row(row, call)


def commit_rows(store: Store, ids: Sequence[str], pause: Callable[[float], None] = time.sleep) -> dict[str, Item]:
    """The `commits` rows of those of these commits that happened, by id.

    Read by TransactGetItems: a plain read may miss the row of a transaction whose other half is already seen.
    """
    for attempt in range(RECEIPT_TRIES):
        try:
            rows = store.transact_get([Key("commits", commit_id) for commit_id in ids])
            return {row["pk"]: row for row in rows if row is not None}
        except Contention:
            if attempt == RECEIPT_TRIES - 1:
                raise
            pause(0.02)
    return {}


def from_row(row: Item, call: str | None = None) -> Receipt:
    """A `commits` row as a receipt."""
    if call is not None and row["call"] != call:
        raise BadRequest("This idempotency key was used for another call; choose a new key.", "IdempotencyKeyReused")
    places = json.loads(zlib.decompress(bytes(row["places"]))) if "places" in row else row["touched"]
    touched = [(address, position) for address, position in places]
    result = zlib.decompress(bytes(row["packed"])).decode() if "packed" in row else row["result"]
    return Receipt(row["pk"], result, touched, row.get("jobs", []), row.get("logs", []), repeated=True)


def row_of(call: Planned) -> Item:
    """The `commits` row of a call."""
    intent = call.intent
    row: Item = {
        "pk": intent.id,
        "call": intent.call,
        "path": intent.path,
        "org": intent.org,
        **_result(intent.result),
        **_places(call.touched),
        "ttl": intent.now_s + COMMIT_SECONDS,
        "_c": intent.stamp,
    }
    if intent.connection:
        row["connection"] = intent.connection
    if intent.trace:
        row["trace"] = intent.trace
    if intent.jobs:
        row["jobs"] = list(intent.jobs)
    if intent.log_lines:
        row["logs"] = list(intent.log_lines)
    return row


def _result(text: str) -> Item:
    """The answer as it is stored. A long one is packed; code that does not know of that reads null, and not a half."""
    if len(text) <= ANSWER_CHARS:
        return {"result": text}
    return {"result": "null", "packed": zlib.compress(text.encode())}


def _places(touched: Sequence[Touched]) -> Item:
    """The places as they are stored. Code that does not know packed ones fails, and the stream brings them again."""
    places = [list(place) for place in touched]
    text = json.dumps(places, ensure_ascii=False, separators=(",", ":"))
    return {"touched": places} if len(text) <= PLACES_CHARS else {"places": zlib.compress(text.encode(), 9)}
