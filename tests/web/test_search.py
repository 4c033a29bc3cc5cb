"""The search of the page: live, by keys, marked, and readable by everybody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader, worker
from tests.web.test_access import findings

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Search sessions")


def found(page: Page) -> Locator:
    return page.locator(".found a")


def talked(server: Served, name: str, **sessions: list[str]) -> dict[str, str]:
    """Sessions by their names, and what was said in each: by the person, and by a worker, in turns."""
    person, hand = Backend(server.url, name), worker(server, "desk")
    opened: dict[str, str] = {}
    for title, texts in sessions.items():
        session = person.call("mutation", "chat:startSession", workerId="desk", name=title)
        for question, answer in zip(texts[::2], texts[1::2], strict=True):
            reply = person.call("mutation", "chat:sendMessage", sessionId=session, content=question)
            hand.call("mutation", "chat:completeMessage", sessionId=session, messageId=reply, content=answer)
        opened[title] = session
    return opened


def test_results_come_as_one_types_and_a_message_of_another_tab_joins_them(either: Served, window: Window) -> None:
    opened = talked(
        either,
        "sara",
        Coffee=["Where is the Café in Köln?", "By the river, behind the bridge."],
        Boats=["Names for a boat", "Heron, Tern, Plover"],
    )
    sara = Reader(window(), either.url, "sara").sign_in()
    box(sara.page).press_sequentially("koln caf")
    expect(found(sara.page)).to_have_count(1)
    expect(found(sara.page)).to_contain_text("You: Where is the Café in Köln?")
    expect(sara.page.locator(".found mark")).to_have_text(["Caf", "Köln"])
    Backend(either.url, "sara").call("mutation", "chat:sendMessage", sessionId=opened["Boats"], content="Or the café, in Köln")
    expect(found(sara.page)).to_have_count(2)
    Backend(either.url, "other").call("mutation", "chat:startSession", name="Köln cafés of somebody else")
    expect(found(sara.page).filter(has_text="Boats")).to_contain_text("You: Or the café, in Köln")


def test_the_keys_open_go_through_and_end_a_search(site: Served, window: Window) -> None:
    opened = talked(site, "kay", Rivers=["The longest river?", "The Nile"], Lakes=["A deep lake, no river?", "Baikal"])
    kay = Reader(window(), site.url, "kay").sign_in()
    new = kay.page.get_by_role("link", name="New session")
    new.focus()
    kay.page.keyboard.press("/")
    expect(box(kay.page)).to_be_focused()
    kay.page.keyboard.type("river")
    expect(found(kay.page)).to_have_count(2)
    for key, place in (("ArrowDown", 0), ("ArrowDown", 1), ("ArrowDown", 1), ("ArrowUp", 0), ("End", 1), ("Home", 0)):
        kay.page.keyboard.press(key)
        expect(found(kay.page).nth(place)).to_be_focused()
    kay.page.keyboard.press("ArrowUp")
    expect(box(kay.page)).to_be_focused()
    kay.page.keyboard.press("Escape")
    expect(new).to_be_focused()
    expect(kay.page.locator(".sessions a")).to_have_count(2)
    kay.page.keyboard.press("/")
    kay.page.keyboard.type("nile")
    expect(found(kay.page)).to_have_count(1)
    kay.page.keyboard.press("Enter")
    kay.page.wait_for_url(re.compile(re.escape(opened["Rivers"])))
    kay.box.fill("a / b")
    kay.box.press("/")
    expect(kay.box).to_have_value("a / b/")


def test_who_finds_nothing_is_shown_what_would_be_found(site: Served, window: Window) -> None:
    talked(site, "norma", Lighthouses=[])
    norma = Reader(window(), site.url, "norma").sign_in()
    box(norma.page).fill("dragons")
    expect(norma.page.get_by_text("No session has “dragons”")).to_be_visible()
    norma.page.get_by_role("button", name="Ligh", exact=True).click()
    expect(found(norma.page)).to_have_count(1)
    expect(norma.page.locator(".found mark")).to_have_text("Ligh")
    norma.page.get_by_role("button", name="End the search").click()
    expect(norma.page.locator(".sessions a")).to_have_text(re.compile("Lighthouses"))


def test_a_deleted_session_leaves_the_results_while_one_looks(site: Served, window: Window) -> None:
    opened = talked(site, "dorothy", Secrets=["The password is swordfish", "I forget it"])
    dora = Reader(window(), site.url, "dorothy").sign_in()
    box(dora.page).fill("swordfish")
    expect(found(dora.page)).to_have_count(1)
    person = Backend(site.url, "dorothy")
    (conversation,) = person.call("query", "conversations:list", userId="dorothy")
    person.call("mutation", "conversations:delete", conversationId=conversation["conversationId"])
    expect(dora.page.get_by_text("No session has “swordfish”")).to_be_visible()
    assert person.call("query", "chat:getSession", sessionId=opened["Secrets"]) is None


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_nothing_serious_in_a_search(site: Served, window: Window, theme: str, size: dict[str, int]) -> None:
    name = f"ada-{theme}-{size['width']}"
    talked(site, name, Telescopes=["Which telescope for the moon?", "A small one will do"], Moons=["Moons of Jupiter", "Io"])
    page = window(viewport=size, color_scheme=theme)
    ada = Reader(page, site.url, name).sign_in()
    box(ada.page).fill("moon")
    expect(found(page)).to_have_count(2)
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box(ada.page).fill("dragons")
    expect(page.get_by_text("No session has")).to_be_visible()
    assert findings(page) == []
    box(ada.page).fill("jupiter")
    found(page).click()
    page.wait_for_url(re.compile("#/s/"))
    if size == PHONE:
        page.get_by_role("link", name="All sessions").click()
        expect(box(page)).to_have_value("jupiter")
