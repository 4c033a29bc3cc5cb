"""A task in the page from its beginning to its end: described, worked at by each agent, stopped, complete, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader


def card(page: Page, title: str) -> Any:
    return page.get_by_role("article", name=title)


def test_a_description_reaches_the_agent(site: Served, window: Window) -> None:
    tove = Reader(window(), site.url, "tove").sign_in("#/tasks")
    tove.page.get_by_label("What is to be done").fill("A bridge")
    tove.page.get_by_label("What the agents have to know about it").fill("/say Of wood.")
    tove.page.get_by_role("button", name="Add").click()
    expect(card(tove.page, "A bridge")).to_contain_text("/say Of wood.")
    expect(tove.page.get_by_label("What the agents have to know about it")).to_have_count(0)
    card(tove.page, "A bridge").get_by_role("button", name="Plan").click()
    expect(card(tove.page, "A bridge").locator(".runs .state")).to_have_text("Completed", timeout=20_000)
    card(tove.page, "A bridge").get_by_role("link", name="Plan").click()
    expect(tove.replies.last).to_contain_text("Of wood.")


@pytest.mark.parametrize("name", ["Plan", "Implement", "Review"])
def test_each_agent_is_started_and_stopped_and_nothing_follows_it(site: Served, window: Window, name: str) -> None:
    owner = f"each-{name.lower()}"
    backend = Backend(site.url, owner)
    task = backend.call("mutation", "tasks:create", title="Slowly", description="/pace 2\nWrite 300 words")["taskId"]
    page = Reader(window(), site.url, owner).sign_in("#/tasks").page
    card(page, "Slowly").get_by_role("button", name=name).click()
    run = card(page, "Slowly").locator(".runs li")
    expect(run.get_by_role("link", name=name)).to_be_visible()
    expect(run.locator(".state")).to_have_text("Runs")
    card(page, "Slowly").get_by_role("button", name="Stop").click()
    expect(run.locator(".state")).to_have_text("Stopped")
    expect(card(page, "Slowly").get_by_role("button", name=name)).to_be_visible()
    assert [each["state"] for each in backend.call("query", "tasks:runs", taskId=task)] == ["aborted"]


def test_a_failed_run_says_why_in_words(site: Served, window: Window) -> None:
    backend = Backend(site.url, "toni")
    task = backend.call("mutation", "tasks:create", title="Too fast")["taskId"]
    backend.call("mutation", "tasks:startRun", taskId=task, type="planification", message="/fail rate_limited")
    page = Reader(window(), site.url, "toni").sign_in("#/tasks").page
    run = card(page, "Too fast").locator(".runs li")
    expect(run.locator(".state")).to_have_text("Failed", timeout=20_000)
    expect(run).to_contain_text("Too many requests at once.")


def test_a_task_is_completed_reopened_and_deleted(site: Served, window: Window) -> None:
    backend = Backend(site.url, "tessa")
    backend.call("mutation", "tasks:create", title="A fence")
    page = Reader(window(), site.url, "tessa").sign_in("#/tasks").page
    card(page, "A fence").get_by_role("button", name="Complete").click()
    expect(card(page, "A fence")).to_contain_text("Done · workflow complete")
    card(page, "A fence").get_by_role("button", name="Reopen").click()
    expect(card(page, "A fence")).to_contain_text("In progress")
    page.get_by_role("button", name="Delete A fence").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    assert len(backend.call("query", "tasks:list")) == 1, "who does not confirm keeps it"
    page.get_by_role("button", name="Delete A fence").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card(page, "A fence")).to_have_count(0)
    assert backend.call("query", "tasks:list") == []
