"""Chats whose messages are long in bytes open, page to their beginning, and show all of what was cut."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader, worker

SCRIPTS = {"chinese": "深", "latin": "x", "faces": "\N{GRINNING FACE}"}


@pytest.mark.parametrize("letter", SCRIPTS.values(), ids=SCRIPTS)
def test_a_chat_of_long_messages_opens_and_stays_open_while_more_come(site: Served, window: Window, letter: str) -> None:
    name = f"long-{ord(letter)}"
    backend = Backend(site.url, name)
    session = backend.call("mutation", "chat:startSession", name="Long texts")
    for number in range(5):
        backend.call("mutation", "chat:sendMessage", sessionId=session, content=f"/pace 0\n/say {number}{letter * 9_900}")
    reader = Reader(window(), site.url, name).sign_in(f"#/s/{session}")
    expect(reader.replies.last).to_contain_text("4" + letter * 40)
    for number in range(5, 9):
        backend.call("mutation", "chat:sendMessage", sessionId=session, content=f"/pace 0\n/say {number}{letter * 9_900}")
        expect(reader.replies.last).to_contain_text(f"{number}{letter * 40}")


def test_a_reply_that_no_answer_holds_is_shown_whole_when_asked(site: Served, window: Window) -> None:
    mine, hand = Backend(site.url, "willa"), worker(site, "w9")
    session = mine.call("mutation", "chat:startSession", workerId="w9", name="A long reply")
    reply = mine.call("mutation", "chat:sendMessage", sessionId=session, content="Tell me all")
    content = "深" * 70_000 + " the end"
    hand.call("mutation", "chat:completeMessage", sessionId=session, messageId=reply, content=content)
    reader = Reader(window(), site.url, "willa").sign_in(f"#/s/{session}")
    expect(reader.page.get_by_text("This is the beginning of a long reply.")).to_be_visible()
    expect(reader.replies.last).not_to_contain_text("the end")
    reader.page.get_by_role("button", name="Show all of it").click()
    expect(reader.replies.last).to_contain_text("the end")
    expect(reader.page.get_by_text("This is the beginning of a long reply.")).to_have_count(0)


def test_a_domain_that_a_list_has_cut_keeps_its_instruction_when_it_is_edited(site: Served, window: Window) -> None:
    mine = Backend(site.url, "template-keeper")
    instruction = "深" * 15_000
    for number in range(3):
        mine.call("mutation", "domains:create", name=f"Template {number}", systemPrompt=instruction)
    assert all("cut" in each for each in mine.call("query", "domains:list"))
    reader = Reader(window(), site.url, "template-keeper").sign_in("#/domains")
    card = reader.page.get_by_role("article", name="Template 1")
    card.get_by_role("button", name="Edit").click()
    reader.page.get_by_label("Name").fill("Renamed")
    reader.page.get_by_role("button", name="Save").click()
    expect(reader.page.get_by_text("Renamed")).to_be_visible()
    (renamed,) = [each for each in mine.call("query", "domains:list") if each["name"] == "Renamed"]
    assert mine.call("query", "domains:get", domainId=renamed["domainId"])["systemPrompt"] == instruction
