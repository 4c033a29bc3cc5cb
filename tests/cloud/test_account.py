"""The main job on a whole emulated account, as the template says: `make cloud-test`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cloud.stage import STAGE, Stage
from tests.infra.test_bundle import here_is_lambda
from tests.support.chat import Frames, socketio
from tests.support.official import Client

pytestmark = [here_is_lambda, pytest.mark.timeout(600)]


def _npm(stage: Stage, scenario: str) -> Any:
    return Client("node", "walk.mjs", stage.url, scenario).found(150)


# What came up ---------------------------------------------------------------------------------------------------------------


def test_every_resource_of_the_template_comes_up(stage: Stage) -> None:
    client = stage.account.client("cloudformation")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=f"concave-{STAGE}")
    states = {each["LogicalResourceId"]: each["ResourceStatus"] for page in pages for each in page["StackResourceSummaries"]}
    assert set(states.values()) == {"CREATE_COMPLETE"}
    assert len(states) > 100


def test_the_page_comes_with_the_headers_that_protect_it(stage: Stage) -> None:
    status, body, headers = stage.ask("GET", "/")
    assert (status, body[:15].lower()) == (200, "<!doctype html>")
    assert headers["x-frame-options"] == "DENY"
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_who_goes_around_the_edge_is_refused(stage: Stage) -> None:
    status, told, _ = stage.ask("GET", "/version")
    assert (status, told) == (200, "0.1.0")
    apis = stage.account.client("apigateway").get_rest_apis()["items"]
    (api,) = [each["id"] for each in apis if each["name"] == f"concave-{STAGE}-http"]
    assert stage.reach(f"{stage.account.apis}/{api}/api/version") == (403, "WrongAddress")


def test_a_look_at_the_deployment_finds_all_of_it_working(stage: Stage) -> None:
    done = stage.smoke()
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", f"{about}:"] for about in ("version", "page", "query", "socket", "posts", "reply", "jobs")
    ]


# The main job ---------------------------------------------------------------------------------------------------------------


def test_the_official_client_counts(stage: Stage) -> None:
    assert _npm(stage, "counter") == {"read": 20, "last": 20, "rising": True}


def test_a_reply_streams_to_two_tabs_of_the_official_client(stage: Stage) -> None:
    told = _npm(stage, "reply")
    assert (told["status"], told["same"], told["stranger"]) == ("completed", True, [])
    assert told["length"] > 200
    assert told["chunks"] > 1


def test_a_chat_socket_of_plain_json_is_ready(stage: Stage) -> None:
    socket = Frames(stage.url, stage.issuer.token("alice", "acme"))
    assert socket.wait("connection:ready", seconds=60)["userId"]
    socket.close()


@pytest.mark.parametrize("scenario", ["flows", "echo", "steps"])
def test_the_official_socketio_client_chats(stage: Stage, scenario: str) -> None:
    socketio(stage.url, scenario, agent=f"cloud-{scenario}", patience=60_000).found(120)


def test_nothing_was_refused_to_any_function(stage: Stage) -> None:
    """After all of the above: no function lacks a grant, and none failed."""
    for entry in ("api", "ws_connect", "ws_message", "ws_disconnect", "on_change", "generate", "run_job", "serve", "sweep"):
        wrong = [line for line in stage.logged(entry) if line.get("level") == "ERROR" or "AccessDenied" in str(line)]
        assert wrong == [], entry


def test_without_its_grants_a_function_is_refused(stage: Stage) -> None:
    """The account enforces the policies that were deployed: the HTTP function without the right to read is of no use."""
    ask = ("POST", "/api/query", {"path": "counter:get", "args": {"name": "c"}})
    with stage.without(lambda statement: statement["Sid"].startswith("Tables"), "api"):
        assert stage.ask(*ask)[1].get("status") != "success"
    assert stage.ask(*ask)[1]["status"] == "success"
    assert any("AccessDenied" in json.dumps(line) for line in stage.logged("api"))
