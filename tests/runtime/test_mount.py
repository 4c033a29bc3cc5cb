"""The built-in chat beside an app that has names of its own: `tasks` of Convex's quickstart, first of all."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
QUICKSTART = """
    from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query


    class Task(Table, name="TABLE"):
        text: str
        list_name: str = "all"

        by_list = Index("list_name")


    @query
    def NAME(ctx: QueryCtx) -> list[Task]:
        return ctx.db.query(Task.by_list("all")).collect()


    @mutation
    def add(ctx: MutationCtx, text: str) -> str:
        return ctx.db.insert(Task(text=text))
    """
BACKEND = """
    import json, os, sys
    from chalicelib import wiring
    from chalicelib.data.tables import all_specs
    from chalicelib.runtime.registry import load
    from chalicelib.settings import Settings
    from infra.local.model.server import Pace, ScriptedModel
    from infra.local.sqlite.store import SqliteStore
    from tests.functions.conftest import Later, MovingClock, Nobody
    from tests.support.rest import Names, Rest

    model = ScriptedModel(port=0, pace=Pace(tokens_per_s=0, first_token_s=0))
    model.start()
    config = Settings.from_env({**os.environ, "MODEL_URL": model.url})
    registry = load(config.apps)
    later = Later()
    parts = wiring.Parts(SqliteStore(":memory:", all_specs()), later, Nobody(), MovingClock(), [], model.url, config)
    backend = wiring.build(config, registry, parts)
    backend.verifier = Names()
    rest = Rest(backend, "ada@acme")
    def call(kind, path, **args):
        return rest("POST", f"/api/{kind}", {"path": path, "args": args})[1]
    def work():
        while later.asked:
            _, payload = later.asked.pop(0)
            backend.run_job(payload)
    """


def run(folder: Path, code: str, mount: str, *, table: str = "tasks", name: str = "get") -> Any:
    """What code says (as JSON, the last line) in a process with the quickstart's app in it."""
    app = textwrap.dedent(QUICKSTART).replace("TABLE", table).replace("NAME", name)
    (folder / "quick").mkdir(exist_ok=True)
    (folder / "quick" / "__init__.py").touch()
    (folder / "quick" / "tasks.py").write_text(app)
    text = textwrap.dedent(BACKEND) + textwrap.dedent(code)
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT}:{folder}",
        "CONCAVE_APPS": "chalicelib.functions,quick",
        "CHAT_MOUNT": mount,
        "ANTHROPIC_API_KEY": "none",
    }
    done = subprocess.run([sys.executable, "-c", text], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1]
    return json.loads(last) if done.returncode == 0 else last


@pytest.mark.parametrize(
    ("table", "name", "what"), [("tasks", "get", "two tables are named"), ("todos", "list", "defined twice")]
)
def test_a_name_of_the_built_in_chat_is_refused_with_the_way_out(tmp_path: Path, table: str, name: str, what: str) -> None:
    told = run(tmp_path, "print('{}')", "", table=table, name=name)
    assert what in told
    assert "quick/tasks.py:" in told or "chalicelib/" in told
    assert "Set CHAT_MOUNT=chat" in told


def test_with_a_mount_both_live_in_one_deployment(tmp_path: Path) -> None:
    code = """
        mine = call("mutation", "tasks:add", text="buy milk")
        made = call("mutation", "chat/tasks:create", title="ours")
        door = rest("POST", "/tasks", {"title": "at the door"})
        print(json.dumps({
            "mine": [each["text"] for each in call("query", "tasks:list")["value"]],
            "made": made["status"],
            "door": door[0],
            "chats": sorted(each["title"] for each in rest("GET", "/tasks")[1]["data"]),
            "tables": sorted(each.name for each in all_specs() if "asks" in each.name),
        }))
        """
    assert run(tmp_path, code, "chat", name="list") == {
        "mine": ["buy milk"],
        "made": "success",
        "door": 201,
        "chats": ["at the door", "ours"],
        "tables": ["chat_tasks", "tasks"],
    }


def test_what_the_chat_does_by_itself_goes_on_under_a_mount(tmp_path: Path) -> None:
    """Its jobs, sweeps and by-path calls mean its own functions, whatever the app calls its."""
    code = """
        session = call("mutation", "chat/chat:startSession")["value"]
        call("mutation", "chat/chat:sendMessage", sessionId=session, content="hello")
        work()
        backend.sweep()
        said = call("query", "chat/chat:getMessages", sessionId=session)["value"]
        call("mutation", "chat/chat:sendMessage", sessionId=session, content="once more")
        call("mutation", "chat/chat:endSession", sessionId=session)
        work()
        rows = [row for row in backend.store.scan("jobs", limit=100).items]
        model.stop()
        print(json.dumps({
            "said": [each["role"] for each in said], "complete": said[-1]["completed"],
            "jobs": sorted({row["path"].partition(":")[0] for row in rows}), "states": sorted({row["state"] for row in rows}),
        }))
        """
    told = run(tmp_path, code, "chat", name="settle")
    assert (told["said"], told["complete"], told["states"]) == (["user", "assistant"], True, ["success"])
    assert all(path.startswith("chat/") for path in told["jobs"])


def test_the_old_names_go_on_to_mean_the_chat_where_the_app_has_none(tmp_path: Path) -> None:
    code = """
        print(json.dumps([call("query", "domains:list")["status"], call("query", "chat/domains:list")["status"],
                          call("query", "tasks:get")["status"]]))
        """
    assert run(tmp_path, code, "chat", name="other") == ["success", "success", "error"]


@pytest.mark.parametrize("mount", ["Chat", "a/b", "a_b", "1a", "x" * 21])
def test_a_mount_that_is_no_name_is_refused(tmp_path: Path, mount: str) -> None:
    assert "CHAT_MOUNT" in run(tmp_path, "print('{}')", mount, table="todos", name="other")
