"""`concave` against a server that runs: every command as it is typed, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from convex import ConvexClient

from tests.support.official import post
from tests.walk.server import ROOT, Served

PROJECT = """
[tool.concave]
apps = ["tests.apps.variables"]
chat = true
"""
BOTH = "chalicelib.functions,tests.apps.variables"


class Project:
    """A project's folder, its server, and its command line."""

    def __init__(self, folder: Path, apps: str = BOTH) -> None:
        self.folder = folder
        (folder / "pyproject.toml").write_text(PROJECT if apps == BOTH else PROJECT.replace("chat = true\n", ""))
        self.server = Served(folder / ".concave", CONCAVE_APPS=apps)

    def concave(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-c", "from concave.cli import main; main()", *words],
            cwd=self.folder,
            env={**keep, "PYTHONPATH": str(ROOT), **env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self, *words: str, **named: str) -> str:
        """What a command prints that goes well."""
        told = self.concave(*words, **named)
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(tmp_path_factory.mktemp("shop"))
    yield made
    made.server.stop()


def test_functions_are_called_as_anybody(project: Project) -> None:
    made = json.loads(project.done("run", "tasks:create", '{"title": "one"}', "--org", "acme", "--as", "alice"))
    assert made["title"] == "one"
    assert json.loads(project.done("run", "variables:hidden")) == "none"
    listed = [json.loads(line) for line in project.done("data", "tasks", "--org", "acme").splitlines()]
    assert [task["title"] for task in listed] == ["one"]
    assert project.done("data", "tasks", "--org", "other") == ""
    assert "tasks" in project.done("data").split()


def test_variables_are_set_without_standing_in_the_shells_history(project: Project) -> None:
    project.done("env", "set", "GREETING", "moin")
    project.done("env", "set", "TOKEN", stdin="geheim\n")
    assert set(project.done("env", "list").splitlines()) >= {"GREETING=moin", "TOKEN=geheim"}
    assert json.loads(project.done("run", "variables:greeting", "--org", "acme")) == "moin, acme"
    project.done("env", "unset", "TOKEN")
    told = project.concave("env", "get", "TOKEN")
    assert (told.returncode, told.stderr) == (1, "Error: There is no variable TOKEN.\n")


def test_a_call_that_failed_is_found_by_the_request_id_that_its_client_saw(project: Project) -> None:
    client = ConvexClient(project.server.url)
    with pytest.raises(Exception, match="Request ID") as refused:
        client.query("variables:greeting", {"nothing": 1})
    request = str(refused.value).partition("[Request ID: ")[2][:16]
    told = project.done("logs", "--request-id", request)
    assert "variables:greeting" in told
    assert request in told
    (entry,) = [json.loads(line) for line in project.done("logs", "--request-id", request, "--json").splitlines()]
    assert entry["error"]
    assert project.concave("logs", "--request-id", "0" * 15 + "x").returncode == 1
    assert len(project.done("logs", "--no-follow", "--history", "2").splitlines()) >= 2


def test_what_is_exported_comes_into_a_running_server_and_whoever_watches_is_told(project: Project, tmp_path: Path) -> None:
    project.done("run", "tasks:create", '{"title": "kept"}', "--org", "old", "--as", "alice")
    file = tmp_path / "out.jsonl"
    told = json.loads(project.done("export", str(file), "--org", "old", "--table", "tasks"))
    assert told["documents"] == 1
    kept = json.loads(file.read_text())["document"]
    alice = ConvexClient(project.server.url)
    alice.set_auth(post(project.server.url, "/dev/token", {"subject": "alice", "org": "new"})["token"])
    watching = iter(alice.subscribe("tasks:list", {}))
    assert next(watching) == []
    again = json.loads(project.done("import", str(file), "--org", "new"))
    assert again == {"written": 1, "thereAlready": 0}
    assert [task["title"] for task in next(watching)] == ["kept"]
    assert json.loads(project.done("import", str(file), "--org", "new")) == {"written": 0, "thereAlready": 1}
    (there,) = [json.loads(line) for line in project.done("data", "tasks", "--org", "new").splitlines()]
    assert there == kept, "with its own id and creation time"
    listed = json.loads(project.done("run", "tasks:list", "--org", "new", "--as", "alice"))
    assert [task["title"] for task in listed] == ["kept"], "the index knows it"


def test_an_export_of_a_server_elsewhere_is_the_same_and_comes_in_pages(project: Project, tmp_path: Path) -> None:
    for number in range(3):
        project.done("run", "tasks:create", json.dumps({"title": str(number)}), "--org", "far", "--as", "alice")
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    project.done("export", str(here))
    reader = project.done("key", "--role", "read").strip()
    told = json.loads(project.done("export", str(there), "--url", project.server.url, "--key", reader))
    assert told["documents"] == len(there.read_text().splitlines()) > 3
    assert sorted(there.read_text().splitlines()) == sorted(here.read_text().splitlines())
    again = project.concave("export", str(there), "--url", project.server.url, "--key", reader)
    assert (again.returncode, len(there.read_text().splitlines())) == (1, told["documents"])


def test_a_whole_export_comes_back_with_the_variables_and_without_what_is_the_deployments_own(
    project: Project, tmp_path: Path
) -> None:
    project.done("env", "set", "KEPT", "1")
    project.done("env", "set", "NEWER", "1")
    project.done("run", "tasks:create", '{"title": "one"}', "--org", "whole", "--as", "alice")
    file = tmp_path / "all.jsonl"
    project.done("export", str(file))
    project.done("env", "unset", "KEPT")
    project.done("env", "set", "NEWER", "2")
    told = json.loads(project.done("import", str(file)))
    assert told["leftOut"] >= 1, "what operators did to the deployment"
    assert {"KEPT=1", "NEWER=2"} <= set(project.done("env", "list").splitlines())
    project.done("import", str(file), "--org", "copy")
    assert project.done("data", "appEnvironment", "--org", "copy") == "", "the deployment's variables are no org's"
    for name in ("KEPT", "NEWER"):
        project.done("env", "unset", name)


def test_documents_are_checked_and_mended_and_indexes_compared_while_the_server_runs(project: Project) -> None:
    project.done("run", "tasks:create", '{"title": "one"}', "--org", "tidy", "--as", "alice")
    assert project.done("check", "--table", "tasks") == ""
    assert project.done("indexes") == ""
    audits = [json.loads(line) for line in project.done("indexes", "--audit").splitlines()]
    assert len(audits) > 10
    assert all(audit["ready"] for audit in audits)
    assert project.done("indexes", "--build") == ""
    acts = json.loads(project.done("run", "_system/audit:deployment"))
    assert {"admin:check", "admin:indexes"} <= {act["path"] for act in acts}


def test_an_org_is_erased_while_the_server_runs_and_whoever_watches_sees_it(project: Project) -> None:
    for org in ("leaving", "staying"):
        project.done("run", "tasks:create", '{"title": "one"}', "--org", org, "--as", "alice")
    client = ConvexClient(project.server.url)
    client.set_auth(post(project.server.url, "/dev/token", {"subject": "alice", "org": "leaving"})["token"])
    watching = iter(client.subscribe("tasks:list", {}))
    assert [task["title"] for task in next(watching)] == ["one"]
    refused = project.concave("erase", "leaving")
    assert (refused.returncode, "--yes leaving" in refused.stderr) == (1, True)
    told = json.loads(project.done("erase", "leaving", "--yes", "leaving"))
    assert (told["removed"]["tasks"], told["left"]) == (1, {})
    assert [] in watching  # its values, as they come: after the reconnect perhaps once more the old one
    assert len(project.done("data", "tasks", "--org", "staying").splitlines()) == 1
    acts = json.loads(project.done("run", "_system/audit:deployment"))
    assert json.loads(acts[0]["args"]) == {"org": "leaving", "yes": "leaving"}


def test_a_project_without_the_chat_is_looked_after_and_gets_no_tables_of_it(tmp_path: Path) -> None:
    bare = Project(tmp_path, apps="tests.apps.variables")
    try:
        tables = bare.done("data").split()
        assert "conversations" not in tables
        assert bare.done("check") == ""
        audited = [json.loads(line)["index"] for line in bare.done("indexes", "--audit").splitlines()]
        assert {name.partition(".")[0] for name in audited} <= set(tables)
        assert json.loads(bare.done("erase", "nobody", "--yes", "nobody")) == {"org": "nobody", "removed": {}, "left": {}}
        assert bare.done("data").split() == tables
    finally:
        bare.server.stop()
    assert [json.loads(line)["index"] for line in bare.done("indexes", "--audit").splitlines()] == audited, "nor without a server"


def test_a_key_that_may_only_read_does_not_write(project: Project) -> None:
    key = project.done("key", "--name", "eve").strip()
    server = {"CONCAVE_URL": project.server.url, "CONCAVE_ADMIN_KEY": key}
    assert "tasks" in project.done("data", **server).split()
    for words in (
        ("env", "set", "A", "1"),
        ("run", "tasks:create", '{"title": "x"}'),
        ("indexes",),
        ("erase", "a", "--yes", "a"),
    ):
        told = project.concave(*words, **server)
        assert told.returncode == 1
        assert "ReadOnlyKey" in told.stderr or "only queries" in told.stderr


def test_a_link_to_the_dashboard_is_made(project: Project) -> None:
    assert project.done("dashboard").startswith(f"{project.server.url}/_/?key=")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "tasks:list", "{"), 2, "no JSON"),
        (("run", "tasks:list", "[]"), 2, "a JSON object"),
        (("run", "tasks:lisst"), 1, "did you mean tasks:list?"),
        (("data", "taskss"), 1, "There is no table 'taskss'"),
        (("data", "--limit", "0"), 2, "--limit"),
        (("key", "--name", "a b"), 2, "--name"),
        (("import", "pyproject.toml"), 1, "Line 2 is none of an export."),
        (("check", "--table", "taskss"), 1, "taskss"),
        (("check", "--table", "tasks", "--fix", "title"), 1, "FIELD=VALUE"),
        (("indexes", "--build", "--audit"), 2, "--audit"),
        (("erase", "_system", "--yes", "_system"), 1, "cannot be erased"),
        (("export", "pyproject.toml"), 1, "pyproject.toml is there already"),
    ],
)
def test_what_cannot_be_is_said(project: Project, words: tuple[str, ...], code: int, said: str) -> None:
    told = project.concave(*words)
    assert told.returncode == code, told.stderr
    assert said in told.stderr


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path, project: Project) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-c", "from concave.cli import main; main()", "run", "tasks:list"]
    told = subprocess.run(
        command, cwd=tmp_path, env={**keep, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, "start it with `concave dev`" in told.stderr) == (1, True)
