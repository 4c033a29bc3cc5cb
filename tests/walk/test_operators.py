"""Operators from outside: the command line of npm, sockets of a client, and the dashboard's door, on both drivers and stores."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from convex import ConvexClient
from websockets.sync.client import connect

from chalicelib.runtime.operators import mint
from tests.support.engine import Engine, require_engine
from tests.walk.conftest import on
from tests.walk.server import ROOT, Served

CLI = ROOT / "tests" / "clients" / "node_modules" / "convex" / "bin" / "main.js"
APPS = {"CONCAVE_APPS": "chalicelib.functions,tests.apps.variables"}


class Operated(Served):
    """A server, and what its operators do to it."""

    def key(self, role: Any = "edit") -> str:
        """A key of an operator."""
        return mint((self.folder / "operator.key").read_text(), role)

    def npx(self, *words: str, role: str = "edit") -> str:
        """What `npx convex` prints."""
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env = {**keep, "CONVEX_SELF_HOSTED_URL": self.url, "CONVEX_SELF_HOSTED_ADMIN_KEY": self.key(role), "CI": "1"}
        project = self.folder.parent / "project"
        project.mkdir(exist_ok=True)
        (project / "package.json").write_text('{"dependencies": {"convex": "*"}}')
        modules = project / "node_modules"
        if not modules.exists():
            modules.symlink_to(CLI.parents[2])
        command = ["node", str(modules / "convex" / "bin" / "main.js"), *words]
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def asked(self, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        """One request; the answer's headers and status."""
        line = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=10)
        line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = line.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        line.close()
        return answer


@pytest.fixture(params=["owner", "rows", "dynamodb"])
def operated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Operated]:
    engine, env = None, dict(APPS)
    if request.param == "dynamodb":
        require_engine()
        engine = Engine(tmp_path / "engine.db")
        env |= on(engine)
    else:
        env["LIVE"] = request.param
    server = Operated(tmp_path / "data", **env)
    yield server
    server.stop()
    if engine is not None:
        engine.stop()


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Operated]:
    server = Operated(tmp_path / "data", **APPS)
    yield server
    server.stop()


def test_the_command_line_of_npm_works(operated: Operated) -> None:
    alice = '{"subject": "alice", "org": "acme"}'
    made = json.loads(operated.npx("run", "tasks:create", '{"title": "by npx"}', "--identity", alice))
    assert made["title"] == "by npx"
    listed = json.loads(operated.npx("run", "tasks:list", "{}", "--identity", alice, role="read"))
    assert [task["title"] for task in listed] == ["by npx"]
    assert {"tasks", "operatorActs"} <= set(operated.npx("data").split())
    operated.npx("env", "set", "GREETING", "good day")
    assert operated.npx("env", "list").strip() in ("GREETING=good day", 'GREETING="good day"')
    assert operated.npx("env", "get", "GREETING").strip() == "good day"
    assert json.loads(operated.npx("run", "variables:greeting")) == "good day, _public"
    assert json.loads(operated.npx("run", "variables:hidden")) == "good day"
    assert "good day" in operated.npx("run", "variables:seen")
    assert "good day" in operated.npx("run", "variables:told")
    spec = json.loads(operated.npx("function-spec"))
    assert spec["url"] == operated.url
    assert "tasks.js:create" in {each["identifier"] for each in spec["functions"]}
    acts = operated.npx("data", "operatorActs")
    assert "variables:seen" in acts
    operated.npx("env", "remove", "GREETING")
    assert operated.npx("env", "list").strip() == ""


def test_a_query_that_read_a_variable_is_told_when_it_changes(operated: Operated) -> None:
    client = ConvexClient(operated.url)
    greetings = iter(client.subscribe("variables:greeting", {}))
    assert next(greetings) == "hello, _public"
    change = {"changes": [{"name": "GREETING", "value": "moin"}]}
    answer = operated.asked(
        "POST", "/api/update_environment_variables", json.dumps(change).encode(), Authorization=f"Convex {operated.key()}"
    )
    assert answer.status == 200
    assert next(greetings) == "moin, _public"


def test_a_stranger_who_watches_the_same_internal_query_is_told_nothing_of_it(operated: Operated) -> None:
    stranger, operator = ConvexClient(operated.url), ConvexClient(operated.url)
    operator.set_admin_auth(operated.key())
    refused = iter(stranger.subscribe("variables:hidden", {}))
    with pytest.raises(Exception, match="Could not find public function"):
        next(refused)
    told = iter(operator.subscribe("variables:hidden", {}))
    assert next(told) == "none"
    for number in range(3):  # re-evaluated for both at once, whoever came first
        change = {"changes": [{"name": "GREETING", "value": str(number)}]}
        operated.asked(
            "POST", "/api/update_environment_variables", json.dumps(change).encode(), Authorization=f"Convex {operated.key()}"
        )
        assert next(told) == str(number)
        later = ConvexClient(operated.url)
        with pytest.raises(Exception, match="Could not find public function"):
            later.query("variables:hidden", {})


def test_a_wrong_key_on_a_socket_is_an_error_of_authentication(laptop: Operated) -> None:
    hello = {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": None}
    wrong = {"type": "Authenticate", "tokenType": "Admin", "value": laptop.key()[:-1] + "x", "baseVersion": 0}
    with connect(f"ws://127.0.0.1:{laptop.port}/api/1.48.0/sync") as socket:
        socket.send(json.dumps(hello))
        socket.send(json.dumps(wrong))
        told = json.loads(socket.recv(10))
    assert (told["type"], told["error"]) == ("AuthError", "This is no operator's key of this deployment.")


# The dashboard's door ---------------------------------------------------------------------------------------------------


def test_the_link_of_the_banner_works_once_and_gives_keys_of_an_hour(laptop: Operated) -> None:
    laptop.hear("/_/?key=")
    link = re.search(r"/_/\?key=\S+", "".join(laptop.lines))
    assert link is not None
    first = laptop.asked("GET", link[0])
    assert (first.status, first.getheader("location")) == (303, "/_/")
    cookie = first.getheader("set-cookie") or ""
    assert {"HttpOnly", "SameSite=Strict", "Path=/_/"} <= {part.strip() for part in cookie.split(";")}
    assert laptop.asked("GET", link[0]).status == 403
    told = laptop.asked("POST", "/_/session", Cookie=cookie.partition(";")[0], Origin=laptop.url)
    session = json.loads(told.text)  # type: ignore[attr-defined]
    assert (told.status, session["role"], session["store"]) == (200, "edit", "sqlite")
    page = {"paginationOpts": {"numItems": 5, "cursor": None}}
    asked = json.dumps({"path": "_system/cli/tables", "args": page}).encode()
    tables = laptop.asked("POST", "/api/function", asked, Authorization=f"Convex {session['key']}")
    assert json.loads(tables.text)["status"] == "success"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Cookie": ""}, 401),
        ({"Cookie": "concave_operator=x"}, 401),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Host": "rebound.example"}, 403),
    ],
)
def test_nobody_else_gets_a_session(laptop: Operated, changed: dict[str, str], status: int) -> None:
    laptop.hear("/_/?key=")
    link = re.search(r"/_/\?key=\S+", "".join(laptop.lines))
    assert link is not None
    cookie = (laptop.asked("GET", link[0]).getheader("set-cookie") or "").partition(";")[0]
    headers = {"Cookie": cookie, "Origin": laptop.url, **changed}
    assert laptop.asked("POST", "/_/session", **{name: value for name, value in headers.items() if value}).status == status


def test_an_operator_makes_further_links_with_no_more_rights_than_his_own(laptop: Operated) -> None:
    def linked(key: str, role: str) -> tuple[int, str]:
        body = json.dumps({"role": role}).encode()
        told = laptop.asked("POST", "/_/link", body, Authorization=f"Convex {key}")
        return told.status, json.loads(told.text).get("role", "")  # type: ignore[attr-defined]

    assert linked(laptop.key(), "edit") == (200, "edit")
    assert linked(laptop.key(), "read") == (200, "read")
    assert linked(laptop.key("read"), "edit") == (200, "read")
    assert linked("nothing", "edit")[0] == 401
    assert laptop.asked("POST", "/_/link", b"{}").status == 401


def test_the_dashboard_may_not_be_framed_and_loads_nothing_from_elsewhere(laptop: Operated) -> None:
    policy = laptop.asked("GET", "/_/").getheader("content-security-policy") or ""
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert laptop.asked("POST", "/_/").status == 405
    assert laptop.asked("GET", "/_/nothing.js").status == 404


def test_the_secret_of_operators_is_its_owners_alone(laptop: Operated) -> None:
    assert (laptop.folder / "operator.key").stat().st_mode & 0o077 == 0
