"""What a session was started with, in the page: its name changes, its configuration does not."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader
from tests.web.test_access import DESKTOP, PHONE, findings

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SEARCH = {"search": {"url": "https://search.example.org/mcp", "authorization": {"secret": "SEARCH"}}}


def opened(server: Served, owner: str, **config: Any) -> dict[str, Any]:
    """A session with a configuration of its own; its image."""
    told = {"name": "Sailors", "description": "For the boat", "systemPrompt": "Answer as a sailor.", **config}
    record: dict[str, Any] = Backend(server.url, owner).call("mutation", "images:create", config=told)["record"]
    return record


def dialog(page: Page) -> Any:
    return page.get_by_role("dialog")


def test_the_settings_show_what_a_session_was_started_with(site: Served, window: Window) -> None:
    image = opened(site, "sami", mcpServers=SEARCH)
    page = Reader(window(), site.url, "sami").sign_in(f"#/s/{image['sessionId']}").page
    page.get_by_role("link", name="Settings of this session").click()
    shown = dialog(page)
    for text in (
        "For the boat",
        "Answer as a sailor.",
        image["model"],
        "search https://search.example.org/mcp, with the secret SEARCH",
    ):
        expect(shown).to_contain_text(text)
    expect(shown.get_by_label("Name", exact=True)).to_have_value("Sailors")
    expect(shown).not_to_contain_text("Forked from")


def test_a_session_is_renamed_and_the_list_and_other_windows_show_it(site: Served, window: Window) -> None:
    image = opened(site, "remy")
    one = Reader(window(), site.url, "remy").sign_in(f"#/s/{image['sessionId']}/settings")
    two = Reader(window(), site.url, "remy").sign_in(f"#/s/{image['sessionId']}")
    name = dialog(one.page).get_by_label("Name", exact=True)
    expect(dialog(one.page).get_by_role("button", name="Save")).to_be_disabled()
    name.fill("Boatswains")
    name.press("Enter")
    expect(dialog(one.page).get_by_text("Saved.")).to_be_visible()
    expect(two.page.get_by_role("heading", name="Boatswains", level=1)).to_be_visible()
    expect(two.page.get_by_role("navigation").get_by_role("link", name="Boatswains")).to_be_visible()
    stored = Backend(site.url, "remy").call("query", "images:get", imageId=image["imageId"])
    assert (stored["name"], stored["systemPrompt"]) == ("Boatswains", "Answer as a sailor.")


def test_a_name_that_the_server_refuses_is_said_at_the_field(site: Served, window: Window) -> None:
    """The field stops at 200 characters; a page that lets more through is told so."""
    image = opened(site, "nils")
    page = Reader(window(), site.url, "nils").sign_in(f"#/s/{image['sessionId']}/settings").page
    name = dialog(page).get_by_label("Name", exact=True)
    name.evaluate("field => field.removeAttribute('maxlength')")
    name.fill("n" * 201)
    dialog(page).get_by_role("button", name="Save").click()
    expect(dialog(page).get_by_role("alert")).to_have_text("This needs at most 200 characters.")
    expect(name).to_have_attribute("aria-invalid", "true")
    assert Backend(site.url, "nils").call("query", "images:get", imageId=image["imageId"])["name"] == "Sailors"


def test_a_fork_leads_to_the_session_that_it_was_forked_from(site: Served, window: Window) -> None:
    image = opened(site, "finn", name="The first")
    backend = Backend(site.url, "finn")
    fork = backend.call("mutation", "images:fork", imageId=image["imageId"], name="The second")["record"]
    page = Reader(window(), site.url, "finn").sign_in(f"#/s/{fork['sessionId']}/settings").page
    dialog(page).get_by_role("link", name="The first").click()
    expect(page.get_by_role("heading", name="The first", level=1)).to_be_visible()
    expect(dialog(page)).to_have_count(0)
    receipt = backend.call("mutation", "images:delete", imageId=image["imageId"])
    assert receipt["receiptId"]
    page.goto(f"{site.url}/#/s/{fork['sessionId']}/settings")
    expect(dialog(page)).to_contain_text("A session that is gone")


def test_another_session_is_started_with_other_settings_and_this_one_keeps_its_own(site: Served, window: Window) -> None:
    image = opened(site, "cleo", mcpServers=SEARCH)
    cleo = Reader(window(), site.url, "cleo").sign_in(f"#/s/{image['sessionId']}/settings")
    page, backend = cleo.page, Backend(site.url, "cleo")
    page.get_by_role("button", name="New session with other settings").click()
    expect(dialog(page).get_by_label("Name", exact=True)).to_be_focused()
    dialog(page).get_by_label("Instruction").fill("Answer as a pirate.")
    address = dialog(page).get_by_label("Address of server 1")
    address.fill("https://127.0.0.1/mcp")
    page.get_by_role("button", name="Start session").click()
    refused = dialog(page).locator(".row").get_by_role("alert")
    expect(refused).to_contain_text("mcpServers.search.url: must be a public host")
    expect(address).to_have_attribute("aria-invalid", "true")
    assert address.get_attribute("aria-describedby") == refused.get_attribute("id")
    page.get_by_role("button", name="Remove server 1").click()
    page.get_by_role("button", name="Start session").click()
    page.wait_for_function("before => !location.hash.includes(before)", arg=image["sessionId"])
    expect(dialog(page)).to_have_count(0)
    begun = backend.call(
        "query", "images:get", imageId=backend.call("query", "chat:getSession", sessionId=cleo.session)["imageId"]
    )
    assert (begun["systemPrompt"], begun["description"], begun["mcpServers"]) == ("Answer as a pirate.", "For the boat", [])
    kept = backend.call("query", "images:get", imageId=image["imageId"])
    assert (kept["systemPrompt"], [each["name"] for each in kept["mcpServers"]]) == ("Answer as a sailor.", ["search"])


def test_a_reload_keeps_the_settings_open_and_closing_leads_back(site: Served, window: Window) -> None:
    image = opened(site, "rolf")
    page = Reader(window(), site.url, "rolf").sign_in(f"#/s/{image['sessionId']}/settings").page
    expect(dialog(page)).to_contain_text("Answer as a sailor.")
    page.reload()
    expect(dialog(page)).to_contain_text("Answer as a sailor.")
    dialog(page).get_by_role("button", name="Close").click()
    expect(dialog(page)).to_have_count(0)
    page.wait_for_url(f"**/#/s/{image['sessionId']}")


def test_the_keyboard_opens_and_closes_the_settings_and_a_reply_goes_on(site: Served, window: Window) -> None:
    """Escape ends a reply, but not while it closes a dialog."""
    kent = Reader(window(), site.url, "kent").sign_in()
    kent.ask("/pace 15\nWrite about tides in 80 words")
    kent.sees(10)
    settings = kent.page.get_by_role("link", name="Settings of this session")
    settings.focus()
    kent.page.keyboard.press("Enter")
    expect(dialog(kent.page)).to_contain_text("A session keeps the configuration")
    kent.page.get_by_text("A session keeps the configuration").click()
    kent.page.keyboard.press("Escape")
    expect(dialog(kent.page)).to_have_count(0)
    expect(settings).to_be_focused()
    kent.ended()
    assert Backend(site.url, "kent").messages(kent.session)[-1]["status"] == "completed"


def test_the_settings_of_an_ended_session_can_still_be_read(site: Served, window: Window) -> None:
    image = opened(site, "enno")
    Backend(site.url, "enno").call("mutation", "chat:endSession", sessionId=image["sessionId"])
    page = Reader(window(), site.url, "enno").sign_in(f"#/s/{image['sessionId']}").page
    page.get_by_role("link", name="Settings of this session").click()
    expect(dialog(page)).to_contain_text("Answer as a sailor.")


def test_a_message_shows_the_images_that_were_sent_with_it(site: Served, window: Window) -> None:
    image = opened(site, "ines")
    Backend(site.url, "ines").call(
        "mutation", "images:send", imageId=image["imageId"], content="/say Two dots.", options={"images": [PIXEL, PIXEL]}
    )
    ines = Reader(window(), site.url, "ines").sign_in(f"#/s/{image['sessionId']}")
    ines.ended()
    images = ines.page.get_by_role("list", name="2 images")
    expect(images.get_by_role("listitem")).to_have_count(2)
    expect(images.get_by_role("listitem").first).to_contain_text("PNG image, 72 bytes")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_serious_in_the_settings(site: Served, window: Window, theme: str, size: dict[str, int]) -> None:
    owner = f"axi-{theme}-{size['width']}"
    image = opened(site, owner, systemPrompt="Answer as a sailor would. " * 80, mcpServers=SEARCH)
    backend = Backend(site.url, owner)
    backend.call("mutation", "images:send", imageId=image["imageId"], content="And this?", options={"images": [PIXEL]})
    page = window(viewport=size, color_scheme=theme)
    Reader(page, site.url, owner).sign_in(f"#/s/{image['sessionId']}")
    page.get_by_role("list", name="1 image").wait_for()
    assert findings(page) == []
    page.get_by_role("link", name="Settings of this session").click()
    page.get_by_text("https://search.example.org/mcp").wait_for()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    page.get_by_role("button", name="New session with other settings").click()
    dialog(page).get_by_label("Name of server 1").fill("promptx")
    page.get_by_role("button", name="Start session").click()
    dialog(page).get_by_role("alert").wait_for()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
