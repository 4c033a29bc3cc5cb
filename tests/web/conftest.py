"""A browser, the built page, and servers for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.engine import Engine, available
from tests.walk.conftest import on
from tests.walk.server import ROOT
from tests.web.interim import Site as Served
from tests.web.road import HOST

WEB = ROOT / "web"


def chromium() -> str | None:
    """The browser of this machine: CHROMIUM names it, else the usual names are tried."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each opens windows of its own."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium here: install one, or name it in CHROMIUM")
    with sync_playwright() as tools:
        # A container's root has no sandbox, and its /dev/shm may be small.
        running = tools.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built page (web/dist); built here when it is not there, or older than its sources."""
    if not (WEB / "node_modules").exists():
        pytest.skip("the page's tools come with `npm ci` in web, which needs Node")
    dist = WEB / "dist" / "index.html"
    sources = [path for folder in ("src", "public") for path in (WEB / folder).rglob("*") if path.is_file()]
    newest = max(path.stat().st_mtime for path in [*sources, WEB / "index.html", WEB / "package-lock.json"])
    if not dist.exists() or dist.stat().st_mtime < newest:
        subprocess.run(["npm", "run", "build"], cwd=WEB, check=True, stdin=subprocess.DEVNULL, timeout=120)
    return dist.parent


@pytest.fixture(scope="session")
def site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server on SQLite for all tests that harm nobody."""
    server = Served(tmp_path_factory.mktemp("site") / "data", ALLOWED_HOSTS=HOST, RUN_LEASE="5", SWEEP_SECONDS="0.5")
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "dynamodb"])
def own_site(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Iterator[Served]:
    """A server of this test's own, to be killed: on SQLite, then on the DynamoDB engine."""
    engine = None
    env: dict[str, str] = {}
    if request.param == "dynamodb":
        if not available():
            pytest.skip("the DynamoDB engine comes with `npm ci` in tests/clients, which needs Node")
        engine = Engine(tmp_path / "engine.db")
        env = on(engine)
    server = Served(tmp_path / "data", ALLOWED_HOSTS=HOST, MAILBOX_LEASE="3", RUN_LEASE="3", SWEEP_SECONDS="0.5", **env)
    yield server
    server.stop()
    if engine is not None:
        engine.stop()


Window = Callable[..., Page]


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    """Opens a browser window with a memory of its own; arguments as for `new_context`. Errors of the page fail the test."""
    contexts = []
    errors: list[str] = []

    def opened(**options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
