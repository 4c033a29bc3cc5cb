"""Machines in the page: a worker is taken in by its code, answers a chat, asks for permission, goes and is revoked."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader

OPTIONS = [
    {"optionId": "once", "kind": "allow_once", "name": "Allow"},
    {"optionId": "always", "kind": "allow_always", "name": "Always"},
    {"optionId": "no", "kind": "reject_once", "name": "No"},
]


CHANGE = "--- a/poem.txt\n+++ b/poem.txt\n@@ -1 +1 @@\n-roses are blue\n+roses are red"


class Worker:
    """A worker as its own program would speak: over HTTP, with its own token."""

    def __init__(self, url: str, owner: str) -> None:
        self.url, self.instance = url, f"instance-{uuid.uuid4().hex[:8]}"
        name = uuid.uuid4().hex[:10]
        asked = {"machineId": f"machine-{name}", "machineName": f"{owner}'s laptop", "os": "Linux", "workerId": f"worker-{name}"}
        asked |= {"name": "main", "dirs": ["/srv/code"], "agents": [{"kind": "opencode", "version": "1.18.33"}], "capacity": 2}
        told = self._post("/worker/enrol", asked)
        self.code, self.token = told["code"], told["token"]

    def _post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def connect(self) -> Worker:
        """Get access."""
        told = self._post("/worker/token", {"token": self.token, "instance": self.instance})
        self.backend = Backend(self.url, "", token=told["accessToken"])
        return self

    def work(self, reader: Reader) -> Any:
        """Its first reply to write, claimed, once the server has what the reader sent."""
        expect(reader.page.locator(".user[data-pending]")).to_have_count(0)
        (found, *_) = self.backend.call("query", "work:assigned")["work"]
        claimed = self.backend.call("mutation", "work:claim", messageId=found["messageId"], instance=self.instance)
        return {**found, **claimed}

    def write(self, work: Any, sequence: int, chunk: str = "", part: Any = None) -> None:
        """Write a piece of a reply."""
        told = {"sessionId": work["sessionId"], "messageId": work["messageId"], "epoch": work["epoch"]}
        more = {} if part is None else {"part": part}
        self.backend.call("mutation", "chat:writeChunk", chunk=chunk, sequence=sequence, **told, **more)

    def ask(self, work: Any, call: str = "t1") -> Any:
        """Ask for permission to run a command."""
        told = {"tool": "bash", "title": "rm -r build", "input": {"command": "rm -r build"}, "options": OPTIONS}
        return self.backend.call(
            "mutation", "permissions:ask", messageId=work["messageId"], epoch=work["epoch"], toolCallId=call, **told
        )


def taken_in(site: Served, reader: Reader, owner: str) -> Worker:
    """A worker that was taken in through the page."""
    worker, page = Worker(site.url, owner), reader.page
    page.get_by_role("link", name="Machines").click()
    page.get_by_role("button", name="Take in a worker").click()
    page.get_by_label("Code").fill(worker.code.lower())
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("heading", name=f"{owner}'s laptop asks to be taken in")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    # The machine is shown a commit before its code is good for anything: the form is there until it is.
    expect(page.get_by_role("heading", name="asks to be taken in")).to_have_count(0)
    expect(page.get_by_role("article", name=f"{owner}'s laptop")).to_contain_text("Offline")
    return worker.connect()


def test_a_worker_is_taken_in_answers_asks_and_is_revoked(either: Served, window: Window) -> None:
    owner = f"ada{uuid.uuid4().hex[:5]}"
    ada = Reader(window(), either.url, owner).sign_in("#/machines")
    page = ada.page
    worker = taken_in(either, ada, owner)
    card = page.get_by_role("article", name=f"{owner}'s laptop")
    expect(card).to_contain_text("Online")
    card.get_by_role("link", name="New chat").click()
    page.get_by_label("Folder").fill("/srv/code/site")
    page.get_by_role("button", name="Start").click()
    ada.ask("Clean up")
    expect(page.get_by_text("Thinking")).to_be_visible()
    work = worker.work(ada)
    assert (work["directory"], work["agent"], work["question"]) == ("/srv/code/site", "opencode", "Clean up")
    worker.write(work, 0, "I look first. ")
    worker.write(work, 1, part={"type": "tool_call", "id": "t1", "name": "bash", "title": "ls build", "input": {"command": "ls"}})
    expect(page.locator(".tool")).to_contain_text("ls build")
    expect(page.locator(".tool")).to_have_attribute("data-state", "running")
    worker.write(work, 2, part={"type": "tool_result", "id": "t1", "content": "a.o", "diff": CHANGE})
    expect(page.locator(".tool")).to_have_attribute("data-state", "done")
    page.locator(".tool summary").click()
    for kind, line in (("place", "@@ -1 +1 @@"), ("removed", "-roses are blue"), ("added", "+roses are red")):
        expect(page.locator(f'.tool [data-line="{kind}"]')).to_have_text(line)
    worker.ask(work)
    asking = page.get_by_role("region", name="The agent asks: rm -r build")
    asking.get_by_text("Everything that it is given").click()
    expect(asking).to_contain_text('"command": "rm -r build"')
    asking.get_by_role("button", name="Allow once").click()
    expect(asking).to_have_count(0)
    assert worker.backend.call("query", "permissions:pending")[0]["optionId"] == "once"
    worker.write(work, 3, "Done.")
    told = {"sessionId": work["sessionId"], "messageId": work["messageId"], "epoch": work["epoch"]}
    worker.backend.call("mutation", "chat:completeMessage", content="I look first. Done.", **told)
    ada.ended()
    page.get_by_role("link", name="Machines").click()
    card.get_by_role("button", name="Revoke main").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(card).to_contain_text("Revoked")


def test_a_machine_gets_another_name_and_an_empty_one_is_none(site: Served, window: Window) -> None:
    owner = f"ren{uuid.uuid4().hex[:5]}"
    ren = Reader(window(), site.url, owner).sign_in("#/machines")
    taken_in(site, ren, owner)
    page = ren.page
    page.get_by_role("button", name=f"Rename {owner}'s laptop").click()
    page.get_by_label("Name of the machine").fill("  ")
    expect(page.get_by_role("button", name="Rename", exact=True)).to_be_disabled()
    page.get_by_label("Name of the machine").fill("The attic")
    page.get_by_label("Name of the machine").press("Enter")
    expect(page.get_by_role("article", name="The attic")).to_be_visible()
    expect(page.get_by_label("Name of the machine")).to_have_count(0)
    page.get_by_role("button", name="Rename The attic").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("article", name="The attic")).to_be_visible()


def test_a_machine_that_goes_is_said_where_one_writes(site: Served, window: Window) -> None:
    bob = Reader(window(), site.url, "bob-m").sign_in("#/machines")
    worker = taken_in(site, bob, "bob-m")
    bob.page.get_by_role("article", name="bob-m's laptop").get_by_role("link", name="New chat").click()
    bob.page.get_by_role("button", name="Start").click()
    bob.ask("hello")
    worker.backend.call("mutation", "workers:goOffline", instance=worker.instance)
    expect(bob.page.get_by_text("bob-m's laptop is offline")).to_be_visible()
    expect(bob.page.get_by_text("Your messages wait until it is back")).to_be_visible()
    worker.connect()
    expect(bob.page.get_by_text("is offline")).to_have_count(0)
    work = worker.work(bob)
    worker.backend.call(
        "mutation", "work:fail", messageId=work["messageId"], epoch=1, code="agent_crashed", text="it ended with 137"
    )
    expect(bob.replies.last).to_contain_text("it ended with 137")
    expect(bob.replies.last).to_contain_text("The agent on the machine ended in the middle")


def test_a_code_that_is_none_is_said(site: Served, window: Window) -> None:
    eve = Reader(window(), site.url, "eve-m").sign_in("#/machines")
    eve.page.get_by_role("button", name="Take in a worker").click()
    eve.page.get_by_label("Code").fill("BCDF-GHJK")
    eve.page.get_by_role("button", name="Look").click()
    expect(eve.page.get_by_role("alert")).to_contain_text("There is no worker that shows this code")


def test_a_question_of_a_chat_that_is_not_open_leads_to_it_and_what_it_came_to_stays(site: Served, window: Window) -> None:
    gil = Reader(window(), site.url, "gil-m").sign_in("#/machines")
    worker, page = taken_in(site, gil, "gil-m"), gil.page
    gil.new()
    page.get_by_role("link", name="gil-m's laptop · main").click()
    page.get_by_role("button", name="Start").click()
    gil.ask("hello")
    work = worker.work(gil)
    gil.new()
    worker.ask(work)
    page.get_by_role("region", name="Needs your decision").get_by_role("link", name="rm -r build").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("bash: denied by gil-m.")).to_be_visible()  # else the reply may end before the answer is there
    told = {"sessionId": work["sessionId"], "messageId": work["messageId"], "epoch": work["epoch"]}
    worker.backend.call("mutation", "chat:completeMessage", content="Then not.", **told)
    gil.ended()
    expect(page.get_by_text("bash: denied by gil-m.")).to_be_visible()
    expect(page.get_by_role("region", name="Needs your decision")).to_have_count(0)


def test_a_denial_that_comes_too_late_is_said(site: Served, window: Window) -> None:
    ivy = Reader(window(), site.url, "ivy-m").sign_in("#/machines")
    worker = Worker(site.url, "ivy-m")
    ivy.page.get_by_role("button", name="Take in a worker").click()
    ivy.page.get_by_label("Code").fill(worker.code)
    ivy.page.get_by_role("button", name="Look").click()
    expect(ivy.page.get_by_role("button", name="Deny it")).to_be_visible()
    Backend(site.url, "ivy-m").call("action", "workers:approve", code=worker.code)
    ivy.page.get_by_role("button", name="Deny it").click()
    expect(ivy.page.get_by_role("alert")).to_contain_text("There is no worker that shows this code")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wrong_for_whoever_hears_the_page(site: Served, window: Window, width: int) -> None:
    axe = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
    owner = f"axe{width}"
    reader = Reader(window(), site.url, owner).sign_in("#/machines")
    worker = taken_in(site, reader, owner)
    page = reader.page
    page.set_viewport_size({"width": width, "height": 844})

    def clean() -> None:
        page.evaluate(axe.read_text())
        found = page.evaluate("axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, nodes[0].html]))")
        assert found == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    clean()
    page.get_by_role("article", name=f"{owner}'s laptop").get_by_role("link", name="New chat").click()
    expect(page.get_by_label("Folder")).to_be_visible()
    clean()
    page.get_by_role("button", name="Start").click()
    reader.ask("hello")
    work = worker.work(reader)
    worker.write(work, 0, part={"type": "tool_call", "id": "t1", "name": "bash", "title": "ls " + "x" * 300, "input": {"c": 1}})
    worker.ask(work)
    expect(page.get_by_role("button", name="Allow once")).to_be_visible()
    clean()


def test_a_worker_that_was_denied_is_told(site: Served, window: Window) -> None:
    dan = Reader(window(), site.url, "dan-m").sign_in("#/machines")
    worker = Worker(site.url, "dan-m")
    dan.page.get_by_role("button", name="Take in a worker").click()
    dan.page.get_by_label("Code").fill(worker.code)
    dan.page.get_by_role("button", name="Look").click()
    dan.page.get_by_role("button", name="Deny it").click()
    expect(dan.page.get_by_role("button", name="Approve")).to_have_count(0)
    with pytest.raises(urllib.error.HTTPError) as refused:
        worker.connect()
    assert json.load(refused.value)["code"] == "EnrolmentDenied"
