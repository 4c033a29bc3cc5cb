"""The operator's command line on a laptop's file and on the DynamoDB engine: run, data, export, import, indexes, erase."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.data.building import Building
from chalicelib.runtime.identity import User
from chalicelib.runtime.indexes import Indexes
from chalicelib.settings import Settings
from infra.admin.__main__ import main
from infra.admin.opened import opened
from tests.support.engine import Engine, require_engine

ALICE = User("alice", "https://issuer.test", "acme")
Told = tuple[int, list[Any], str]


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Run a command on the data in `home`: exit code, lines of JSON, and what it complains of."""

    def run(*arguments: str, home: str = "laptop", **env: str) -> Told:
        monkeypatch.setenv("DATA_DIR", str(tmp_path / home))
        monkeypatch.setenv("CONCAVE_APPS", "chalicelib.functions,examples.live_counter")
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        code = main(arguments)
        told = capsys.readouterr()
        return code, [json.loads(line) for line in told.out.splitlines()], told.err

    return run


def lived_in(settings: Settings) -> None:
    """Two orgs with sessions, messages, conversations and counters."""
    with opened(settings) as backend:
        run = backend.executor
        for user in (ALICE, User("bob", "https://issuer.test", "other")):
            for number in range(3):
                session = run.mutation("chat:startSession", {"name": f"session {number}"}, user).value
                assert run.mutation("chat:sendMessage", {"sessionId": session, "content": "hello"}, user).ok
            who = {"userId": user.subject, "agentId": "agent-1"}
            assert run.mutation("conversations:create", {"type": "user-agent", "participants": who}, user).ok
            assert run.mutation("live_counter:add", {"name": "clicks", "amount": 41}, user).ok


@pytest.fixture
def laptop(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "laptop", apps=("chalicelib.functions", "examples.live_counter"))
    lived_in(settings)
    return settings


def test_a_function_is_run_as_a_user_and_as_the_service(laptop: Settings, admin: Callable[..., Told]) -> None:
    code, (sessions,), _ = admin("run", "chat:listSessions", "--org", "acme", "--as", "alice")
    assert (code, len(sessions)) == (0, 4)
    assert admin("run", "live_counter:add", '{"name": "clicks"}', "--org", "acme")[1] == [42]
    assert admin("run", "live_counter:read", '{"name": "clicks"}', "--org", "acme")[1] == [42]
    code, _, problem = admin("run", "live_counter:add", '{"nam": 1}', "--org", "acme")
    assert (code, "nam" in problem) == (1, True)
    assert "Could not find function" in admin("run", "no:where", "--org", "acme")[2]
    assert "no JSON" in admin("run", "live_counter:read", "{", "--org", "acme")[2]


def test_documents_are_shown_by_org_and_no_more_than_asked(laptop: Settings, admin: Callable[..., Told]) -> None:
    code, rows, _ = admin("data", "chatSessions", "--org", "other", "--limit", "2")
    assert (code, len(rows)) == (0, 2)
    assert {row["org"] for row in rows} == {"other"}
    assert "There is no table 'sessions'" in admin("data", "sessions")[2]


def test_what_is_exported_and_imported_elsewhere_is_the_same_and_its_indexes_are_ready(
    laptop: Settings, admin: Callable[..., Told], tmp_path: Path
) -> None:
    backup = str(tmp_path / "backup.jsonl")
    code, (told,), _ = admin("export", "--out", backup)
    assert (code, told["documents"] > 20) == (0, True)
    code, (report,), _ = admin("import", backup, home="elsewhere")
    assert (code, sum(report["written"].values()), report["unready"]) == (0, told["documents"], {})
    again = str(tmp_path / "again.jsonl")
    assert admin("export", "--out", again, home="elsewhere")[0] == 0
    assert Path(again).read_text() == Path(backup).read_text()
    assert admin("run", "live_counter:highest", "--org", "acme", home="elsewhere")[1][0][0]["value"] == 41
    assert len(admin("run", "chat:listSessions", "--org", "acme", "--as", "alice", home="elsewhere")[1][0]) == 4
    assert admin("run", "conversations:count", "--org", "other", "--as", "bob", home="elsewhere")[1] == [4]
    assert admin("indexes", "--audit", home="elsewhere")[0] == 0
    code, (twice,), _ = admin("import", backup, home="elsewhere")
    assert (code, twice["written"], sum(twice["thereAlready"].values())) == (0, {}, told["documents"])
    assert admin("export", "--out", backup)[0] == 1  # never over an older one


def test_a_line_that_cannot_be_imported_is_named(laptop: Settings, admin: Callable[..., Told], tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    for line, problem in (
        ("nonsense", "Line 1 is not"),
        ('{"table": "ghosts", "org": "a", "document": {"_id": "x"}}', "There is no table 'ghosts'"),
        ('{"table": "runs", "org": "a", "document": {}}', "Line 1: a document"),
    ):
        file.write_text(line)
        code, _, told = admin("import", str(file))
        assert (code, problem in told) == (1, True), told


def test_an_org_is_erased_whole_when_its_name_is_said_twice(laptop: Settings, admin: Callable[..., Told]) -> None:
    assert "--yes acme" in admin("erase", "acme")[2]
    assert "--yes acme" in admin("erase", "acme", "--yes", "other")[2]
    code, (told,), _ = admin("erase", "acme", "--yes", "acme")
    assert (code, told["left"]) == (0, {})
    assert told["removed"]["chatSessions"] == 4
    assert told["removed"]["fences"] > 0
    for table in ("chatSessions", "fences", "claims", "commits", "jobs"):
        assert admin("data", table, "--org", "acme")[1] == []
    assert len(admin("run", "chat:listSessions", "--org", "other", "--as", "bob")[1][0]) == 4
    assert admin("indexes", "--audit")[0] == 0


def test_the_file_of_a_running_server_is_refused(laptop: Settings, admin: Callable[..., Told]) -> None:
    with opened(laptop):
        code, _, problem = admin("data", "runs")
    assert (code, "is open elsewhere" in problem) == (1, True), problem


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of an empty stage on the DynamoDB engine."""
    require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import connect
    from chalicelib.data.tables import all_specs
    from chalicelib.runtime.registry import load

    load(("chalicelib.functions", "examples.live_counter"))
    engine = Engine()
    ensure_tables(connect(engine.url), models(all_specs(), "concave-dev-").values())
    yield {"STORE": "dynamodb", "DYNAMODB_ENDPOINT_URL": engine.url, "TABLE_PREFIX": "concave-dev-"}
    engine.kill()


def test_a_laptops_data_moves_to_a_stage_and_back(
    laptop: Settings, admin: Callable[..., Told], stage: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up, down = str(tmp_path / "up.jsonl"), str(tmp_path / "down.jsonl")
    assert admin("export", "--out", up)[0] == 0
    code, (report,), _ = admin("import", up, **stage)
    assert (code, report["unready"]) == (0, {})
    assert admin("run", "live_counter:add", '{"name": "clicks"}', "--org", "acme", **stage)[1] == [42]
    assert len(admin("run", "chat:listSessions", "--org", "acme", "--as", "alice", **stage)[1][0]) == 4
    assert admin("export", "--out", down, **stage)[0] == 0
    for name in stage:
        monkeypatch.delenv(name)
    there, here = Path(up).read_text().splitlines(), Path(down).read_text().splitlines()
    assert len(there) == len(here)
    assert len(set(there) - set(here)) == 1  # the counter


def test_an_index_that_waits_is_listed_built_and_then_not_listed(laptop: Settings, admin: Callable[..., Told]) -> None:
    with opened(laptop) as backend:
        Indexes(backend.executor).begin(["liveCounters.by_value"])
        assert Building(backend.store, backend.clock).names() == {"liveCounters.by_value"}
    assert admin("indexes")[1][0]["index"] == "liveCounters.by_value"
    code, lines, _ = admin("indexes", "--build")
    assert (code, all(line["ready"] for line in lines)) == (0, True)
    assert admin("indexes")[1] == []


def test_variables_of_an_app_are_set_where_no_server_runs(admin: Callable[..., Told]) -> None:
    assert admin("env")[1] == [{}]
    assert admin("env", "GREETING", "hello")[1] == [{"GREETING": "hello"}]
    assert admin("env")[1] == [{"GREETING": "hello"}]
    assert admin("env", "GREETING", "--unset")[1] == [{"GREETING": None}]
    code, _, problem = admin("env", "1A", "x")
    assert (code, "1A" in problem) == (1, True)
