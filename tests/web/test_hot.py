"""`make dev` serves the page with hot reload, and leaves no process behind."""

from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path

from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, timeout=10, check=False)
    return [int(line) for line in found.stdout.split()]


def test_the_page_comes_from_the_development_server_and_ends_with_its_parent(built: Path, tmp_path: Path, window: Window) -> None:
    server = Served(tmp_path / "data", HOT="1", PATH=os.environ["PATH"])
    try:
        server.hear("the page is reloaded when a file in web/ is saved")
        page = window()
        said: list[str] = []
        page.on("console", lambda line: said.append(line.text))
        page.goto(server.url)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        page.wait_for_function("() => performance.getEntriesByType('resource').some((each) => each.name.includes('/src/main'))")
        assert any("[vite] connected" in line for line in said), said
        (child,) = children(server.process.pid)
        ended = os.pidfd_open(child)
    finally:
        server.kill()
    assert select.select([ended], [], [], 20)[0], "the development server outlives its parent"
    os.close(ended)
