"""The dashboard beside a hundred thousand documents: what it asks for, what it shows and what it keeps stays small."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.official import post
from tests.walk.server import Served
from tests.web.conftest import Window, on_engine
from tests.web.test_dashboard import asked, operated, shown

ON_ONE, AT_ONCE = 2_000, 40
"""So many documents on a shelf, by so many in a transaction."""
SHELVES = {"sqlite": 50, "dynamodb": 50 if os.environ.get("WHOLE") else 5}
"""A hundred thousand documents; on the DynamoDB engine, which takes five minutes to be filled so far, only with WHOLE=1."""
APPS = {"CONCAVE_APPS": "chalicelib.functions,tests.apps.many", "CALLS_PER_SECOND": "0"}


@pytest.fixture(scope="module", params=["sqlite", "dynamodb"])
def crowded(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose org `acme` has a hundred thousand documents in one table."""
    folder = tmp_path_factory.mktemp("crowded")
    shelves = SHELVES[request.param]
    if request.param == "dynamodb":
        with on_engine(folder, **APPS) as server:
            fill(server, shelves)
            yield server
        return
    server = Served(folder / "data", **APPS)
    fill(server, shelves)
    yield server
    server.stop()


def fill(server: Served, shelves: int) -> None:
    token = post(server.url, "/dev/token", {"subject": "alice", "org": "acme"})["token"]

    def shelf(number: int) -> None:
        for first in range(0, ON_ONE, AT_ONCE):
            call = {"path": "many:fill", "args": {"shelf": f"shelf{number}", "first": first, "count": AT_ONCE}}
            told = asked(server, "/api/mutation", call, f"Bearer {token}")
            assert told["status"] == "success", told

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(shelf, range(shelves)))


def kept(page: Page) -> tuple[int, int]:
    """Elements of the page, and the megabytes of its heap, after what nobody holds any more is gone."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    used = devtools.send("Runtime.getHeapUsage")["usedSize"]
    devtools.detach()
    return page.evaluate("document.querySelectorAll('*').length"), round(used / 2**20)


@pytest.mark.timeout(900)
def test_a_hundred_thousand_documents_are_looked_through_a_page_at_a_time(crowded: Served, window: Window) -> None:
    page = operated(crowded, window)
    shown(page, "acme", "data/pebbles")
    rows = page.get_by_role("region", name="Documents").get_by_role("row")
    expect(rows).to_have_count(51)  # with the row of the columns' names; of no index, in the store's order
    page.locator("form.bar select").select_option("by_shelf")
    page.get_by_role("textbox", name="shelf").fill("shelf2")
    expect(rows.nth(1)).to_contain_text("1999")
    first = kept(page)
    for number in range(1, 20):
        page.get_by_role("button", name="Next page").click()
        expect(rows.nth(1)).to_contain_text(str(1999 - 50 * number))
        expect(rows).to_have_count(51)
    elements, megabytes = kept(page)
    assert elements <= first[0] + 20, "a page takes the other's place"
    assert megabytes <= first[1] + 20, "pages that were left are not kept"
    assert page.get_by_role("alert").all_inner_texts() == [], "no query was over its limits"


@pytest.mark.timeout(900)
def test_among_so_many_a_new_one_is_shown_when_it_is_committed(crowded: Served, window: Window) -> None:
    page = operated(crowded, window)
    shown(page, "acme", "data/pebbles")
    page.locator("form.bar select").select_option("by_shelf")
    page.get_by_role("textbox", name="shelf").fill("shelf3")
    rows = page.get_by_role("region", name="Documents").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("1999")
    token = post(crowded.url, "/dev/token", {"subject": "alice", "org": "acme"})["token"]
    asked(crowded, "/api/mutation", {"path": "many:put", "args": {"shelf": "shelf3", "place": 2000}}, f"Bearer {token}")
    expect(rows.nth(1)).to_contain_text("2000")


@pytest.mark.timeout(900)
def test_every_pane_opens_beside_so_many(crowded: Served, window: Window) -> None:
    page = operated(crowded, window)
    for pane in ("home", "functions", "logs", "sync", "jobs", "chats", "operators", "settings", "backup", "api"):
        shown(page, "acme", pane)
        page.wait_for_load_state("networkidle")
        assert page.get_by_role("alert").all_inner_texts() == [], pane
