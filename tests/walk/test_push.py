"""A push message, all the way: subscribe over HTTP, ask, and the browser's maker is told when the reply is ready."""

from __future__ import annotations

import json
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.official import post
from tests.support.push_service import PushService, signed_by
from tests.walk.conftest import on
from tests.walk.server import Served


@pytest.fixture
def service() -> Iterator[PushService]:
    """A push service."""
    with PushService() as running:
        yield running


@pytest.fixture(params=["sqlite", "dynamodb"])
def server(request: pytest.FixtureRequest, tmp_path: Path, service: PushService) -> Iterator[Served]:
    """A server that may reach it: on SQLite, then on the DynamoDB engine."""
    env = on(request.getfixturevalue("engine")) if request.param == "dynamodb" else {}
    running = Served(tmp_path / "data", PUSH_HOSTS=service.origin, **env)
    yield running
    running.stop()


class Caller:
    """Somebody at the REST door."""

    def __init__(self, server: Served, subject: str) -> None:
        self.server = server
        self.token = str(post(server.url, "/dev/token", {"subject": subject, "org": "acme"})["token"])

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.server.url + path,
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self.token}"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def call(self, path: str, **args: Any) -> Any:
        """A mutation."""
        status, told = self("POST", "/api/mutation", {"path": path, "args": args})
        assert (status, told["status"]) == (200, "success"), told
        return told["value"]


def test_a_reply_is_told_to_the_browser_that_subscribed(server: Served, service: PushService) -> None:
    alice = Caller(server, "alice")
    public = alice("GET", "/push/public-key")[1]["data"]
    browser = service.browser()
    status, told = alice("POST", "/push/subscriptions", {"subscription": browser.subscription, "label": "Firefox"})
    assert (status, told["data"]["host"]) == (201, "127.0.0.1")
    assert alice("GET", "/push/subscriptions")[1]["data"] == [told["data"]]
    session = alice.call("chat:startSession")
    alice.call("chat:sendMessage", sessionId=session, content="/say The bridge stands.")
    (arrived,) = service.wait()
    message = browser.opened(arrived)
    assert (message["title"], message["body"]) == ("Claude Response Ready", "The bridge stands.")
    assert message["url"] == f"#/s/{session}"
    assert signed_by(arrived, public, service.origin)["aud"] == service.origin


def test_a_test_message_arrives_and_after_unsubscribing_none_does(server: Served, service: PushService) -> None:
    alice, bob = Caller(server, "alice"), Caller(server, "bob")
    browser = service.browser()
    alice("POST", "/push/subscriptions", {"subscription": browser.subscription})
    assert alice("POST", "/push/test", {}) == (200, {"data": 1})
    assert browser.opened(service.wait()[0])["title"] == "Concave"
    where = f"/push/subscriptions?endpoint={browser.endpoint}"
    assert bob("DELETE", where) == (200, {"data": False})
    assert alice("DELETE", where) == (200, {"data": True})
    assert alice("POST", "/push/test", {}) == (200, {"data": 0})
    status, told = alice(
        "POST", "/push/subscriptions", {"subscription": {**browser.subscription, "endpoint": "https://10.0.0.1/x"}}
    )
    assert (status, told["code"]) == (403, "PushEndpointNotAllowed")


def test_the_keys_of_a_laptop_are_made_once_and_are_its_owners(server: Served) -> None:
    """A subscription belongs to the key it was made with, so a restart must not change it."""
    public = Caller(server, "alice")("GET", "/push/public-key")[1]["data"]
    assert len(public) == 87
    assert stat.S_IMODE((server.folder / "push.pem").stat().st_mode) == 0o600
    server.stop()
    server.start()
    assert Caller(server, "alice")("GET", "/push/public-key")[1]["data"] == public
