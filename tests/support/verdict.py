"""What must hold in a simulated deployment when everything has come to rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalicelib.calls import own_key
from chalicelib.data.store import Item
from chalicelib.live.owner.owner import Owner
from chalicelib.runtime.identity import User
from infra.local.sqlite.values import decode
from tests.support.client import Broken
from tests.support.sim_parts import Verifier

if TYPE_CHECKING:
    from tests.support.sim import Sim


def check(sim: Sim) -> None:
    """Everybody sees what is true, every promise is settled, every effect is there once. Raises `Broken`."""
    for person in sim.people:
        if person.stays_away:
            continue
        client = person.client
        if not client.in_step:
            raise Broken(f"{person.name} is not in step: {client.version}, connected {client.connected}")
        if client.waiting:
            raise Broken(f"{person.name} waits for {[(one.id, one.state, one.path) for one in client.waiting]}")
        for query in client.queries.values():
            if query.id not in client.results:
                raise Broken(f"{person.name} still loads {query.key}")
            result = client.results[query.id]
            shown = result.value if result.error is None else {"error": result.data if result.has_data else None}
            true = fresh(sim, query.path, query.args, client.token)
            if shown != true:
                raise Broken(f"{person.name} sees {query.key} = {str(shown)[:200]}, but it is {str(true)[:200]}")
    _check_effects(sim)


def fresh(sim: Sim, path: str, args: dict[str, Any], token: str | None) -> Any:
    """What a query says now, evaluated beside everything."""
    sim.store.off = True
    try:
        user = None if token is None else Verifier(sim.clock).verify(token.partition("!")[0])
        found = sim.executor.evaluate(path, args, user)
    finally:
        sim.store.off = False
    return json.loads(found.text) if found.ok else {"error": found.error.data if found.error else None}


def _check_effects(sim: Sim) -> None:
    every = [item for item in rows(sim, "simCounters") if item["group"] != "pairs"]
    happened = [op for item in every for op in item["ops"]]
    if len(happened) != len(set(happened)):
        raise Broken(f"an effect happened twice: {sorted(op for op in happened if happened.count(op) > 1)}")
    for item in every:
        if item["value"] != len(item["ops"]):
            raise Broken(f"{item['pk']}: {item['value']} is not {len(item['ops'])}")
    for person in sim.people:
        for number, (_, op) in person.ops.items():
            state = person.client.requests[number].state
            if (state == "resolved") != (op in happened) and state in ("resolved", "failed"):
                raise Broken(f"{person.name}: {op} has {state}, but its effect is {'there' if op in happened else 'not there'}")


def rows(sim: Sim, table: str) -> list[Item]:
    """Every item of a table."""
    with sim.base._guard():
        found = sim.base._db.execute(f'SELECT item FROM "items.{table}"').fetchall()
    return [decode(row[0]) for row in found]


def of_connections(sim: Sim, table: str) -> list[Item]:
    """Every item of a table that belongs to a connection: what a session is remembered by stays for a day."""
    return [row for row in rows(sim, table) if not row["pk"].startswith("session|")]


def leftovers(sim: Sim) -> list[str]:
    """Rows of connections that are over, and watches that no subscription names."""
    if sim.backend.owner is not None:
        stored = [table for table in ("mailboxes", "inbox", "subscriptions", "watches") if rows(sim, table)]
        alive = [person.link.id for person in sim.people if person.link is not None]
        kept = [left for each in sim.backends if each.owner is not None for left in _kept(each.owner, alive)]
        return [f"rows of {table}" for table in stored] + kept
    alive = {person.link.id for person in sim.people if person.link is not None and person.client.connected}
    late_lanes = {name for name in sim.store.late_rows if name.endswith("|lane")}
    left = [f"mailbox {row['pk']}" for row in rows(sim, "mailboxes") if row["pk"].partition("|")[0] not in {*alive, "session"}]
    left = [each for each in left if each.removeprefix("mailbox ") not in late_lanes]
    orphaned = {link.id for link in sim.gateway.links.values() if link.orphans} | sim.store.late_rows
    for table, spared in (("subscriptions", alive), ("inbox", alive | orphaned)):
        left += [f"{table} {row['pk']} {row['sk']}" for row in rows(sim, table) if row["pk"] not in spared]
    named = {(*watch, row["pk"], int(row["sk"])) for row in rows(sim, "subscriptions") for watch in row["watches"]}
    for row in rows(sim, "watches"):
        if (row["pk"], row["low"], row["high"], row["connection"], row["query"]) not in named:
            left.append(f"watch {row['pk']} {row['sk']}")
    return left


def _kept(owner: Owner, alive: list[str]) -> list[str]:
    """What an owner still has of sockets that are over."""
    held = owner.held
    left = [f"socket {each}" for each in held.sockets if each not in alive]
    for key, query in held.queries.by_key.items():
        left += [f"{key.path} for {each.socket.id}" for each in query.subscribers if each.socket.id not in alive]
        left += [f"{key.path} for nobody"] if not query.subscribers else []
    watched = sum(len(query.watches) for query in held.queries.by_key.values())
    if len(held.queries.watches) != watched:
        left.append(f"{len(held.queries.watches)} watches of {watched}")
    return left


def commit_of_alice(key: str) -> str:
    """The id of the commit that a call of alice@acme makes under this idempotency key."""
    return f"acme|{own_key(User('alice', 'https://issuer.test', 'acme'), key)}"
