"""A person at the page, with a real worker and opencode behind it: what works, and what is said when something does not."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.web.conftest import Window
from tests.web.reader import Reader
from tests.worker.conftest import env as env
from tests.worker.conftest import house as house
from tests.worker.conftest import model as model
from tests.worker.house import House

LONG = "please\n/pace 30\nwrite 20000 characters"


class Desk:
    """The owner's page, on a house whose machine is at work."""

    def __init__(self, house: House, window: Window) -> None:
        self.house, self.worker = house, house.run()
        self.reader = Reader(window(), house.url, "alice").sign_in("#/machines")
        self.page: Page = self.reader.page
        expect(self.machine).to_contain_text("Online")

    @property
    def machine(self) -> Locator:
        """The card of the machine."""
        return self.page.get_by_role("article", name="desk")

    def begin(self) -> str:
        """A new chat on the machine; its id."""
        self.page.get_by_role("link", name="Machines").click()
        self.machine.get_by_role("link", name="New chat").click()
        self.page.get_by_role("combobox", name="Agent").select_option("opencode")
        self.page.get_by_label("Folder").fill(str(self.house.work))
        self.page.get_by_role("button", name="Start").click()
        return self.reader.session

    def answered(self, words: str, count: int = 1) -> str:
        """A message and its whole reply."""
        self.reader.ask(words)
        self.reader.ended(count, seconds=60)
        return self.reader.shown.strip()


@pytest.fixture
def desk(built: Path, house: House, window: Window) -> Desk:
    return Desk(house, window)


# What works --------------------------------------------------------------------------------------------------------------


def test_a_chat_on_the_machine_is_begun_and_answered_piece_by_piece(desk: Desk) -> None:
    session = desk.begin()
    desk.reader.ask("please\n/pace 60\nwrite 900 characters")
    desk.reader.sees(100)
    expect(desk.page.get_by_role("button", name="Stop the reply")).to_be_visible()
    desk.reader.ended(1, seconds=60)
    stored = desk.house.owner.asks("chat:getMessages", sessionId=session)[-1]
    assert len(stored["content"].strip()) == 900
    assert len(desk.page.evaluate("window.seen")) >= 3


def test_a_tool_asks_in_the_page_and_does_what_was_allowed(desk: Desk) -> None:
    desk.begin()
    order = json.dumps({"command": "echo made > yes.txt; cat yes.txt", "description": "a test"})
    desk.reader.ask(f"please\n/use bash {order}\n/say fin")
    desk.page.get_by_role("button", name="Allow once").click(timeout=60_000)
    desk.reader.ended(1, seconds=60)
    assert (desk.house.work / "yes.txt").read_text() == "made\n"
    expect(desk.reader.replies.last.locator(".tool")).to_have_attribute("data-state", "done")
    expect(desk.reader.replies.last).to_contain_text("fin")


def test_a_chat_is_ended_and_another_one_begun(desk: Desk) -> None:
    first = desk.begin()
    assert desk.answered("please\n/say one") == "one"
    desk.page.get_by_role("button", name="End session").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="End session").click()
    expect(desk.page.get_by_text("This session has ended.")).to_be_visible()
    assert desk.begin() != first
    assert desk.answered("please\n/say two") == "two"


def test_a_former_chat_is_opened_again_and_its_agent_remembers(desk: Desk) -> None:
    session = desk.begin()
    desk.answered("my name is Ann\n/say noted")
    desk.begin()
    assert desk.answered("please\n/say other") == "other"
    desk.page.goto(f"{desk.house.url}/#/s/{session}")
    assert desk.answered("what is my name", 2) == "Your name is Ann."


def test_two_chats_at_once_are_answered_each_with_its_own(desk: Desk, window: Window) -> None:
    other = Reader(window(), desk.house.url, "alice").sign_in("#/machines")
    desk.begin()
    desk.reader.ask("please\n/pace 60\nwrite 600 characters")
    other.page.get_by_role("article", name="desk").get_by_role("link", name="New chat").click()
    other.page.get_by_role("button", name="Start").click()
    other.ask("please\n/say only here")
    other.ended(1, seconds=60)
    desk.reader.ended(1, seconds=60)
    assert other.shown.strip() == "only here"
    assert "only here" not in desk.reader.shown


# What goes wrong ---------------------------------------------------------------------------------------------------------


def test_a_machine_that_goes_is_shown_and_what_was_sent_meanwhile_is_answered_when_it_is_back(desk: Desk) -> None:
    desk.begin()
    assert desk.answered("please\n/say one") == "one"
    desk.worker.stop()
    expect(desk.page.get_by_text("desk is offline since")).to_be_visible()
    desk.reader.ask("please\n/say two")
    expect(desk.page.get_by_text("Your messages wait until it is back")).to_be_visible()
    desk.house.run()
    desk.reader.ended(2, seconds=60)
    assert desk.reader.shown.strip() == "two"
    expect(desk.page.get_by_text("is offline")).to_have_count(0)


def test_a_chat_that_is_none_is_said(desk: Desk) -> None:
    desk.page.goto(f"{desk.house.url}/#/s/sess_none")
    expect(desk.page.get_by_role("main")).to_contain_text("not")
    expect(desk.reader.box).to_have_count(0)


def test_an_agent_that_is_killed_is_said_and_the_next_message_is_answered(desk: Desk) -> None:
    desk.begin()
    desk.reader.ask(LONG)
    desk.reader.sees(60)
    for each in psutil.Process(desk.worker.process.pid).children(recursive=True):
        os.kill(each.pid, signal.SIGKILL)
    desk.reader.ended(1, seconds=60)
    expect(desk.reader.replies.last).to_contain_text("The agent on the machine ended in the middle")
    assert desk.answered("please\n/say again", 2) == "again"


def test_a_server_that_is_killed_while_it_writes_loses_nothing_that_was_shown(desk: Desk) -> None:
    """The network breaks for the page and the worker alike; pieces that could not be written are written after it."""
    desk.begin()
    words = "".join(f"{number}, " for number in range(150)).strip()
    desk.reader.ask(f"please\n/pace 30\n/say {words}")
    desk.reader.sees(60)
    shown = desk.reader.shown.strip()
    desk.house.served.kill()
    desk.reader.state("Reconnecting")
    desk.house.served.start()
    desk.reader.state("Live", 60)
    desk.reader.ended(1, seconds=90)
    assert desk.reader.shown.strip().startswith(shown[:40])
