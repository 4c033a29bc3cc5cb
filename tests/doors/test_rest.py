"""The REST door: rows, envelopes, typed errors, and a document that says no more and no less than what is served."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.doors.http import HttpRequest, handle
from chalicelib.doors.routes import ROUTES
from chalicelib.runtime.registry import load
from tests.functions.conftest import House
from tests.support.rest import Rest

People = Callable[..., Rest]


def test_a_session_is_started_listed_used_and_ended_over_rest(rest: People, house: House) -> None:
    alice = rest("alice@acme")
    status, started = alice("POST", "/sessions", {"name": "Plans"})
    assert status == 201
    path = f"/sessions/{started['data']}"
    assert alice("GET", path)[1]["data"]["name"] == "Plans"
    assert alice("POST", f"{path}/messages", {"content": "/say hello"})[0] == 201
    house.work()
    status, told = alice("GET", f"{path}/messages?limit=2")
    assert (status, [each["content"] for each in told["data"]]) == (200, ["/say hello", "hello"])
    assert alice("POST", f"{path}/end") == (200, {"data": None})
    assert alice("POST", f"{path}/messages", {"content": "more"})[0] == 409
    assert [each["status"] for each in alice("GET", "/sessions?status=terminated")[1]["data"]] == ["terminated"]


def test_rows_that_need_no_token_call_functions_that_are_open_to_nobody() -> None:
    registry = load(["chalicelib.functions"])
    open_to_nobody = {each.path for each in registry if registry.open_to_nobody(each.path)}
    assert {row.function for row in ROUTES if row.anybody} == open_to_nobody


def test_a_stranger_gets_what_a_random_id_gets(rest: People) -> None:
    started = rest("alice@acme")("POST", "/sessions", {})[1]["data"]
    for token in ("bob@acme", "alice@other"):
        stranger = rest(token)
        for method, tail, body in (("GET", "", None), ("POST", "/end", {}), ("POST", "/messages", {"content": "x"})):
            real = stranger.raw(method, f"/sessions/{started}{tail}", body)
            made_up = stranger.raw(method, f"/sessions/sess_nothing{tail}", body)
            assert (real.status, real.body) == (404, made_up.body)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("GET", "/sessions?limit=5", None, 400, "ArgumentValidationError"),
        ("GET", "/sessions?status=asleep", None, 400, "ArgumentValidationError"),
        ("POST", "/sessions", {"nam": "x"}, 400, "ArgumentValidationError"),
        ("POST", "/sessions", [1], 400, "BadJsonBody"),
        ("GET", "/sessions/s/messages?limit=0", None, 400, "ArgumentValidationError"),
        ("GET", "/sessions/s/messages?limit=many", None, 400, "ArgumentValidationError"),
        ("DELETE", "/sessions", None, 405, "MethodNotAllowed"),
        ("GET", "/nothing", None, 404, "NotFound"),
    ],
)
def test_what_is_wrong_is_a_typed_error(rest: People, method: str, target: str, body: Any, status: int, code: str) -> None:
    got, told = rest("alice@acme")(method, target, body)
    assert (got, told["code"]) == (status, code)
    assert told["message"]


def test_without_a_token_or_with_a_bad_one_it_is_401(rest: People) -> None:
    for token in (None, "nonsense"):
        answer = rest(token).raw("POST", "/sessions", {})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_an_idempotency_key_makes_one_session(rest: People) -> None:
    alice = rest("alice@acme")
    headers = {"idempotency-key": "k1"}
    first, second = (alice("POST", "/sessions", {}, **headers)[1]["data"] for _ in range(2))
    assert first == second


def test_the_document_lists_every_row_and_nothing_else(rest: People) -> None:
    document = rest()("GET", "/openapi.json")[1]
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert listed == {(row.method, row.path) for row in ROUTES}
    assert document["openapi"] == "3.1.0"
    operations = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(operations)) == len(operations)
    text = json.dumps(document)
    missing = [name for name in _references(document) if name not in document["components"]["schemas"]]
    assert (missing, "Traceback" in text) == ([], False)


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
        return own + [name for part in node.values() for name in _references(part)]
    return [name for part in node for name in _references(part)] if isinstance(node, list) else []


def test_every_row_calls_a_public_function_with_arguments_that_it_has() -> None:
    registry = load(("chalicelib.functions",))
    for row in ROUTES:
        function = registry.get(row.function)
        names = set(function.args.__struct_encode_fields__)
        assert function.public, row
        assert {*row.places, *row.names.values(), *row.fixed} <= names, row


def test_the_page_needs_nothing_from_another_host(rest: People) -> None:
    answer = rest().raw("GET", "/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "://" not in answer.body


@pytest.mark.parametrize(("size", "rule"), [("101", "<= 100"), ("0", ">= 1"), ("x", "Expected `int`, got `str`")])
def test_a_number_in_the_query_that_breaks_a_rule_is_told_that_rule(rest: People, size: str, rule: str) -> None:
    status, told = rest("alice@acme")("GET", f"/domains/d/conversations?pageSize={size}")
    assert (status, told["code"]) == (400, "ArgumentValidationError")
    assert rule in told["message"]


def test_a_path_with_a_slash_at_its_end_is_the_one_without(rest: People) -> None:
    alice = rest("alice@acme")
    assert alice("GET", "/conversations/")[0] == 200
    assert alice("GET", "/conversations/nowhere/") == alice("GET", "/conversations/nowhere")


@pytest.mark.parametrize("part", ["[" * 1000 + "]" * 1000, "7" * 400, "NaN"])
def test_a_body_that_cannot_be_read_is_a_typed_refusal(house: House, part: str) -> None:
    body = f'{{"content":{part}}}'.encode()
    signed = {"authorization": "Bearer alice@acme"}
    answer = handle(house.backend, HttpRequest("POST", "/conversations", {}, signed, body))
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "BadJsonBody")
