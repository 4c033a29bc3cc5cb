"""`make dev` serves the page with hot reload, and leaves no process behind."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from infra.local.vite import Vite
from tests.local.conftest import Local
from tests.walk.server import Served
from tests.web.conftest import WEB, Window


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


def test_a_saved_file_shows_at_once_and_the_page_keeps_what_it_holds(built: Path, tmp_path: Path, window: Window) -> None:
    (tmp_path / "node_modules").symlink_to(WEB / "node_modules")
    shutil.copy(WEB / "dev.mjs", tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "index.html").write_text('<!doctype html><p></p><script type="module" src="/src/main.js"></script>')
    (tmp_path / "src" / "main.js").write_text("""
        import { word } from "./word.js";
        const show = (text) => { document.querySelector("p").textContent = `${text} ${window.kept ?? ""}`; };
        show(word);
        import.meta.hot.accept("./word.js", (fresh) => show(fresh.word));
    """)
    (tmp_path / "src" / "word.js").write_text('export const word = "before";')
    local = Local()
    local.server.vite = Vite(tmp_path, f"http://127.0.0.1:{local.port}")
    local.server.vite.start()
    try:
        assert local.server.vite.ready.wait(30)
        page = window()
        with page.expect_console_message(lambda line: "[vite] connected" in line.text):
            page.goto(f"http://127.0.0.1:{local.port}/")
        expect(page.locator("p")).to_have_text("before ")
        page.evaluate("window.kept = 'and all'")
        (tmp_path / "src" / "word.js").write_text('export const word = "after";')
        expect(page.locator("p")).to_have_text("after and all")
    finally:
        local.server.vite.stop()
        local.stop()


@pytest.mark.parametrize(
    ("built", "node", "told"),
    [
        (
            False,
            True,
            "there is no page yet, and it is not reloaded when you save: run `npm install --prefix {page}`, and start again",
        ),
        (
            True,
            False,
            "the page is the one that was built last, and it is not reloaded when you save: "
            "install Node 20.19 or newer and run `npm install --prefix {page}`, and start again",
        ),
    ],
)
def test_without_its_tools_it_says_what_is_served_and_what_to_do(
    built: bool, node: bool, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    if node:
        (tools / "node").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tools))
    if built:
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "index.html").touch()
    with caplog.at_level("INFO", "concave.local"):
        Vite(tmp_path, "http://127.0.0.1:1").start()
    assert caplog.messages == [told.format(page=os.path.relpath(tmp_path))]
