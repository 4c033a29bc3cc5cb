"""Operators of a stage on the emulated account: keys, functions, documents, logs, variables, and the dashboard's door."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from chalicelib.runtime.operators import mint, public_half
from tests.cloud.stage import Stage, until
from tests.infra.test_bundle import here_is_lambda
from tests.web.conftest import browser

__all__ = ["browser"]
pytestmark = [here_is_lambda, pytest.mark.timeout(600)]

SIGNS = "5" * 64
EDIT, READ = mint(SIGNS, "edit", "ann"), mint(SIGNS, "read", "eve")
APPS = "chalicelib.functions,examples.counter,tests.apps.variables"


@pytest.fixture(scope="module")
def began(stage: Stage) -> float:
    """The moment before the stage has operators, in seconds of the epoch."""
    return time.time()


@pytest.fixture(scope="module")
def operated(stage: Stage, began: float) -> Stage:
    """The stage with operators: it was given the public half of their pair alone."""
    stage.deploy(APPS, DASHBOARD="on", OPERATOR_PUBLIC_KEY=public_half(SIGNS))
    return stage


def concave(stage: Stage, *words: str, key: str | None = EDIT) -> subprocess.CompletedProcess[str]:
    """The command line, on another machine than the stage's: all it has is an address and a key."""
    env = {"PATH": "/usr/bin:/bin", "CONCAVE_URL": stage.url, **({} if key is None else {"CONCAVE_ADMIN_KEY": key})}
    command = [sys.executable, "-c", "from concave.cli import main; main()", *words]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=120, check=False)


def told(stage: Stage, *words: str, key: str = EDIT) -> str:
    done = concave(stage, *words, key=key)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{stage.logged('api')[-3:]}"
    return done.stdout


def test_a_stage_that_was_not_asked_to_has_no_operators(stage: Stage) -> None:
    done = concave(stage, "data")
    assert (done.returncode, "no operator's key" in done.stderr) == (1, True)
    assert stage.ask("POST", "/_/session")[0] == 404


def test_a_function_is_run_with_a_key(operated: Stage) -> None:
    made = json.loads(told(operated, "run", "tasks:create", '{"title": "one"}', "--org", "acme", "--as", "alice"))
    listed = json.loads(told(operated, "run", "tasks:list", "--org", "acme", "--as", "alice", key=READ))
    assert [(task["taskId"], task["title"]) for task in listed] == [(made["taskId"], "one")]


def test_documents_are_read_with_a_key(operated: Stage) -> None:
    assert "tasks" in told(operated, "data").split()
    (task,) = (json.loads(line) for line in told(operated, "data", "tasks", "--org", "acme", key=READ).splitlines())
    assert task["title"] == "one"


def test_open_sockets_and_who_reads_a_document_are_told_from_the_rows(operated: Stage) -> None:
    assert json.loads(told(operated, "run", "_system/sync:sockets", key=READ))["live"] == "rows"
    (task,) = (json.loads(line) for line in told(operated, "data", "tasks", "--org", "acme", key=READ).splitlines())
    asked = json.dumps({"table": "tasks", "ids": [task["_id"]]})
    assert json.loads(told(operated, "run", "_system/sync:readers", asked, "--org", "acme", key=READ)) == []


def test_a_variable_is_seen_live_by_a_query(operated: Stage) -> None:
    told(operated, "env", "set", "GREETING", "bonjour")
    assert told(operated, "env", "get", "GREETING", key=READ).strip() == "bonjour"
    assert operated.call("query", "variables:greeting") == "bonjour, _public"


def test_the_log_tells_of_a_call_by_its_request_id_and_by_its_path(operated: Stage) -> None:
    status, failed, _ = operated.ask(
        "POST", "/api/mutation", {"path": "tasks:update", "args": {"taskId": "task-x", "title": "x"}}
    )
    assert (status, failed["status"]) == (200, "error")

    def calls(*words: str) -> list[dict[str, Any]]:
        done = concave(operated, "logs", "--no-follow", "--json", *words, key=READ)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    until(lambda: any(each["identifier"] == "tasks:update" for each in calls("--history", "1000")), "the call is in the log")
    call = next(each for each in calls("--history", "1000") if each["identifier"] == "tasks:update")
    assert (call["success"], call["udfType"]) == (None, "Mutation")
    (again,) = calls("--request-id", call["requestId"])
    assert again == call
    assert not any(each["identifier"].startswith("_system/") for each in calls("--history", "1000"))


@pytest.mark.parametrize("key", [mint("7" * 64, "edit", "ann"), EDIT[:-1] + "x", mint(SIGNS, "edit", "ann", 1)])
def test_without_a_key_or_with_a_wrong_one_nothing_opens(operated: Stage, key: str) -> None:
    for words in (("data",), ("run", "tasks:list"), ("env", "list"), ("logs", "--no-follow")):
        done = concave(operated, *words, key=key)
        assert (done.returncode, "Unauthenticated" in done.stderr) == (1, True)
    assert operated.ask("POST", "/api/function", {"path": "_system/cli/tables", "args": {}})[0] == 401


def test_a_key_that_may_only_read_changes_nothing(operated: Stage) -> None:
    for words in (("env", "set", "GREETING", "no"), ("run", "tasks:create", '{"title": "no"}', "--org", "acme", "--as", "alice")):
        done = concave(operated, *words, key=READ)
        assert (done.returncode, "read" in done.stderr) == (1, True)
    assert told(operated, "env", "get", "GREETING").strip() == "bonjour"


def test_the_dashboard_comes_with_its_own_policy_and_is_not_framed(operated: Stage) -> None:
    status, page, headers = operated.ask("GET", "/_/")
    assert (status, page[:15].lower()) == (200, "<!doctype html>")
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    (script,) = re.findall(r'src="(/_/assets/[^"]+\.js)"', page)
    assert operated.ask("GET", script)[0] == 200


def test_a_browser_that_has_shown_a_key_gets_it_again_and_no_other_site_does(operated: Stage) -> None:
    status, session, headers = operated.ask("POST", "/_/session", Authorization=f"Convex {READ}")
    assert (status, session["role"], session["key"]) == (200, "read", READ)
    cookie = headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/_/"))
    held = {"Cookie": cookie.partition(";")[0]}
    again = operated.ask("POST", "/_/session", **held, **{"Sec-Fetch-Site": "same-origin"})
    assert (again[0], again[1]["key"]) == (200, READ)
    for site in ("cross-site", "same-site", "none"):
        assert operated.ask("POST", "/_/session", **held, **{"Sec-Fetch-Site": site})[0] == 403
    assert operated.ask("POST", "/_/session", **{"Sec-Fetch-Site": "same-origin"})[0] == 401
    assert operated.ask("POST", "/_/session", Authorization="Convex x")[0] == 401


def test_what_operators_changed_is_written_down(operated: Stage) -> None:
    acts = json.loads(told(operated, "run", "_system/audit:deployment", key=READ))
    assert [(act["operator"], act["path"]) for act in acts] == [("ann", "environment")]


def test_a_revoked_name_is_out_at_once_without_a_deployment(operated: Stage) -> None:
    other = mint(SIGNS, "read", "mallory")
    assert concave(operated, "data", key=other).returncode == 0
    told(operated, "key", "--revoke", "mallory")
    assert "count no more" in concave(operated, "data", key=other).stderr
    told(operated, "key", "--restore", "mallory")
    assert concave(operated, "data", key=other).returncode == 0


def test_no_function_lacked_a_grant(operated: Stage, began: float) -> None:
    """Since operators came: earlier tests of the same stage take grants away."""
    for entry in ("api", "act", "ws_message", "on_change"):
        wrong = [line for line in operated.logged(entry, began) if "AccessDenied" in json.dumps(line)]
        assert wrong == [], entry


def test_the_functions_of_operators_read_their_own_log_groups_and_nothing_else(operated: Stage) -> None:
    iam = operated.account.client("iam")
    (policy,) = (
        each
        for page in iam.get_paginator("list_policies").paginate(Scope="Local")
        for each in page["Policies"]
        if "OperatorsRead" in each["PolicyName"]
    )
    document = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    (statement,) = document["Statement"]
    assert statement["Action"] == ["logs:FilterLogEvents"]
    assert statement["Resource"].endswith("log-group:/aws/lambda/concave-emulated-*")
    role = policy["Arn"]
    names = [each["RoleName"] for each in iam.list_entities_for_policy(PolicyArn=role)["PolicyRoles"]]
    for name in names:
        iam.detach_role_policy(RoleName=name, PolicyArn=role)
    try:
        # An answer is kept for who asks the same soon after: this was never asked.
        refused = concave(operated, "logs", "--no-follow", "--request-id", uuid4().hex)
        assert (refused.returncode, "LogsUnavailable" in refused.stderr) == (1, True)
    finally:
        for name in names:
            iam.attach_role_policy(RoleName=name, PolicyArn=role)


def test_the_dashboard_opens_by_a_link_in_a_browser_and_its_documents_are_live(operated: Stage, browser: Browser) -> None:
    window = browser.new_context()
    page = window.new_page()
    wrong: list[str] = []
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto(f"{operated.url}/_/#key={quote(READ)}")
    expect(page.get_by_role("heading", name="Your backend runs.")).to_be_visible(timeout=120_000)
    assert "key=" not in page.url, "it stays in no history"
    expect(page.locator(".dash.stage")).to_be_visible()
    expect(page.get_by_text("read only", exact=True)).to_be_visible()
    page.evaluate("sessionStorage.setItem('org', 'acme')")
    page.goto(f"{operated.url}/_/#/data/tasks")
    page.reload()  # by the cookie, this time
    page.locator("form.bar select").select_option("by_owner")
    page.get_by_role("textbox", name="owner").fill("alice")
    rows = page.get_by_role("region", name="Documents").get_by_role("row")
    expect(rows).to_have_count(2, timeout=120_000)
    told(operated, "run", "tasks:create", '{"title": "two"}', "--org", "acme", "--as", "alice")
    expect(rows).to_have_count(3, timeout=120_000)
    expect(page.get_by_role("button", name="Add")).to_have_count(0)
    assert wrong == []
    window.close()


def test_taken_away_again_nothing_is_left_of_it(operated: Stage) -> None:
    operated.deploy(APPS, DASHBOARD="off")
    assert concave(operated, "data").returncode == 1
    assert operated.ask("GET", "/_/")[0] in (403, 404)
    assert operated.ask("POST", "/_/session")[0] == 404
