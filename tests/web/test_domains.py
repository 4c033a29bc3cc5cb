"""Domains and tasks in the page: made, changed, begun from, and live for whoever looks."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader


def domain(page: Page, name: str, instruction: str) -> None:
    """Fill in the form of a new domain."""
    page.get_by_role("button", name="New domain").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Instruction").fill(instruction)


def test_a_conversation_of_a_domain_keeps_what_it_began_with(site: Served, window: Window) -> None:
    """A change of the domain is for conversations to come; those that have begun keep their copy."""
    dora = Reader(window(), site.url, "dora").sign_in("#/domains")
    expect(dora.page.get_by_text("A domain is a template")).to_be_visible()
    domain(dora.page, "Pirates", "Answer as a pirate.")
    dora.page.get_by_role("button", name="Create").click()
    card = dora.page.get_by_role("article", name="Pirates")
    expect(card).to_contain_text("Answer as a pirate.")
    card.get_by_role("button", name="New chat").click()
    dora.ask("/say Aye.")
    dora.ended()
    backend = Backend(site.url, "dora")
    image = backend.call("query", "chat:getSession", sessionId=dora.session)["imageId"]
    dora.page.get_by_role("link", name="Domains").click()
    card.get_by_role("button", name="Edit").click()
    dora.page.get_by_label("Instruction").fill("Answer as a sailor.")
    dora.page.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("Answer as a sailor.")
    assert backend.call("query", "images:get", imageId=image)["systemPrompt"] == "Answer as a pirate."


def test_a_server_of_tools_that_is_refused_is_said_with_its_field(site: Served, window: Window) -> None:
    mia = Reader(window(), site.url, "mia").sign_in("#/domains")
    domain(mia.page, "Tools", "")
    mia.page.get_by_role("button", name="Add a server").click()
    mia.page.get_by_label("Name of server 1").fill("search")
    mia.page.get_by_label("Address of server 1").fill("https://127.0.0.1/mcp")
    mia.page.get_by_role("button", name="Create").click()
    expect(mia.page.get_by_role("alert")).to_contain_text("mcpServers.search.url: must be a public host")
    mia.page.get_by_label("Address of server 1").fill("https://search.example.org/mcp")
    mia.page.get_by_label("Secret of server 1").fill("SEARCH")
    mia.page.get_by_role("button", name="Create").click()
    expect(mia.page.get_by_role("article", name="Tools")).to_contain_text("Tools: search")
    mia.page.get_by_role("button", name="Delete Tools").click()
    mia.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(mia.page.get_by_role("article", name="Tools")).to_have_count(0)


def test_an_agents_run_is_seen_live_in_two_windows(site: Served, window: Window) -> None:
    """It runs, it is stopped in one window, and the other shows it."""
    one = Reader(window(), site.url, "tina").sign_in("#/tasks")
    two = Reader(window(), site.url, "tina").sign_in("#/tasks")
    one.page.get_by_label("What is to be done").fill("/pace 5")
    one.page.get_by_role("button", name="Add").click()
    card: Any = two.page.get_by_role("article", name="/pace 5")
    expect(card).to_contain_text("Not begun")
    card.get_by_role("button", name="Plan").click()
    seen = one.page.get_by_role("article", name="/pace 5")
    expect(seen).to_contain_text("In progress")
    expect(seen.locator(".runs .state")).to_have_text("Runs")
    seen.get_by_role("button", name="Stop").click()
    expect(card.locator(".runs .state")).to_have_text("Stopped")
    card.get_by_role("button", name="Complete").click()
    expect(seen).to_contain_text("workflow complete")
    seen.get_by_role("link", name="Plan").click()
    expect(one.replies.last).to_contain_text("Stopped. What was written stays.")
