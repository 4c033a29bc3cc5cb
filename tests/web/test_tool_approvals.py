"""In the page: a tool of the model's own reply asks, its card outlives a reload, and what was decided is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.tool_server import ToolServer
from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader


@pytest.fixture(scope="module")
def tools() -> Iterator[ToolServer]:
    with ToolServer() as running:
        yield running


@pytest.fixture(scope="module")
def asking(built: Path, tools: ToolServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that may use these tools."""
    server = Served(tmp_path_factory.mktemp("asking") / "data", MCP_HOSTS=tools.origin, SWEEP_SECONDS="0.5")
    yield server
    server.stop()


def opened(server: Served, tools: ToolServer, window: Window, owner: str) -> Reader:
    """Somebody's page, at a conversation with these tools."""
    config = {"mcpServers": {"tools": {"url": tools.url, "requireApproval": "always"}}}
    record = Backend(server.url, owner).call("mutation", "images:create", config=config)["record"]
    return Reader(window(), server.url, owner).sign_in(f"#/s/{record['sessionId']}")


def test_a_tool_of_the_models_asks_and_is_used_when_it_is_allowed(asking: Served, tools: ToolServer, window: Window) -> None:
    ada = opened(asking, tools, window, "ada-t")
    page = ada.page
    ada.ask('/use tools__find {"words": "a bridge"}')
    card = page.get_by_role("region", name="The agent asks: find of tools")
    expect(card).to_be_visible()
    expect(page.locator(".tool")).to_have_attribute("data-state", "running")
    page.reload()
    card.get_by_text("Everything that it is given").click()
    expect(card).to_contain_text('"words": "a bridge"')
    assert tools.calls == []
    card.get_by_role("button", name="Allow once").click()
    expect(card).to_have_count(0)
    ada.ended()
    expect(page.locator(".tool")).to_have_attribute("data-state", "done")
    expect(ada.replies.last).to_contain_text("The tool answered: found a bridge")
    assert tools.calls == [("find", "a bridge")]


def test_a_tool_that_is_denied_is_shown_as_failed_and_the_reply_goes_on(
    asking: Served, tools: ToolServer, window: Window
) -> None:
    eve = opened(asking, tools, window, "eve-t")
    before = list(tools.calls)
    eve.ask('/use tools__note {"text": "secret"}')
    eve.page.get_by_role("region", name="The agent asks: note of tools").get_by_role("button", name="Deny").click()
    eve.ended()
    expect(eve.page.locator(".tool")).to_have_attribute("data-state", "failed")
    expect(eve.page.get_by_text("note: denied by eve-t.")).to_be_visible()
    assert tools.calls == before


def test_a_reply_that_is_stopped_while_it_asks_shows_its_tool_as_not_finished(
    asking: Served, tools: ToolServer, window: Window
) -> None:
    dan = opened(asking, tools, window, "dan-t")
    before = list(tools.calls)
    dan.ask('/use tools__note {"text": "later"}')
    card = dan.page.get_by_role("region", name="The agent asks: note of tools")
    expect(card).to_be_visible()
    dan.page.get_by_role("button", name="Stop").click()
    dan.ended()
    expect(card).to_have_count(0)
    expect(dan.page.locator(".tool")).to_have_attribute("data-state", "stopped")
    assert tools.calls == before


def test_another_session_with_other_settings_keeps_who_is_asked(asking: Served, tools: ToolServer, window: Window) -> None:
    bea = opened(asking, tools, window, "bea-t")
    page, backend, before = bea.page, Backend(asking.url, "bea-t"), bea.session
    page.goto(f"{asking.url}/#/s/{before}/settings")
    page.get_by_role("button", name="New session with other settings").click()
    expect(page.get_by_label("Approval of server 1")).to_have_value("always")
    page.get_by_role("button", name="Start session").click()
    page.wait_for_function("before => !location.hash.includes(before)", arg=before)
    begun = backend.call(
        "query", "images:get", imageId=backend.call("query", "chat:getSession", sessionId=bea.session)["imageId"]
    )
    assert [each["requireApproval"] for each in begun["mcpServers"]] == ["always"]
