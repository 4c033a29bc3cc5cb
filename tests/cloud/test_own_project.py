"""A project from the wheel alone, in an empty folder: to the emulated account, looked at, operated, taken down."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.edge import Edge
from tests.cloud.emulator import Emulator
from tests.concave.test_installed import installed, project
from tests.infra.test_bundle import here_is_lambda

__all__ = ["installed", "project"]
pytestmark = [here_is_lambda, pytest.mark.timeout(600)]

NAME = "shop"


class Owner:
    """Who has the project, with the rights of the account."""

    def __init__(self, account: Emulator, programs: Path, folder: Path) -> None:
        self.account, self.programs, self.folder = account, programs, folder
        self.edge: Edge | None = None

    def types(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command in the project's folder."""
        env = self.account.env(PATH=f"{self.programs}:/usr/bin:/bin", ANONYMOUS="on", DASHBOARD="on", USER="ann", **more)
        command = [str(self.programs / "concave"), *words]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=580, check=False)

    def told(self, *words: str, **more: str) -> str:
        done = self.types(*words, **more)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def url(self) -> str:
        """Where its users go: the stand-in for CloudFront."""
        if self.edge is None:
            (stack,) = self.account.client("cloudformation").describe_stacks(StackName=f"concave-{NAME}")["Stacks"]
            (edge,) = [each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "EdgeId"]
            self.edge = Edge(self.account, edge, {})
        return self.edge.url

    def call(self, kind: str, path: str, **args: Any) -> Any:
        body = json.dumps({"path": path, "args": args}).encode()
        asked = urllib.request.Request(f"{self.url}/api/{kind}", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{error.read().decode()}\n{self.logged()[-3:]}") from None

    def logged(self) -> list[str]:
        """What the function of HTTP has logged."""
        pages = (
            self.account.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/concave-{NAME}-api")
        )
        return [each["message"] for page in pages for each in page["events"]]


@pytest.fixture(scope="module")
def owner(account: Emulator, installed: Path, project: Path) -> Iterator[Owner]:
    made = Owner(account, installed, project)
    yield made
    if made.edge is not None:
        made.edge.stop()


def test_it_is_deployed_from_an_empty_folder_and_answers(owner: Owner) -> None:
    said = owner.told("deploy", NAME, "--no-smoke")
    assert f"operator-{NAME}.key" in said
    assert owner.call("mutation", "messages:send", text="Hello")["status"] == "success"
    assert [each["text"] for each in owner.call("query", "messages:latest")["value"]] == ["Hello"]


def test_a_look_at_it_finds_all_of_it_working(owner: Owner) -> None:
    done = owner.types("smoke", NAME, "--url", owner.url)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    states = {line.split()[-1 if " " not in line else 1].rstrip(":"): line.split()[0] for line in done.stdout.splitlines()}
    assert (states.get("version"), states.get("socket"), states.get("posts")) == ("ok", "ok", "ok"), done.stdout


def test_its_owner_operates_it_with_keys_that_only_he_can_make(owner: Owner) -> None:
    key = owner.told("key", "--stage", NAME, "--role", "edit", "--name", "ann").strip()
    there = {"CONCAVE_URL": owner.url, "CONCAVE_ADMIN_KEY": key}
    assert "messages" in owner.told("data", **there).split()
    (document,) = map(json.loads, owner.told("data", "messages", **there).splitlines())
    assert document["text"] == "Hello"
    owner.told("run", "messages:send", '{"text": "from the operator"}', **there)
    assert len(owner.call("query", "messages:latest")["value"]) == 2
    link = owner.told("dashboard", "--stage", NAME, "--url", owner.url).strip()
    assert link.startswith(f"{owner.url}/_/#key=concave-read-")
    stranger = owner.told("key", "--stage", "another").strip()
    refused = owner.types("data", CONCAVE_URL=owner.url, CONCAVE_ADMIN_KEY=stranger)
    assert (refused.returncode, "no operator's key" in refused.stderr) == (1, True)


def test_it_is_taken_down_when_that_is_said_twice(owner: Owner) -> None:
    refused = owner.types("destroy", NAME)
    assert (refused.returncode, "holds data in" in refused.stderr) == (1, True)
    owner.told("destroy", NAME, "--erase-data", NAME)
    left = owner.account.client("dynamodb").list_tables()["TableNames"]
    assert [each for each in left if each.startswith(f"concave-{NAME}-")] == []
