"""What the dashboard tells of calls and of the model: statistics, a call found by its Request ID, replies and their costs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chalicelib.domain.conversations.opening import DEFAULT_MODEL
from tests.support.official import post
from tests.walk.server import ROOT, Served
from tests.web.conftest import Window
from tests.web.test_dashboard import asked, operated, shown, tasks

CRASH = """
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
const client = new ConvexClient(process.argv[1], { logger: false });
await client.mutation(anyApi.scenarios.crash, {}).catch((error) => console.log(error.message));
await client.close();
"""


@pytest.fixture(scope="module")
def priced(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that knows what its model costs, and has a function that fails."""
    server = Served(
        tmp_path_factory.mktemp("priced") / "data",
        CONCAVE_APPS="chalicelib.functions,tests.apps.scenarios",
        MODEL_PRICES=json.dumps({DEFAULT_MODEL: {"input": 3, "output": 15}}),
        MODEL_FAILURES="1",
        SWEEP_SECONDS="0.5",
    )
    yield server
    server.stop()


def replied(served: Served, org: str, content: str) -> None:
    """A message of alice, whose reply is asked for."""
    token = f"Bearer {post(served.url, '/dev/token', {'subject': 'alice', 'org': org})['token']}"
    made = asked(served, "/api/mutation", {"path": "chat:startSession", "args": {}}, token)["value"]
    asked(served, "/api/mutation", {"path": "chat:sendMessage", "args": {"sessionId": made, "content": content}}, token)


def test_what_raises_is_found_in_the_logs_by_what_the_npm_client_was_told(priced: Served, window: Window) -> None:
    command = ["node", "--input-type=module", "-e", CRASH, priced.url]
    ran = subprocess.run(command, cwd=ROOT / "tests" / "clients", capture_output=True, text=True, timeout=60)
    told = ran.stdout.splitlines()[0]
    request = re.search(r"Request ID: ([0-9a-f]+)", told)
    assert request is not None, ran.stdout + ran.stderr
    page = operated(priced, window)
    expect(page.get_by_role("region", name="The last error")).to_contain_text("boom")
    shown(page, "dash-logs", "logs")
    page.get_by_label("Function or Request ID").fill(told)  # pasted as it stands in the browser's console
    calls = page.get_by_role("region", name="Calls")
    expect(calls.get_by_text(request[1], exact=True)).to_be_visible()
    expect(calls.get_by_text(re.compile("Traceback.*ValueError: boom", re.DOTALL))).to_be_visible()


def test_the_last_hour_of_a_function_is_counted(site: Served, window: Window) -> None:
    tasks(site, "dash-hour", "one", "two")
    page = operated(site, window)
    shown(page, "dash-hour", "functions")
    hour = page.get_by_role("region", name="The last hour")
    hour.get_by_role("link", name="tasks:create").click()
    told = page.get_by_role("group", name="The last hour")
    expect(told).to_contain_text("write units")
    before = int(told.locator("b").first.inner_text().replace(",", ""))
    tasks(site, "dash-hour", "three")
    expect(told.locator("b").first).to_have_text(f"{before + 1:,}")  # asked again, while it is looked at


def test_replies_are_shown_with_tokens_and_cost_and_a_circuit_that_opens(priced: Served, window: Window) -> None:
    page = operated(priced, window)
    shown(page, "dash-chats", "chats")
    expect(page.get_by_text("This process has asked no model yet.")).to_be_visible()
    replied(priced, "dash-chats", "hello")
    models = page.get_by_role("region", name="Models")
    expect(models.get_by_role("row", name=DEFAULT_MODEL)).to_contain_text("$", timeout=20_000)
    row = page.get_by_role("region", name="Replies").get_by_role("row").nth(1)
    expect(row).to_contain_text("completed")
    expect(page.get_by_role("listitem").filter(has_text="answers")).to_be_visible()
    replied(priced, "dash-chats", "/fail overloaded")
    expect(page.get_by_text("is left alone for half a minute")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("region", name="Replies")).to_contain_text("overloaded")
    shown(page, "dash-chats", "home")
    tokens = page.get_by_role("link", name=re.compile("Tokens today"))
    expect(tokens).not_to_contain_text(re.compile(r"today\s*0$"))
    tokens.click()
    expect(page.get_by_role("heading", name="Chats")).to_be_visible()


def test_the_rest_interface_is_listed_and_can_be_tried(site: Served, window: Window) -> None:
    page = operated(site, window)
    shown(page, "dash-api", "api")
    page.get_by_label("Find an operation").fill("conversations")
    expect(page.get_by_text("/conversations").first).to_be_visible()
    page.get_by_role("link", name="Try it in the browser").click()
    expect(page.get_by_role("heading", name="The REST door")).to_be_visible()
