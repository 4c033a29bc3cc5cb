"""`concave doctor` in folders where something is amiss: each is named, with what to do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.operators import operator_key
from tests.walk.server import ROOT

Told = tuple[int, dict[str, Any], str]


@pytest.fixture
def doctor(tmp_path: Path) -> Callable[..., Told]:
    """Run it in a project: exit code, what it found by name, and what it complains of."""
    (tmp_path / "pyproject.toml").write_text('[tool.concave]\napps = ["tests.apps.variables"]\npage = "page"\n')

    def run(**env: str) -> Told:
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-c", "from concave.cli import main; main()", "doctor", "--json"],
            cwd=tmp_path,
            env={**keep, "PYTHONPATH": str(ROOT), "PORT": "0", **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, {each["what"]: each for each in found}, done.stderr

    return run


def test_a_new_project_is_well_and_its_next_steps_are_said(doctor: Callable[..., Told]) -> None:
    code, found, _ = doctor()
    assert code == 0
    assert "concave dev" in found["server"]["todo"]
    assert "npm install" in found["page"]["todo"]
    assert {each["state"] for each in found.values()} <= {"ok", "warning"}
    assert all(each["todo"] for each in found.values() if each["state"] != "ok")
    assert "DATA_DIR (project)" in found["settings"]["told"]
    assert "DATA_DIR (environment)" in doctor(DATA_DIR="elsewhere")[1]["settings"]["told"]


def test_a_setting_that_cannot_be_used_is_named(doctor: Callable[..., Told]) -> None:
    code, found, _ = doctor(PORT="many")
    assert (code, found["settings"]["state"], "PORT" in found["settings"]["told"]) == (1, "wrong", True)


def test_a_secret_that_others_can_read_is_named(doctor: Callable[..., Told], tmp_path: Path) -> None:
    operator_key(tmp_path / ".concave")
    assert doctor()[1]["operators"]["state"] == "ok"
    (tmp_path / ".concave" / "operator.key").chmod(0o644)
    code, found, _ = doctor()
    assert (code, found["operators"]["state"]) == (1, "wrong")
    assert (tmp_path / ".concave" / "operator.key").read_text() not in json.dumps(found)


def test_a_port_that_is_taken_and_a_server_that_died_are_named(doctor: Callable[..., Told], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert doctor(PORT=port)[1]["port"]["state"] == "wrong"
    (tmp_path / ".concave").mkdir(exist_ok=True)
    (tmp_path / ".concave" / "port").write_text(port)
    code, found, _ = doctor()
    assert (code, found["server"]["state"]) == (1, "wrong")


def test_data_that_cannot_be_read_is_named(doctor: Callable[..., Told], tmp_path: Path) -> None:
    (tmp_path / ".concave").mkdir()
    (tmp_path / ".concave" / "concave.db").write_bytes(b"not a database" * 100)
    code, found, _ = doctor()
    assert (code, found["store"]["state"], "concave restore" in found["store"]["todo"]) == (1, "wrong", True)


def test_where_there_is_no_project_it_says_how_to_make_one(doctor: Callable[..., Told], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").unlink()
    code, found, told = doctor()
    assert (code, found, "concave new" in told) == (1, {}, True)
