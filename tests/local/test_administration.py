"""Upkeep of a server that runs: who may ask for it, what cannot be asked, and that it is written down before it begins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.runtime.identity import User
from chalicelib.runtime.operators import OperatorAct, Operators, mint, public_half
from chalicelib.settings import Settings
from infra.admin.opened import opened
from infra.local.administration import PATH, Administration
from infra.local.aws.shapes import Request
from infra.local.operators import SystemClock

SIGNS = "5" * 64
EDIT = f"Convex {mint(SIGNS, 'edit', 'eve')}"


class Server:
    """A backend that is open, and its administration."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.admin = backend, Administration(Operators([public_half(SIGNS)], SystemClock(), "_public"))

    def asked(self, body: Any, authorization: str = EDIT, method: str = "POST") -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(method, PATH, (("Host", "127.0.0.1"), ("Authorization", authorization)), raw)
        assert self.admin.wants(request)
        told = self.admin.answer(request)
        return told.status, json.loads(told.body)

    def acts(self) -> list[tuple[str, str]]:
        found = self.backend.executor.read(SYSTEM_ORG, lambda db: db.query(OperatorAct.by_time()).take(50))
        return [(act.operator, act.path) for act in found]

    def task(self, org: str) -> None:
        assert self.backend.executor.mutation("tasks:create", {"title": "one"}, User("alice", "https://test", org)).ok


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    settings = Settings(data_dir=tmp_path, apps=("chalicelib.functions",), operator_public_keys=(public_half(SIGNS),))
    with opened(settings) as backend:
        wiring.use(wiring.Parts(backend.store, backend.invoker, backend.gateway, wiring.SystemClock(), [], settings=settings))
        yield Server(wiring.backend())
        wiring.use(None)


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        ("", 401, "Unauthenticated"),
        ("Bearer x", 401, "Unauthenticated"),
        (EDIT + "0", 401, "Unauthenticated"),
        (f"Convex {mint(SIGNS, 'read')}", 403, "ReadOnlyKey"),
    ],
)
def test_only_who_may_change_everything_may_ask(server: Server, authorization: str, status: int, code: str) -> None:
    server.task("acme")
    told = server.asked({"command": "erase", "arguments": {"org": "acme", "yes": "acme"}}, authorization)
    assert (told[0], told[1]["code"]) == (status, code)
    assert server.acts() == []
    assert server.asked({"command": "erase", "arguments": {"org": "acme", "yes": "acme"}})[1]["lines"][0]["removed"]["tasks"] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BadRequest"),
        (b"[" * 100_000, "BadRequest"),
        (b"\xff", "BadRequest"),
        ([], "BadRequest"),
        ({"command": 7}, "BadRequest"),
        ({"command": "erase", "arguments": []}, "BadRequest"),
        ({"command": "export"}, "NoSuchCommand"),
        ({"command": "__main__"}, "NoSuchCommand"),
        ({"command": "erase"}, "BadArguments"),
        ({"command": "erase", "arguments": {"org": "acme"}}, "NotConfirmed"),
        ({"command": "erase", "arguments": {"org": "_system", "yes": "_system"}}, "NotAllowed"),
        ({"command": "indexes", "arguments": {"build": "yes"}}, "BadArguments"),
        ({"command": "indexes", "arguments": {"biuld": True}}, "BadArguments"),
        ({"command": "check", "arguments": {"table": ["nothing"]}}, "NoSuchTable"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(server: Server, body: Any, code: str) -> None:
    status, told = server.asked(body)
    assert (status, told["code"]) == (400, code), told
    assert server.asked({}, method="GET")[0] == 405


def test_each_command_is_done_on_the_open_data_and_written_down(server: Server) -> None:
    for org in ("acme", "other"):
        server.task(org)
    assert server.asked({"command": "check", "arguments": {"table": ["tasks"]}}) == (200, {"lines": [], "well": True})
    _, audited = server.asked({"command": "indexes", "arguments": {"audit": True}})
    assert audited["well"]
    assert len(audited["lines"]) > 10
    _, erased = server.asked({"command": "erase", "arguments": {"org": "acme", "yes": "acme"}})
    assert (erased["well"], erased["lines"][0]["removed"]["tasks"]) == (True, 1)
    assert server.backend.executor.query("tasks:list", {}, User("alice", "https://test", "other")).value
    assert server.acts() == [("eve", "admin:check"), ("eve", "admin:indexes"), ("eve", "admin:erase")]
