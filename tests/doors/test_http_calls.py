"""The HTTP door on the real executor and a real store: what a person with curl sees."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib import ActionCtx, Index, Int64, MutationCtx, QueryCtx, Refused, Table, action, internal_query, mutation, query
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.doors.http import HttpRequest, HttpResponse, handle
from chalicelib.runtime.admission import Admission
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import Verifier
from chalicelib.runtime.registry import Registry
from chalicelib.settings import Settings
from chalicelib.wiring import SystemClock
from infra.local.issuer import DevIssuer
from infra.local.sqlite.store import SqliteStore


class Visit(Table, name="httpDoorVisits"):
    """One visit."""

    who: str
    by_who = Index("who")


@mutation
def visit(ctx: MutationCtx, who: str) -> str:
    """Write a visit."""
    return ctx.db.insert(Visit(who=who))


@query
def visits(ctx: QueryCtx, who: str) -> int:
    """Count them."""
    return len(ctx.db.query(Visit.by_who(who)).collect())


@query
def me(ctx: QueryCtx) -> str | None:
    """Who calls."""
    return ctx.user.token_identifier if ctx.user else None


@query
def big(ctx: QueryCtx) -> Int64:
    """A BigInt."""
    return Int64(7)


@query
def refuse(ctx: QueryCtx) -> None:
    """Say no."""
    raise Refused("TooEarly", "Come back later", after=Int64(5))


@mutation
def broken(ctx: MutationCtx) -> None:
    """A programmer's mistake."""
    raise RuntimeError("hush")


@action
def twice(ctx: ActionCtx, who: str) -> int:
    """Visit twice, then count."""
    for _ in range(2):
        ctx.run_mutation(visit, who=who)
    count: int = ctx.run_query(visits, who=who)
    return count


@internal_query
def hidden(ctx: QueryCtx) -> int:
    """For no door."""
    return 1


@dataclass
class Backend:
    executor: Executor
    registry: Registry
    verifier: Verifier
    clock: SystemClock
    settings: Settings
    issuer: DevIssuer
    admission: Admission


def made(folder: Path, *, development: bool = True) -> Backend:
    registry, clock = Registry(), SystemClock()
    registry.collect(sys.modules[__name__], "shop")
    store = SqliteStore(":memory:", [*SYSTEM_SPECS, spec(Visit)])
    issuer = DevIssuer(Settings(data_dir=folder))

    def nothing(address: str) -> bytes:
        raise ConnectionRefusedError(address)

    verifier = Verifier([issuer.provider()], nothing, clock)
    executor = Executor(store, registry, clock, development=development)
    return Backend(executor, registry, verifier, clock, Settings(), issuer, Admission(0, clock))


@pytest.fixture
def b(tmp_path: Path) -> Backend:
    return made(tmp_path)


def post(b: Backend, address: str, body: Any, **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return handle(b, HttpRequest("POST", address, {}, named, json.dumps(body).encode()))


def value(response: HttpResponse) -> Any:
    body = json.loads(response.body)
    assert body["status"] == "success", body
    return body["value"]


def error(response: HttpResponse) -> dict[str, Any]:
    assert response.status == 200
    body: dict[str, Any] = json.loads(response.body)
    assert body["status"] == "error"
    return body


def test_a_mutation_is_seen_by_the_next_query(b: Backend) -> None:
    assert value(post(b, "/api/mutation", {"path": "shop:visit", "args": [{"who": "al"}], "format": "convex_encoded_json"}))
    assert value(post(b, "/api/query", {"path": "shop:visits", "args": {"who": "al"}})) == 1
    assert value(post(b, "/api/run/shop/visits", {"args": {"who": "al"}})) == 1


def test_an_action_calls_through(b: Backend) -> None:
    assert value(post(b, "/api/action", {"path": "shop:twice", "args": {"who": "al"}})) == 2
    assert value(post(b, "/api/run/shop/twice", {"args": {"who": "al"}})) == 4


def test_a_token_makes_a_caller_and_no_token_makes_nobody(b: Backend) -> None:
    bearer = f"Bearer {b.issuer.token('alice', 'acme')}"
    assert value(post(b, "/api/query", {"path": "shop:me", "args": {}}, authorization=bearer)) == "concave-dev|alice"
    assert value(post(b, "/api/query", {"path": "shop:me", "args": {}})) is None
    stale = f"Bearer {b.issuer.token('alice', 'acme', ttl_s=-60)}"
    assert post(b, "/api/query", {"path": "shop:me", "args": {}}, authorization=stale).status == 401


def test_one_org_does_not_see_another(b: Backend) -> None:
    acme, other = (f"Bearer {b.issuer.token('alice', org)}" for org in ("acme", "other"))
    value(post(b, "/api/mutation", {"path": "shop:visit", "args": {"who": "al"}}, authorization=acme))
    counts = [
        value(post(b, "/api/query", {"path": "shop:visits", "args": {"who": "al"}}, authorization=each)) for each in (acme, other)
    ]
    assert counts == [1, 0]


def test_the_same_idempotency_key_takes_effect_once_and_belongs_to_its_caller(b: Backend) -> None:
    alice, bob = (
        {"authorization": f"Bearer {b.issuer.token(name, 'acme')}", "idempotency_key": "k"} for name in ("alice", "bob")
    )
    call = {"path": "shop:visit", "args": {"who": "al"}}
    first = value(post(b, "/api/mutation", call, **alice))
    assert value(post(b, "/api/mutation", call, **alice)) == first
    assert value(post(b, "/api/run/shop/visit", {"args": {"who": "al"}}, **alice)) == first
    assert value(post(b, "/api/mutation", call, **bob)) != first
    count = {"path": "shop:visits", "args": {"who": "al"}}
    assert value(post(b, "/api/query", count, **alice)) == 2


def test_the_same_key_with_other_arguments_is_an_error(b: Backend) -> None:
    alice = {"authorization": f"Bearer {b.issuer.token('alice', 'acme')}", "idempotency_key": "k"}
    value(post(b, "/api/mutation", {"path": "shop:visit", "args": {"who": "al"}}, **alice))
    said = error(post(b, "/api/mutation", {"path": "shop:visit", "args": {"who": "bo"}}, **alice))
    assert "idempotency key" in said["errorMessage"]
    assert value(post(b, "/api/query", {"path": "shop:visits", "args": {"who": "bo"}}, authorization=alice["authorization"])) == 0


def test_values_are_exact_or_readable_as_asked(b: Backend) -> None:
    assert value(post(b, "/api/query", {"path": "shop:big", "args": {}})) == "7"
    exact = value(post(b, "/api/query", {"path": "shop:big", "args": {}, "format": "convex_encoded_json"}))
    assert exact == {"$integer": "BwAAAAAAAAA="}


def test_a_refusal_has_data_in_the_format_that_was_asked_for(b: Backend) -> None:
    data = {"code": "TooEarly", "message": "Come back later"}
    assert error(post(b, "/api/query", {"path": "shop:refuse", "args": {}}))["errorData"] == {**data, "after": "5"}
    exact = error(post(b, "/api/query", {"path": "shop:refuse", "args": {}, "format": "convex_encoded_json"}))
    assert exact["errorData"] == {**data, "after": {"$integer": "BQAAAAAAAAA="}}
    assert "ConvexError" in exact["errorMessage"]


def test_a_mistake_is_told_to_developers_only(tmp_path: Path, b: Backend) -> None:
    call = {"path": "shop:broken", "args": {}}
    told = error(post(b, "/api/mutation", call))
    assert "Uncaught RuntimeError: hush" in told["errorMessage"]
    silent = error(post(made(tmp_path, development=False), "/api/mutation", call))
    assert silent.keys() == {"status", "errorMessage", "logLines"}
    head, _, request_id = silent["errorMessage"].partition("[Request ID: ")
    assert (head, request_id[16:], len(request_id)) == ("", "] Server Error", 30)


def test_wrong_calls_are_function_errors_in_convex_words(b: Backend) -> None:
    wrong = [
        ("/api/query", "shop:nothing", {}, "Could not find public function for 'shop:nothing'"),
        ("/api/query", "shop:visit", {"who": "al"}, "Trying to execute shop:visit as Query, but it is defined as Mutation."),
        ("/api/query", "shop:visits", {}, "ArgumentValidationError: "),
        ("/api/query", "shop:visits", {"who": "al", "more": 1}, "ArgumentValidationError: "),
    ]
    for address, path, args, words in wrong:
        assert words in error(post(b, address, {"path": path, "args": args}))["errorMessage"]


def test_internal_and_missing_functions_look_the_same_at_every_address(b: Backend) -> None:
    def said(address: str, body: dict[str, Any], name: str) -> str:
        message: str = error(post(b, address, body))["errorMessage"]
        return message.partition("\n")[2].replace(name, "?")

    for address in ("/api/query", "/api/mutation", "/api/action"):
        words = [said(address, {"path": f"shop:{name}", "args": {}}, name) for name in ("hidden", "absent")]
        assert words[0] == words[1] != ""
    words = [said(f"/api/run/shop/{name}", {"args": {}}, name) for name in ("hidden", "absent")]
    assert words[0] == words[1] != ""
