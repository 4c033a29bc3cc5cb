"""Open sockets of the process that is asked, and what they watch: who is told what, and why a query was run again."""

from __future__ import annotations

import json
from typing import Any

from chalicelib import ActionCtx, Refused, internal_action
from chalicelib.data.reads import overlap
from chalicelib.data.tables import MARK, document_key
from chalicelib.operating.pages import table_of

MOST = 200
WHY = 5


@internal_action(reads=True)
def sockets(ctx: ActionCtx) -> list[dict[str, Any]]:
    """Up to 200 open sockets, each with its live queries.

    Raises:
        Refused: `NotSupported`: connections are rows here (LIVE=rows).
    """
    held = _held(ctx)
    with held.lock:
        return [_socket(socket) for socket in list(held.sockets.values())[:MOST]]


@internal_action(reads=True)
def readers(ctx: ActionCtx, table: str, ids: list[Any]) -> list[dict[str, Any]]:
    """The live queries that watch a document now, each with how many sockets are subscribed to it.

    Raises:
        Refused: `NotSupported`: connections are rows here (LIVE=rows).
    """
    held = _held(ctx)
    key = document_key(table_of(table), ctx.org, *ids)
    place = (key.pk, key.sk or MARK)
    with held.lock:
        watching = [query for query in held.queries.by_key.values() if any(overlap(place, watch) for watch in query.watches)]
        return [{**_query(query), "sockets": len(query.subscribers)} for query in watching[:MOST]]


def _held(ctx: ActionCtx) -> Any:
    owner = ctx.parts.backend.owner
    if owner is None:
        raise Refused("NotSupported", "Connections are rows here (LIVE=rows): no process knows them all.")
    return owner.held


def _socket(socket: Any) -> dict[str, Any]:
    user = json.loads(socket.user) if socket.user else {}
    queries = [each for each in socket.subscriptions.values() if each.query is not None]
    return {
        "id": socket.id,
        "kind": socket.kind,
        "user": user.get("subject", ""),
        "org": user.get("org", ""),
        "operator": user.get("operator", ""),
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
