"""Input methods: the Enter that ends a composition sends nothing, in whatever order a browser tells it; the next one does."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader

KEY = """(box, {type, keyCode, isComposing}) => box.dispatchEvent(
  new KeyboardEvent(type, {key: 'Enter', code: 'Enter', keyCode, isComposing, bubbles: true, cancelable: true}))"""
END = "box => box.dispatchEvent(new CompositionEvent('compositionend', {data: '日本', bubbles: true}))"


def composed(reader: Reader, order: str) -> None:
    """Write a word with an input method and take its suggestion with Enter, as this browser tells it."""
    reader.box.focus()
    tools = reader.page.context.new_cdp_session(reader.page)
    tools.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    down = {"type": "keydown", "keyCode": 229, "isComposing": order == "Chromium"}
    if order == "Chromium":
        reader.box.evaluate(KEY, down)
    tools.send("Input.insertText", {"text": "日本"})  # the browser ends the composition
    if order == "Safari":
        reader.box.evaluate(KEY, down)
    elif order == "a plain key":
        reader.box.evaluate(END)
        reader.box.evaluate(KEY, {**down, "keyCode": 13})
    expect(reader.box).to_have_value("日本")
    reader.box.evaluate(KEY, {**down, "type": "keyup", "keyCode": 13})


def bubbles(page: Page) -> int:
    return page.locator(".bubble").count()


@pytest.mark.parametrize("order", ["Chromium", "Safari", "a plain key"])
def test_the_enter_that_ends_a_composition_sends_nothing(site: Served, window: Window, order: str) -> None:
    reader = Reader(window(), site.url, f"ime-{order.replace(' ', '-')}").sign_in()
    composed(reader, order)
    assert bubbles(reader.page) == 0
    expect(reader.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    reader.box.press("Enter")
    reader.ended()
    assert Backend(site.url, reader.name).messages(reader.session)[0]["content"] == "日本"


def test_the_escape_that_ends_a_composition_stops_no_reply(site: Served, window: Window) -> None:
    reader = Reader(window(), site.url, "ime-escape").sign_in()
    reader.ask("/pace 15\nWrite about tides in 60 words")
    reader.sees(10)
    reader.box.evaluate(END)
    reader.box.evaluate(
        "box => box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', keyCode: 229, bubbles: true, cancelable: true}))"
    )
    reader.ended()
    assert Backend(site.url, "ime-escape").messages(reader.session)[-1]["status"] == "completed"
