"""A browser, the built page, and servers for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.engine import Engine, require_engine
from tests.walk.conftest import on
from tests.walk.server import ROOT, Served
from tests.web.road import HOST

WEB = ROOT / "web"


def chromium() -> str | None:
    """The browser of this machine: CHROMIUM names it, else the usual names are tried."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each opens windows of its own."""
    with sync_playwright() as tools:
        path = chromium() or tools.chromium.executable_path  # the second is there after `playwright install chromium`
        if not Path(path).exists():
            pytest.skip("no Chromium here: install one, name it in CHROMIUM, or run `.venv/bin/playwright install chromium`")
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
    folders = (WEB / "src", WEB / "dashboard", WEB / "public", ROOT / "sdk" / "js")
    sources = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    newest = max(path.stat().st_mtime for path in [*sources, WEB / "index.html", WEB / "package-lock.json"])
    dashboard = WEB / "dist-dashboard" / "index.html"
    if not dist.exists() or not dashboard.exists() or min(dist.stat().st_mtime, dashboard.stat().st_mtime) < newest:
        subprocess.run(["npm", "run", "build"], cwd=WEB, check=True, stdin=subprocess.DEVNULL, timeout=120)
    return dist.parent


@pytest.fixture(scope="session")
def site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server on SQLite for all tests that harm nobody."""
    server = Served(tmp_path_factory.mktemp("site") / "data", ALLOWED_HOSTS=HOST, RUN_LEASE="5", SWEEP_SECONDS="0.5")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def engine_site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same on the DynamoDB engine."""
    with on_engine(tmp_path_factory.mktemp("engine_site"), ALLOWED_HOSTS=HOST) as server:
        yield server


@pytest.fixture(params=["site", "engine_site"])
def either(request: pytest.FixtureRequest) -> Served:
    """A common server: on SQLite, then on the DynamoDB engine."""
    server: Served = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["sqlite", "dynamodb"])
def own_site(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Iterator[Served]:
    """A server of this test's own, to be killed: on SQLite, then on the DynamoDB engine."""
    leases = {"MAILBOX_LEASE": "3", "RUN_LEASE": "3", "SWEEP_SECONDS": "0.5"}
    if request.param == "dynamodb":
        with on_engine(tmp_path, **leases) as server:
            yield server
        return
    server = Served(tmp_path / "data", **leases)
    yield server
    server.stop()


@contextlib.contextmanager
def on_engine(folder: Path, **env: str) -> Iterator[Served]:
    """A server on a DynamoDB engine of its own."""
    require_engine()
    engine = Engine(folder / "engine.db")
    server = Served(folder / "data", **on(engine), **env)
    yield server
    server.stop()
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
