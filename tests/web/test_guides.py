"""The guides in a browser, as the server has them: read, searched, on a phone, without a barrier and without another host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from infra.guides.__main__ import FOLDER, build
from tests.walk.server import ROOT, Served
from tests.web.conftest import WEB, Window


@pytest.fixture
def guides(site: Served) -> str:
    """Where they are served."""
    if not (FOLDER / "index.html").exists():
        build(ROOT, FOLDER)
    return f"{site.url}/docs"


def opened(window: Window, address: str, **shape: Any) -> tuple[Page, list[str]]:
    """A page, and what it has asked of which host or was forbidden."""
    page, told = window(**shape), list[str]()
    page.on("request", lambda request: told.append(request.url))
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    page.goto(address)
    return page, told


def test_a_guide_is_found_by_its_words_and_read(guides: str, window: Window) -> None:
    page, told = opened(window, guides)
    expect(page.get_by_role("heading", level=1)).to_have_text("The documentation")
    page.get_by_role("navigation").get_by_role("link", name="Limits").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Limits")
    page.keyboard.press("/")
    page.keyboard.type("development issuer token")
    found = page.get_by_role("region", name="Found")
    found.get_by_role("link", name="Signing people in").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signing people in")
    page.get_by_label("Search the guides").fill("zzzz nothing")
    expect(page.get_by_text("Nothing was found")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="In a client")).to_be_visible()
    assert [each for each in told if not each.startswith(guides.removesuffix("/docs"))] == []


def test_the_rest_interface_stays_reachable_from_the_guides(guides: str, window: Window) -> None:
    page, _ = opened(window, guides)
    page.get_by_role("link", name="API", exact=True).click()
    expect(page.get_by_role("heading", name="The REST door")).to_be_visible()


@pytest.mark.parametrize(
    "shape",
    [{}, {"viewport": {"width": 390, "height": 800}}, {"color_scheme": "dark"}],
    ids=["desktop", "phone", "dark"],
)
def test_no_guide_has_a_barrier(guides: str, window: Window, shape: dict[str, Any]) -> None:
    axe = (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text()
    page, _ = opened(window, guides, **shape)
    for file in sorted(Path(FOLDER).glob("*.html")):
        page.goto(f"{guides}/{file.name}")
        found = page.evaluate(
            f"async () => {{ {axe}; return (await axe.run()).violations.map(each => [each.id, each.nodes[0].html]) }}"
        )
        assert found == [], file.name
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{file.name} is wider than the window"
