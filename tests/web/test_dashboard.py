"""The dashboard in a browser, as an operator uses it: on SQLite and on the DynamoDB engine."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from chalicelib.runtime.operators import mint
from tests.support.official import post
from tests.walk.server import Served
from tests.web.conftest import WEB, Window


def operated(served: Served, window: Window, role: Any = "edit", **shape: Any) -> Page:
    """A browser that an operator's link has opened."""
    key = mint((served.folder / "operator.key").read_text(), "edit")
    path = asked(served, "/_/link", {"role": role}, f"Convex {key}")["path"]
    page = window(**shape)
    page.goto(f"{served.url}{path}")
    expect(page.get_by_role("heading", name="Your backend runs.")).to_be_visible()
    return page


def asked(served: Served, path: str, body: Any, authorization: str) -> Any:
    """What the server answers."""
    data = json.dumps(body).encode()
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(served.url + path, data, headers, method="POST")) as answer:
        return json.load(answer)


def tasks(served: Served, org: str, *titles: str) -> None:
    """Tasks of alice."""
    token = post(served.url, "/dev/token", {"subject": "alice", "org": org})["token"]
    for title in titles:
        asked(served, "/api/mutation", {"path": "tasks:create", "args": {"title": title}}, f"Bearer {token}")


def shown(page: Page, org: str, pane: str) -> None:
    """Look at a pane, in an org."""
    page.evaluate("org => sessionStorage.setItem('org', org)", org)
    page.goto(f"{page.url.partition('#')[0]}#/{pane}")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_document_is_found_changed_removed_and_put_back(either: Served, window: Window) -> None:
    tasks(either, "dash1", "one", "two")
    page = operated(either, window)
    shown(page, "dash1", "data/tasks")
    documents = page.get_by_role("region", name="Documents").get_by_role("row")
    expect(documents).to_have_count(3)
    page.locator("form.bar select").select_option("by_owner")
    page.get_by_role("textbox", name="owner").fill("alice")
    expect(documents).to_have_count(3)
    tasks(either, "dash1", "three")
    expect(documents).to_have_count(4)  # live: nobody asked again
    documents.nth(1).get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Edit title").click()
    dialog.get_by_label("title").fill("3")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("title")  # a number is no text
    dialog.get_by_label("title").fill('"drei"')
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("drei")).to_be_visible()
    dialog.get_by_role("button", name="Remove the document").click()
    expect(documents).to_have_count(3)
    page.get_by_role("button", name="Undo").click()
    expect(documents).to_have_count(4)
    expect(page.get_by_role("cell", name="drei")).to_be_visible()
    shown(page, "dash1", "operators")
    acts = page.get_by_role("region", name="What operators did")
    for path in ("data:restore", "data:remove", "data:patch"):
        expect(acts.get_by_text(f"_system/{path}").first).to_be_visible()


def test_whatever_is_typed_or_stands_in_the_address_a_pane_goes_on(site: Served, window: Window) -> None:
    tasks(site, "dash11", *(f"task {number}" for number in range(53)))
    page = operated(site, window)
    shown(page, "dash11", "data/tasks")
    documents = page.get_by_role("region", name="Documents").get_by_role("row")
    expect(documents).to_have_count(51)
    page.get_by_role("button", name="Next page").click()
    expect(documents).to_have_count(4)
    expect(page.get_by_text("51–53")).to_be_visible()
    page.locator("form.bar select").select_option("by_owner_status")
    page.get_by_role("textbox", name="owner").fill("7")  # a text that looks like a number
    page.get_by_role("textbox", name="status").fill("nowhere")
    expect(page.get_by_text("No documents of this org here.").or_(page.get_by_role("alert"))).to_be_visible()
    page.get_by_role("textbox", name="owner").fill("alice")
    page.get_by_role("textbox", name="status").fill("pending")
    expect(documents).to_have_count(51)
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    expect(page.get_by_role("heading", name="Data")).to_be_visible()
    shown(page, "dash11", "logs/%E0%A4%A")
    expect(page.get_by_role("heading", name="Logs")).to_be_visible()


def test_a_document_is_added_and_a_wrong_one_is_refused(site: Served, window: Window) -> None:
    page = operated(site, window)
    shown(page, "dash2", "data/domains")
    page.get_by_role("button", name="Add a document").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Its fields, as JSON").fill('{"name": 7}')
    dialog.get_by_role("button", name="Add it").click()
    expect(dialog.get_by_role("alert")).to_be_visible()


def test_a_function_is_run_and_what_it_cost_is_shown(site: Served, window: Window) -> None:
    tasks(site, "dash3", "one")
    page = operated(site, window)
    shown(page, "dash3", "functions/tasks:create")
    page.get_by_label("title").fill("by hand")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("pre.value").first).to_contain_text("by hand")
    expect(page.get_by_text("on DynamoDB about")).to_be_visible()
    shown(page, "dash3", "functions/overview:none")
    expect(page.get_by_text("Choose a function to run it.")).to_be_visible()


def test_a_subscription_shows_each_change_as_what_came_and_went(either: Served, window: Window) -> None:
    token = post(either.url, "/dev/token", {"subject": "alice", "org": "dash10"})["token"]

    def begin() -> str:
        asked(either, "/api/mutation", {"path": "chat:startSession", "args": {}}, f"Bearer {token}")
        found = asked(either, "/api/query", {"path": "conversations:list", "args": {}}, f"Bearer {token}")["value"]
        return str(found[0]["conversationId"])

    begin()
    page = operated(either, window)
    shown(page, "dash10", "functions/conversations:list")
    page.get_by_role("button", name="Subscribe").click()
    values = page.locator("pre.value")
    expect(values).to_have_count(1)
    expect(values.locator("[data-line]")).to_have_count(0)
    second = begin()
    expect(values).to_have_count(2)  # nobody asked again
    expect(values.first.locator("[data-line=added]").filter(has_text=second)).to_have_count(1)
    expect(values.first.locator("[data-line]").filter(has_text="conversationId")).to_have_count(1)
    page.get_by_role("button", name="Stop watching").click()
    third = begin()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(values.first).to_contain_text(third)
    expect(values).to_have_count(3)
    expect(values.first.locator("[data-line]")).to_have_count(0)


def test_a_call_that_failed_is_found_by_the_request_id_that_its_client_saw(site: Served, window: Window) -> None:
    token = post(site.url, "/dev/token", {"subject": "alice", "org": "dash4"})["token"]
    told = asked(site, "/api/query", {"path": "tasks:get", "args": {"taskId": 7}}, f"Bearer {token}")
    request = re.search(r"Request ID: (\w+)", told["errorMessage"])
    assert request is not None
    page = operated(site, window)
    shown(page, "dash4", f"logs/{request[1]}")
    calls = page.get_by_role("region", name="Calls")
    expect(calls.get_by_role("button", name="tasks:get")).to_be_visible()
    expect(calls.get_by_text("ArgumentValidationError")).to_be_visible()
    expect(calls.get_by_text(request[1], exact=True)).to_be_visible()


def test_a_variable_is_set_and_live(site: Served, window: Window) -> None:
    page = operated(site, window)
    shown(page, "dash5", "settings")
    page.get_by_label("Name").fill("DASH")
    page.get_by_label("Value").fill("five")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("cell", name="five", exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove DASH").click()
    expect(page.get_by_role("cell", name="five", exact=True)).to_have_count(0)
    expect(page.get_by_role("cell", name="CALLS_PER_SECOND")).to_be_visible()


def test_sockets_are_shown_with_their_queries_and_why_they_ran_again(site: Served, window: Window) -> None:
    tasks(site, "dash6", "one")
    page = operated(site, window)
    shown(page, "dash6", "data/tasks")
    page.locator("form.bar select").select_option("by_owner")
    page.get_by_role("textbox", name="owner").fill("alice")
    expect(page.get_by_role("region", name="Documents").get_by_role("row")).to_have_count(2)
    other = operated(site, window)
    shown(other, "dash6", "sync")
    expect(other.get_by_text("_system/data:documents").first).to_be_visible()
    tasks(site, "dash6", "two")
    expect(other.get_by_text(re.compile("tasks.by_owner")).first).to_be_visible()


def test_data_are_looked_over_and_an_org_is_erased_with_a_receipt(site: Served, window: Window) -> None:
    tasks(site, "dash9", "one", "two")
    page = operated(site, window)
    shown(page, "dash9", "backup")
    page.get_by_role("button", name="Compare indexes").click()
    expect(page.get_by_text("Indexes: all is well")).to_be_visible(timeout=30_000)
    erase = page.get_by_role("button", name="Erase it")
    once, again = page.get_by_label("Its name", exact=True), page.get_by_label("Its name once more")
    for name, repeated, missing in (
        ("", "", "First write its name."),
        ("dash9", "", "Write its name once more."),
        ("dash9", "dash", "The two names differ."),
    ):
        once.fill(name)
        again.fill(repeated)
        expect(erase).to_be_disabled()
        expect(erase).to_have_accessible_description(missing)
    again.fill("dash9")
    erase.click()
    expect(page.get_by_text("Erased dash9: all is well")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("status", name="What was found")).to_contain_text('"tasks":2')
    shown(page, "dash9", "data/tasks")
    expect(page.get_by_text("No documents of this org here.")).to_be_visible()


def test_who_may_only_read_sees_no_way_to_change(site: Served, window: Window) -> None:
    tasks(site, "dash7", "one")
    page = operated(site, window, role="read")
    expect(page.get_by_text("read only", exact=True)).to_be_visible()
    shown(page, "dash7", "data/tasks")
    rows = page.get_by_role("region", name="Documents").get_by_role("row")
    expect(rows).to_have_count(2)
    expect(page.get_by_role("button", name="Add a document")).to_have_count(0)
    rows.nth(1).get_by_role("button").click()
    expect(page.get_by_role("dialog").get_by_role("button", name=re.compile("Edit|Remove"))).to_have_count(0)


def test_a_browser_without_a_key_is_told_how_to_get_one(site: Served, window: Window) -> None:
    page = window()
    page.goto(f"{site.url}/_/")
    expect(page.get_by_role("heading", name="This browser has no key")).to_be_visible()
    expect(page.get_by_text("concave dashboard")).to_be_visible()


@pytest.mark.parametrize(
    "shape",
    [{}, {"viewport": {"width": 390, "height": 800}}, {"color_scheme": "dark"}],
    ids=["desktop", "phone", "dark"],
)
def test_no_pane_has_a_barrier(site: Served, window: Window, shape: dict[str, Any]) -> None:
    tasks(site, "dash8", "one")
    page = operated(site, window, **shape)
    axe = (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text()
    for pane in (
        "home",
        "data/tasks",
        "functions/tasks:create",
        "logs",
        "sync",
        "jobs",
        "operators",
        "settings",
        "backup",
        "chats",
        "functions",
        "api",
    ):
        shown(page, "dash8", pane)
        page.wait_for_load_state("networkidle")
        found = page.evaluate(
            f"async () => {{ {axe}; return (await axe.run()).violations.map(each => [each.id, each.nodes[0].html]) }}"
        )
        assert found == [], pane
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{pane} is wider than the window"
