"""The example of a user's own app: its own package, table, types and page, served at `/`; two browsers in step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.walk.server import ROOT, Served
from tests.web.conftest import WEB, Window

PAGE = ROOT / "examples" / "live_counter" / "page"


@pytest.fixture
def counter(built: Path, tmp_path: Path) -> Iterator[Served]:
    """The example, built as its user would; the libraries are the same as the page's."""
    project = tmp_path / "page"
    shutil.copytree(PAGE, project, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (project / "node_modules").symlink_to(WEB / "node_modules")
    env = {**os.environ, "PATH": f"{WEB / 'node_modules' / '.bin'}:{os.environ['PATH']}"}
    subprocess.run(["npm", "run", "build"], cwd=project, check=True, timeout=100, stdin=subprocess.DEVNULL, env=env)
    apps = "chalicelib.functions,examples.live_counter"
    server = Served(tmp_path / "data", CONCAVE_APPS=apps, SITE=str(project / "dist"))
    yield server
    server.stop()


def test_two_browsers_count_together_and_a_refusal_is_said(counter: Served, window: Window) -> None:
    one, two = window(), window()
    for page in (one, two):
        page.goto(f"{counter.url}/#both")
        expect(page.locator("#value")).to_have_text("0")
    for page in (one, two, one):
        page.get_by_role("button", name="one more").click()
    for page in (one, two):
        expect(page.locator("#value")).to_have_text("3")
    two.get_by_role("button", name="one less").click()
    expect(one.locator("#value")).to_have_text("2")
    one.goto(f"{counter.url}/#{'x' * 41}")
    one.reload()
    one.get_by_role("button", name="one more").click()
    expect(one.get_by_role("alert")).to_have_text("A counter's name has 1 to 40 characters.")


def test_the_types_of_the_example_are_fresh() -> None:
    env = {**os.environ, "CONCAVE_APPS": "examples.live_counter", "OUT": str(PAGE / "generated"), "CHECK": "1"}
    done = subprocess.run([sys.executable, "-m", "infra.codegen"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
