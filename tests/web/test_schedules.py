"""Schedules in the page: made, judged while they are typed, run, switched, changed, deleted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader
from tests.web.test_access import DESKTOP, PHONE, findings

NEVER = "0 0 1 1 *"
"""Due at New Year only."""


def made(server: Served, owner: str, **told: Any) -> str:
    """A schedule that is there already; its id."""
    defaults = {"name": "Digest", "prompt": "/say Nothing new.", "schedule": NEVER}
    return str(Backend(server.url, owner).call("mutation", "schedules:create", **{**defaults, **told})["scheduleId"])


def card(page: Page, name: str) -> Any:
    return page.get_by_role("article", name=name)


def test_an_expression_is_judged_while_it_is_typed_and_its_next_run_is_told_in_local_time(site: Served, window: Window) -> None:
    page = window(locale="en-GB", timezone_id="Asia/Tokyo")
    cora = Reader(page, site.url, "cora").sign_in("#/schedules")
    expect(page.get_by_text("A schedule asks the assistant something by the clock")).to_be_visible()
    page.get_by_role("link", name="New schedule").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("New Year")
    page.get_by_label("Prompt").fill("/say A good year to you.")
    field = page.get_by_label("Cron expression")
    field.fill("0 0 1 *")
    expect(page.get_by_role("status").filter(has_text="is no cron expression of five fields")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill(NEVER)
    expect(page.get_by_text(re.compile(r"Next run: .*1 Jan.*9:00, your time"))).to_be_visible()
    expect(field).not_to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Create").click()
    expect(card(page, "New Year")).to_contain_text(re.compile(r"Next run.*1 Jan.*9:00"))
    expect(card(page, "New Year")).to_contain_text("Not yet")
    stored = Backend(site.url, cora.name).call("query", "schedules:list")
    assert [(each["name"], each["schedule"], each["enabled"]) for each in stored] == [("New Year", NEVER, True)]


def test_what_the_server_refuses_stands_at_its_field(site: Served, window: Window) -> None:
    page = Reader(window(), site.url, "rita").sign_in("#/schedules/new").page
    page.get_by_label("Name", exact=True).fill("Wrong")
    page.get_by_label("Prompt").fill("Anything")
    page.get_by_label("Cron expression").fill("61 * * * *")
    page.get_by_role("button", name="Create").click()  # whether or not the verdict is there yet
    expect(page.get_by_role("status").filter(has_text="is no cron expression")).to_be_visible()
    expect(page.get_by_role("form", name="New schedule")).to_be_visible()
    assert Backend(site.url, "rita").call("query", "schedules:list") == []


def test_a_run_is_started_by_hand_stopped_and_leads_to_its_conversation(site: Served, window: Window) -> None:
    made(site, "eleanor", prompt="/pace 2\nWrite about tides in 300 words")
    one = Reader(window(), site.url, "eleanor").sign_in("#/schedules")
    two = Reader(window(), site.url, "eleanor").sign_in("#/schedules")
    card(one.page, "Digest").get_by_role("button", name="Run now").click()
    expect(card(two.page, "Digest").locator(".runs .state")).to_have_text("Runs")
    expect(card(two.page, "Digest").get_by_role("button", name="Run now")).to_have_count(0)
    card(two.page, "Digest").get_by_role("button", name="Stop").click()
    expect(card(one.page, "Digest").locator(".runs .state")).to_have_text("Stopped")
    expect(card(one.page, "Digest")).not_to_contain_text("Not yet")
    card(one.page, "Digest").get_by_role("link", name="By hand").click()
    expect(one.replies.last).to_contain_text("Stopped. What was written stays.")
    expect(one.page.get_by_role("heading", name="Digest", level=1)).to_be_visible()


def test_a_failed_run_says_why_and_older_runs_are_folded(site: Served, window: Window) -> None:
    schedule = made(site, "olaf", prompt="/fail overloaded\nNews?")
    backend = Backend(site.url, "olaf")
    page = Reader(window(), site.url, "olaf").sign_in("#/schedules").page
    for number in range(1, 7):
        card(page, "Digest").get_by_role("button", name="Run now").click()
        expect(card(page, "Digest").locator(".runs [data-state=failed]")).to_have_count(min(number, 5), timeout=20_000)
        expect(card(page, "Digest").get_by_role("button", name="Run now")).to_be_visible(timeout=20_000)
    expect(card(page, "Digest").locator(".runs li").first).to_contain_text("The model is overloaded right now.")
    card(page, "Digest").get_by_role("button", name="Show 1 older run").click()
    expect(card(page, "Digest").locator(".runs li")).to_have_count(6)
    assert len(backend.call("query", "schedules:runs", scheduleId=schedule)) == 6


def test_a_schedule_is_switched_off_changed_and_deleted(site: Served, window: Window) -> None:
    made(site, "sven")
    backend = Backend(site.url, "sven")
    page = Reader(window(), site.url, "sven").sign_in("#/schedules").page
    switch = page.get_by_role("switch", name="Digest is switched on")
    expect(switch).to_be_checked()
    switch.click()
    expect(card(page, "Digest")).to_contain_text("None while it is switched off")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(card(page, "Digest")).to_contain_text(re.compile(r"Next run.*Jan"))
    card(page, "Digest").get_by_role("link", name="Edit").click()
    page.get_by_label("Prompt").fill("/say Changed.")
    page.get_by_label("Cron expression").fill("30 6 * * SUN")
    page.get_by_role("button", name="Save").click()
    expect(card(page, "Digest").get_by_role("link", name="Edit")).to_be_focused()
    expect(card(page, "Digest")).to_contain_text("/say Changed.")
    expect(card(page, "Digest")).to_contain_text("30 6 * * SUN")
    page.get_by_role("button", name="Delete Digest").click()
    asked = page.get_by_role("dialog", name="Delete the schedule “Digest”?")
    expect(asked).to_contain_text("The sessions that it started stay.")
    asked.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("button", name="Delete Digest")).to_be_focused()
    assert len(backend.call("query", "schedules:list")) == 1, "who does not confirm keeps it"
    page.get_by_role("button", name="Delete Digest").click()
    asked.get_by_role("button", name="Delete").click()
    expect(card(page, "Digest")).to_have_count(0)
    assert backend.call("query", "schedules:list") == []


def test_a_reload_keeps_the_list_and_the_form_that_was_open(site: Served, window: Window) -> None:
    schedule = made(site, "ruth")
    ruth = Reader(window(), site.url, "ruth").sign_in("#/schedules")
    ruth.page.reload()
    expect(card(ruth.page, "Digest")).to_be_visible()
    card(ruth.page, "Digest").get_by_role("link", name="Edit").click()
    ruth.page.reload()
    expect(ruth.page.get_by_role("form", name="Edit Digest")).to_be_visible()
    assert ruth.page.url.endswith(f"#/schedules/{schedule}")
    ruth.page.go_back()
    expect(card(ruth.page, "Digest")).to_be_visible()


def test_the_keyboard_makes_and_runs_a_schedule(site: Served, window: Window) -> None:
    page = Reader(window(), site.url, "kara").sign_in("#/schedules").page
    page.get_by_role("link", name="New schedule").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Keys")
    for text in ("/say Typed.", NEVER):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(card(page, "Keys")).to_be_visible()
    expect(page.get_by_role("link", name="New schedule")).to_be_focused()
    switch = page.get_by_role("switch", name="Keys is switched on")
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).not_to_be_checked()
    page.keyboard.press("Tab")
    expect(card(page, "Keys").get_by_role("button", name="Run now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card(page, "Keys").locator(".runs .state")).to_have_text("Completed", timeout=20_000)


def test_nobody_sees_the_schedules_of_others(site: Served, window: Window) -> None:
    schedule = made(site, "owen")
    page = Reader(window(), site.url, "eve").sign_in(f"#/schedules/{schedule}").page
    expect(page.get_by_text("A schedule asks the assistant something by the clock")).to_be_visible()
    expect(page.get_by_role("form")).to_have_count(0)
    expect(page.get_by_role("article")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_serious_among_schedules(site: Served, window: Window, theme: str, size: dict[str, int]) -> None:
    owner = f"axs-{theme}-{size['width']}"
    failing = made(site, owner, name="Failing", prompt="/fail overloaded\n" + "A long prompt. " * 40)
    made(site, owner, name="A schedule of a very long name that goes on " * 2, enabled=False)
    Backend(site.url, owner).call("mutation", "schedules:runNow", scheduleId=failing)
    page = window(viewport=size, color_scheme=theme)
    Reader(page, site.url, owner).sign_in("#/schedules")
    page.get_by_text("The model is overloaded right now.").wait_for(timeout=20_000)
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Cron expression").fill("every day")
    page.get_by_text("is no cron expression").wait_for()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
