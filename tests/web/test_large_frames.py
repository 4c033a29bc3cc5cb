"""What is larger than a frame of the socket (32 KB): it is sent all the same, or refused in a sentence."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader

EMOJI = "\N{VOLCANO}" * 9_900
"""Within the limit of a message, which counts characters; 39,600 bytes."""


def test_ten_thousand_emoji_arrive_and_are_answered(either: Served, window: Window) -> None:
    page = window()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    told: list[str] = []
    page.on("console", lambda line: told.append(line.text) if line.type == "info" else None)
    emma = Reader(page, either.url, "emma").sign_in()
    opened = len(sockets)
    emma.ask(f"Write about volcanoes in 12 words\n{EMOJI}")
    emma.ended()
    emma.ask("/say And a short one.")
    emma.ended(2)
    said = [each["content"] for each in Backend(either.url, "emma").messages(emma.session) if each["role"] == "user"]
    assert said == [f"Write about volcanoes in 12 words\n{EMOJI}", "/say And a short one."]
    assert len(sockets) == opened, "on one connection"
    assert len([line for line in told if "it goes by HTTP" in line]) == 1
    page.reload()
    emma.state("Live")
    emma.ended(2)
    expect(page.locator(".bubble")).to_have_count(2)


def test_a_long_message_is_shown_once_while_it_is_sent(site: Served, window: Window) -> None:
    """Its place is shown at once, and taken by the message itself: never beside it, never gone between."""
    elin = Reader(window(), site.url, "elin").sign_in()
    elin.ask("/say First.")
    elin.ended()
    elin.page.evaluate("""() => {
      window.counts = [];
      const count = () => {
        const now = document.querySelectorAll('main:not([hidden]) .bubble').length;
        if (window.counts.at(-1) !== now) window.counts.push(now);
        requestAnimationFrame(count);
      };
      count();
    }""")
    elin.ask(f"Write about volcanoes in 12 words\n{EMOJI}")
    elin.ended(2)
    assert elin.page.evaluate("window.counts") == [1, 2]


def test_an_instruction_of_forty_thousand_letters_is_kept(site: Served, window: Window) -> None:
    page = Reader(window(), site.url, "ines-large").sign_in("#/domains").page
    page.get_by_role("button", name="New domain").click()
    page.get_by_label("Name", exact=True).fill("Long")
    page.get_by_label("Instruction").fill("Be kind. " * 4_500)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("article", name="Long")).to_contain_text("Be kind.")
    kept = Backend(site.url, "ines-large").call("query", "domains:list")
    assert [len(each["systemPrompt"]) for each in kept] == [40_500]


@pytest.mark.parametrize("letters", [1_100_000])
def test_what_no_call_holds_is_refused_in_a_sentence(site: Served, window: Window, letters: int) -> None:
    page = Reader(window(), site.url, "hugo").sign_in("#/domains").page
    page.get_by_role("button", name="New domain").click()
    page.get_by_label("Name", exact=True).fill("Too long")
    page.get_by_label("Instruction").fill("x" * letters)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("This holds 1,101 KB; a call holds at most 1,048 KB.")
    expect(page.get_by_role("form", name="New domain")).to_be_visible()
    expect(page.locator(".connection:visible").first).to_have_text("Live")
