"""What a person does on the page, in the words of the tests; and what the backend says, to compare with."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import Locator, Page, expect

from chalicelib.settings import Settings
from infra.local.issuer import DevIssuer
from tests.walk.server import Served

WATCH = """
window.seen = [];
new MutationObserver(() => {
  const last = [...document.querySelectorAll('main:not([hidden]) .reply .prose')].at(-1);
  if (last && window.seen.at(-1) !== last.textContent) window.seen.push(last.textContent);
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
"""Keeps every state of the newest reply that was on the screen."""


def flat(text: str) -> str:
    """Without white space, which Markdown is free to change."""
    return re.sub(r"\s+", "", text)


class Backend:
    """The HTTP door, as one person."""

    def __init__(self, url: str, subject: str, org: str = "acme", token: str | None = None) -> None:
        self.url = url
        self.token: str = token or self._post("/dev/token", {"subject": subject, "org": org})["token"]

    def _post(self, path: str, body: Any, **headers: str) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def call(self, kind: str, path: str, **args: Any) -> Any:
        """A query or mutation; its value."""
        told = self._post(f"/api/{kind}", {"path": path, "args": args}, Authorization=f"Bearer {self.token}")
        assert told["status"] == "success", told
        return told["value"]

    def messages(self, session: str) -> list[dict[str, Any]]:
        """The newest 200 messages of a session, oldest first."""
        found: list[dict[str, Any]] = self.call("query", "chat:getMessages", sessionId=session, limit=200)
        return found


def worker(server: Served, name: str) -> Backend:
    """A worker, with a token as the service would give it, signed with the development issuer's key."""
    issuer = DevIssuer(Settings(data_dir=server.folder))
    return Backend(server.url, name, token=issuer.token(name, "acme", roles=["worker"]))


class Reader:
    """One person at one page.

    Args:
        page: the browser's tab.
        url: where the page is served.
        name: who signs in.
    """

    def __init__(self, page: Page, url: str, name: str = "alice") -> None:
        self.page, self.url, self.name = page, url, name
        page.add_init_script(WATCH)

    def sign_in(self, address: str = "") -> Reader:
        """Open the page (at an address within it) and sign in."""
        self.page.goto(f"{self.url}/{address}")
        self.page.get_by_label("Name").fill(self.name)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.state("Live")
        return self

    def state(self, word: str, seconds: float = 20) -> None:
        """Wait for a state of the connection to be shown."""
        expect(self.page.locator(".connection:visible").first).to_have_text(word, timeout=seconds * 1000)

    @property
    def box(self) -> Locator:
        """Where messages are written."""
        return self.page.get_by_role("textbox", name="Message")

    @property
    def replies(self) -> Locator:
        """The replies on the screen."""
        return self.page.locator("main:not([hidden]) .reply")

    @property
    def shown(self) -> str:
        """The newest reply's text."""
        return self.replies.last.locator(".prose").last.text_content() or ""

    @property
    def session(self) -> str:
        """The id in the address."""
        self.page.wait_for_url(re.compile(r"#/s/"))
        return self.page.url.rsplit("/", 1)[1]

    def new(self) -> None:
        """Leave for a session that has not begun."""
        self.page.get_by_role("link", name="New session").click()
        self.page.get_by_role("heading", name="What would you like to know?").wait_for()

    def ask(self, text: str) -> None:
        """Write a message and send it by Enter."""
        self.box.fill(text)
        self.box.press("Enter")

    def sees(self, characters: int) -> None:
        """Wait until the newest reply has grown to so many characters."""
        self.page.wait_for_function(
            "n => [...document.querySelectorAll('main:not([hidden]) .reply .prose')].at(-1)?.textContent.length >= n",
            arg=characters,
            timeout=20000,
        )

    def ended(self, count: int = 1, seconds: float = 40) -> None:
        """Wait until so many replies are there and the newest has ended."""
        expect(self.replies).to_have_count(count, timeout=seconds * 1000)
        expect(self.replies.last).to_have_attribute("aria-busy", "false", timeout=seconds * 1000)

    def agrees_with(self, backend: Backend) -> str:
        """Every state of the newest reply that was shown is a beginning of the stored text; the last is all of it."""
        content: str = backend.messages(self.session)[-1]["content"]
        states = [flat(each) for each in self.page.evaluate("window.seen")]
        # The tab may have shown earlier replies too: what counts is this one's.
        own = [each for each in states if flat(content).startswith(each)]
        assert own, states
        assert states[-1] == flat(content)
        return content
