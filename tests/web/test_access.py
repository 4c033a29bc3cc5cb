"""For everybody: keyboard, screen reader, contrast, in both themes and at both widths."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.walk.server import Served
from tests.web.conftest import WEB, Window
from tests.web.reader import Backend, Reader

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
RICH = "/think Let me see.\nShow me a table, a list of 3 and code in python"


def findings(page: Page) -> list[str]:
    """What axe finds to be serious or worse."""
    page.evaluate((WEB / "node_modules" / "axe-core" / "axe.min.js").read_text())  # not as a tag: the page's policy forbids it
    told = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in told
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_serious(site: Served, window: Window, theme: str, size: dict[str, int]) -> None:
    page = window(viewport=size, color_scheme=theme)
    page.goto(site.url)
    page.get_by_label("Name").wait_for()
    assert findings(page) == []
    reader = Reader(page, site.url, f"axel-{theme}-{size['width']}").sign_in()
    if size is PHONE:
        assert findings(page) == []  # the list
        reader.new()
    assert findings(page) == []
    reader.ask(RICH)
    reader.ended()
    page.get_by_text("Thought about it").click()
    reader.ask("/fail overloaded\nAnd now?")
    reader.ended(2)
    page.locator(".hljs-keyword").first.wait_for()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_serious_among_domains_and_tasks(
    site: Served, window: Window, theme: str, size: dict[str, int]
) -> None:
    page = window(viewport=size, color_scheme=theme)
    reader = Reader(page, site.url, f"axa-{theme}-{size['width']}").sign_in("#/domains")
    backend = Backend(site.url, reader.name)
    backend.call("mutation", "domains:create", name="Support", systemPrompt="Be short. " * 40)
    task = backend.call("mutation", "tasks:create", title="Build a bridge of a very long name that goes on " * 3)["taskId"]
    backend.call("mutation", "tasks:startRun", taskId=task, type="planification", message="/say Planned.")
    page.get_by_role("article", name="Support").get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Add a server").click()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    page.goto(f"{site.url}/#/tasks")
    page.get_by_text("Completed").wait_for()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"


def test_the_keyboard_reaches_everything(site: Served, window: Window) -> None:
    """Sign in, start, and end a session without a pointer."""
    page = window()
    page.goto(site.url)
    page.get_by_label("Name").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.type("kim")
    page.keyboard.press("Enter")
    box = page.get_by_role("textbox", name="Message")
    expect(box).to_be_focused()
    page.keyboard.type("/say Hello, Kim.")
    page.keyboard.press("Enter")
    expect(page.locator(".reply")).to_contain_text("Hello, Kim.")
    expect(box).to_be_focused()
    page.get_by_role("button", name="End session").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="End session")).to_be_focused()


def test_a_screen_reader_hears_the_reply_once_and_not_chunk_by_chunk(site: Served, window: Window) -> None:
    page = window()
    reader = Reader(page, site.url, "hera").sign_in()
    page.evaluate("""() => {
      window.heard = [];
      new MutationObserver(() => {
        const said = document.querySelector('[aria-live]')?.textContent;
        if (said && said !== window.heard.at(-1)) window.heard.push(said);
      }).observe(document, {subtree: true, childList: true, characterData: true});
    }""")
    reader.ask("/pace 60\nWrite about birds in 60 words")
    reader.ended()
    page.wait_for_function("window.heard.length === 2")
    heard = page.evaluate("window.heard")
    assert heard[0] == "The assistant is writing."
    assert heard[1].startswith(reader.shown[:100])


def test_the_theme_is_chosen_and_remembered(site: Served, window: Window) -> None:
    page = window(color_scheme="light")
    reader = Reader(page, site.url, "thea").sign_in()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    reader.state("Live")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Theme: dark").click()
    assert page.evaluate(ground) == light
