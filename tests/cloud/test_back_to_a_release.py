"""A stage goes back to the release before, and on again, by its aliases alone."""

from __future__ import annotations

import pytest

from infra.releases import History, functions_of, histories
from infra.smoke.socket import Socket
from tests.cloud.stage import APPS, STAGE, Stage
from tests.infra.test_bundle import here_is_lambda

pytestmark = [here_is_lambda, pytest.mark.timeout(600)]

FIRST = f"{APPS},tests.cloud.apps.first"


def _functions(stage: Stage) -> list[History]:
    names = functions_of(stage.account.client("cloudformation"), f"concave-{STAGE}")
    return histories(stage.account.client("lambda"), names)


def _called(stage: Stage) -> set[str]:
    return {each.release for each in _functions(stage)}


def _knows_first(stage: Stage) -> bool:
    """Whether the newer code answers, by HTTP and over a socket, which are one release."""
    asked = {"author": "nobody"}
    status, told, _ = stage.ask("POST", "/api/query", {"path": "first:of", "args": asked})
    known = status == 200 and told.get("status") == "success"
    address = stage.url.replace("http", "ws", 1) + "/api/1.0.0/sync"
    with Socket(address, stage.issuer.token("alice", "acme"), seconds=60) as socket:
        assert socket.value(socket.follow("first:of", asked))[0] == known
    return known


def test_every_function_is_called_by_an_alias_at_the_release_that_was_deployed(stage: Stage) -> None:
    found = _functions(stage)
    assert len(found) == 12
    assert {each.release for each in found} == {stage.outputs()["Release"]}
    assert not _knows_first(stage)


def test_going_back_brings_the_code_of_before_and_nothing_brings_the_new_one_but_a_change(stage: Stage) -> None:
    before = stage.outputs()["Release"]
    stage.deploy(FIRST)
    after = stage.outputs()["Release"]
    assert after != before
    assert _called(stage) == {after}
    assert _knows_first(stage)
    went = stage.run("infra.rollback")
    assert went.returncode == 0, went.stderr
    assert f"12 functions are called as of release {before}" in went.stdout
    assert _called(stage) == {before}
    assert not _knows_first(stage)
    said = stage.deploy(FIRST)
    assert f"the stage went back to release {before}" in said
    assert _called(stage) == {before}


def test_what_was_gone_back_from_can_be_gone_on_to(stage: Stage) -> None:
    listed = stage.run("infra.rollback", "--list")
    newest = listed.stdout.split()[0]
    went = stage.run("infra.rollback", "--to", newest)
    assert went.returncode == 0, went.stderr
    assert _called(stage) == {newest} == {stage.outputs()["Release"]}
    assert _knows_first(stage)
    refused = stage.run("infra.rollback", "--to", "nowhere")
    assert refused.returncode == 1
    assert "the release nowhere is not kept; there are" in refused.stderr


def test_a_setting_alone_makes_a_release_and_what_is_too_old_goes(stage: Stage) -> None:
    stage.deploy(FIRST, REPLIES_PER_USER="150")
    stage.deploy(FIRST, REPLIES_PER_USER="151")
    found = _functions(stage)
    assert {each.release for each in found} == {stage.outputs()["Release"]}
    assert {len(each.versions) for each in found} == {3}
