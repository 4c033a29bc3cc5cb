"""Open sockets, and what they watch: who is told what, and why a query was run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib import ActionCtx, internal_action
from chalicelib.data.reads import overlap
from chalicelib.data.tables import MARK, document_key
from chalicelib.operating.pages import table_of

MOST = 200
WHY = 5
ROWS, QUERIES = 100, 50
"""Where connections are rows: so many rows of mailboxes, and live queries of each, are read."""


@internal_action(reads=True)
def sockets(ctx: ActionCtx) -> dict[str, Any]:
    """Open sockets, each with its live queries; `more` says whether there are others.

    Up to 200 of the process that is asked. Where connections are rows (LIVE=rows, or a stage), those of all processes: at most
    100 rows and 50 live queries of each are read. Rows do not tell how large a value is, or why it was made again.
    """
    owner = ctx.parts.backend.owner
    if owner is None:
        found, more = ctx.parts.backend.driver.sockets(ROWS, QUERIES)
        return {"live": "rows", "more": more, "sockets": [_box(box, queries) for box, queries in found]}
    with owner.held.lock:
        held = list(owner.held.sockets.values())
        return {"live": "owner", "more": len(held) > MOST, "sockets": [_socket(socket) for socket in held[:MOST]]}


@internal_action(reads=True)
def readers(ctx: ActionCtx, table: str, ids: list[Any]) -> list[dict[str, Any]]:
    """The live queries that watch a document now, each with how many sockets are subscribed to it: up to 200."""
    key = document_key(table_of(table), ctx.org, *ids)
    place = (key.pk, key.sk or MARK)
    owner = ctx.parts.backend.owner
    if owner is None:
        found = ctx.parts.backend.driver.readers(place, MOST)
        return [{**_row(query, ctx.org), "sockets": many} for query, many in found]
    with owner.held.lock:
        queries = owner.held.queries.by_key.values()
        watching = [query for query in queries if any(overlap(place, watch) for watch in query.watches)]
        return [{**_query(query), "sockets": len(query.subscribers)} for query in watching[:MOST]]


def _told(user: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": user.get("subject", ""), "org": user.get("org", ""), "operator": user.get("operator", "")}


def _box(box: Mapping[str, Any], queries: list[Any]) -> dict[str, Any]:
    """A connection that is a row."""
    user = _told(json.loads(box["user"]) if box.get("user") else {})
    return {
        "id": box["pk"],
        "kind": box.get("kind", ""),
        **user,
        "watching": sum(len(query.watches) for query in queries),
        "queries": [_row(query, user["org"]) for query in queries],
    }


def _row(query: Any, org: str) -> dict[str, Any]:
    return {"path": query.path, "args": query.args, "org": org, "watches": len(query.watches)}


def _socket(socket: Any) -> dict[str, Any]:
    queries = [each for each in socket.subscriptions.values() if each.query is not None]
    return {
        "id": socket.id,
        "kind": socket.kind,
        **_told(json.loads(socket.user) if socket.user else {}),
        "watching": socket.watching,
        "queries": [_query(each.query) for each in queries],
    }


def _query(query: Any) -> dict[str, Any]:
    now = query.now
    touched = [place for place in query.why if any(overlap(place, watch) for watch in query.watches)]
    return {
        "path": query.key.path,
        "args": query.key.args,
        "org": query.key.org,
        "shared": query.key.who is None,
        "bytes": len(now.value.text) if now is not None else 0,
        "commit": now.number if now is not None else 0,
        "watches": len(query.watches),
        "why": [_readable(place) for place in touched[:WHY]],
    }


def _readable(place: tuple[str, str]) -> str:
    """`notes/note-1` of a document, `notes.by_owner alice` of a partition of an index."""
    _, _, rest = place[0].partition("|")
    table, _, name = rest.partition("|")
    return f"{table} {name}" if "." in table else f"{table}/{name}"
