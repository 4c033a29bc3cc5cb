"""Notifications in the page: the control's states, the worker that shows messages, the way from a message to what it is about.

A headless browser cannot reach its maker's push service, so two things stand in for it: `pushManager.subscribe` answers with a
subscription at a service on loopback, whose keys the test has; and what arrives there is handed to the worker through the
debugging protocol, as the browser would after decrypting it. The backend, its sending, the page and the worker are the real ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.support.push_service import Browser, PushService, bytes_of
from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader
from tests.web.test_access import findings

SUBSCRIBES = """
(given) => {
  const KEY = "fake.push";
  const made = ({endpoint, key}) => ({
    endpoint,
    expirationTime: null,
    options: {applicationServerKey: Uint8Array.from(key).buffer},
    toJSON: () => ({endpoint, expirationTime: null, keys: given.keys}),
    unsubscribe: async () => { localStorage.removeItem(KEY); window.ended = (window.ended ?? 0) + 1; return true; },
  });
  PushManager.prototype.getSubscription = async () => {
    const kept = localStorage.getItem(KEY);
    return kept ? made(JSON.parse(kept)) : null;
  };
  PushManager.prototype.subscribe = async ({applicationServerKey, userVisibleOnly}) => {
    if (!userVisibleOnly) throw new Error("a browser wants to show every message");
    const kept = {endpoint: given.endpoint, key: [...new Uint8Array(applicationServerKey)]};
    localStorage.setItem(KEY, JSON.stringify(kept));
    return made(kept);
  };
}
"""
"""The browser's own part: as its PushManager answers, with a subscription that outlives a reload."""
BADGES = """
Object.assign(Navigator.prototype, {
  setAppBadge: async (count) => { window.badge = count; },
  clearAppBadge: async () => { window.badge = 0; },
});
"""
COUNTS = """() => {
  self.counted = 0;
  const show = ServiceWorkerRegistration.prototype.showNotification;
  ServiceWorkerRegistration.prototype.showNotification = async function (...given) {
    await show.apply(this, given);
    self.counted += 1;
  };
}"""
"""The worker counts what it has shown."""


@pytest.fixture
def service() -> Iterator[PushService]:
    """Stands for the push service of the browser's maker."""
    with PushService() as running:
        yield running


@pytest.fixture
def site(built: Path, tmp_path: Path, service: PushService) -> Iterator[Served]:
    """A server that may reach it."""
    server = Served(tmp_path / "data", PUSH_HOSTS=service.origin)
    yield server
    server.stop()


class Subscriber(Reader):
    """Somebody whose browser has been asked for notifications before, and said yes or no."""

    def __init__(
        self, window: Window, site: Served, browser: Browser, allowed: bool = True, name: str = "nora", **more: Any
    ) -> None:
        page = window(permissions=["notifications"] if allowed else [], **more)
        super().__init__(page, site.url, name)
        self.browser = browser
        page.add_init_script(f"({SUBSCRIBES})({json.dumps(browser.subscription)})")
        page.add_init_script(BADGES)

    def control(self, state: str) -> Any:
        """The button in the sidebar, once it says this state."""
        found = self.page.get_by_role("button", name=f"Notifications: {state}")
        expect(found).to_be_visible()
        return found

    def turn_on(self) -> None:
        """Through the dialog, which is left open."""
        self.control("off").click()
        self.page.get_by_role("button", name="Turn on").click()
        expect(self.page.get_by_role("button", name="Send a test")).to_be_visible()


class Worker:
    """The page's service worker, as the browser's debugger sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url, self.registration = page, url, ""
        page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.on("ServiceWorker.workerRegistrationUpdated", self._seen)
        self.session.send("ServiceWorker.enable")
        until = time.monotonic() + 10
        while not self.registration and time.monotonic() < until:
            page.wait_for_timeout(20)
        assert self.registration, "the browser has no worker of this page"
        known = page.context.service_workers
        self.worker = known[0] if known else page.context.wait_for_event("serviceworker")
        self.worker.evaluate(COUNTS)

    def _seen(self, event: dict[str, Any]) -> None:
        self.registration = next(
            (each["registrationId"] for each in event["registrations"] if not each["isDeleted"]), self.registration
        )

    def deliver(self, data: str) -> None:
        """Hand over what a message says."""
        asked = {"origin": self.url, "registrationId": self.registration, "data": data}
        self.session.send("ServiceWorker.deliverPushMessage", asked)

    def shown(self, count: int) -> list[dict[str, Any]]:
        """The notifications of the page, once the worker has shown so many.

        They are asked for once, after that: a Chromium that is asked while it shows one takes it away again.
        """
        self.worker.evaluate(
            """async (count) => {
          for (const until = Date.now() + 20000; self.counted < count && Date.now() < until;)
            await new Promise((go) => setTimeout(go, 10));
        }""",
            count,
        )
        found: list[dict[str, Any]] = self.page.evaluate("""async () => {
          const found = await (await navigator.serviceWorker.ready).getNotifications();
          return found.map(({title, body, tag, silent, data}) => ({title, body, tag, silent, url: data?.url}));
        }""")
        return found


def test_a_reply_is_shown_as_a_notification_from_the_click_to_the_screen(
    site: Served, window: Window, service: PushService
) -> None:
    """Subscribe in the page, ask, and see what the browser is told."""
    nora = Subscriber(window, site, service.browser())
    nora.sign_in()
    nora.turn_on()
    page = nora.page
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("on its way to this browser")).to_be_visible()
    first = nora.browser.opened(service.wait(1)[0])
    assert first["title"] == "Concave"
    page.get_by_role("button", name="Close").click()
    nora.ask("/say The bridge stands.")
    nora.ended()
    message = nora.browser.opened(service.wait(2)[1])
    worker = Worker(page, site.url)
    worker.deliver(json.dumps(message))
    (shown,) = worker.shown(1)
    assert (shown["title"], shown["body"]) == ("Claude Response Ready", "The bridge stands.")
    assert shown["url"] == f"#/s/{nora.session}"
    worker.deliver(json.dumps({**message, "body": "And still stands."}))
    assert [each["body"] for each in worker.shown(2)] == ["And still stands."], "the same tag takes its place"


def test_what_is_no_message_of_ours_is_still_shown_as_something(site: Served, window: Window, service: PushService) -> None:
    """A browser takes the permission away from a page that shows nothing."""
    nora = Subscriber(window, site, service.browser())
    nora.sign_in()
    nora.turn_on()
    worker = Worker(nora.page, site.url)
    odd = ("", "nonsense", "[1]", "null", '{"title": 7, "badge": "many", "url": "https://evil.example/"}')
    for data in odd:
        worker.deliver(data)
    assert sorted(each["title"] for each in worker.shown(5)) == ["7", "Concave", "Concave", "Concave", "Concave"]


def test_a_silent_message_is_not_shown_while_the_page_is_in_view(site: Served, window: Window, service: PushService) -> None:
    """The badge of a task that began; whoever looks at the page sees it there."""
    nora = Subscriber(window, site, service.browser())
    nora.sign_in()
    nora.turn_on()
    worker = Worker(nora.page, site.url)
    worker.deliver(json.dumps({"title": "Task In Progress", "badge": 1, "silent": True, "tag": "task-1"}))
    worker.deliver(json.dumps({"title": "Claude Response Ready", "badge": 1, "tag": "conv-1"}))
    assert [each["title"] for each in worker.shown(1)] == ["Claude Response Ready"]


def test_a_click_leads_the_open_tab_to_what_it_is_about(site: Served, window: Window, service: PushService) -> None:
    """The worker's own handler runs, with a notification of its own; only the pointer's click is made up."""
    nora = Subscriber(window, site, service.browser())
    nora.sign_in()
    nora.turn_on()
    page = nora.page
    worker = Worker(page, site.url).worker
    click = """async (url) => {
      await registration.showNotification("Clicked", {data: {url}});
      const [notification] = await registration.getNotifications();
      self.dispatchEvent(new NotificationEvent("notificationclick", {notification}));
    }"""
    for url, address in (("#/tasks", "#/tasks"), ("https://evil.example/#/domains", "#/tasks"), ("#/s/abc", "#/s/abc")):
        worker.evaluate(click, url)
        page.wait_for_function("(hash) => location.hash === hash", arg=address)
        assert page.url == f"{site.url}/{address}"


def test_it_stays_on_after_a_reload_and_is_turned_off_here_only(site: Served, window: Window, service: PushService) -> None:
    nora = Subscriber(window, site, service.browser("one"))
    nora.sign_in()
    nora.turn_on()
    backend = Backend(site.url, "nora")
    backend.call("mutation", "push:subscribe", subscription=service.browser("phone").subscription, label="Chrome on Android")
    expect(nora.page.get_by_text("You are also told in: Chrome on Android.")).to_be_visible()
    nora.page.reload()
    nora.control("on").click()
    nora.page.get_by_role("button", name="Turn off").click()
    nora.control("off")
    assert [each["label"] for each in backend.call("query", "push:list")] == ["Chrome on Android"]


def test_who_signs_out_is_told_nothing_here_and_who_comes_next_is_asked_again(
    site: Served, window: Window, service: PushService
) -> None:
    """Somebody else at the same browser."""
    nora = Subscriber(window, site, service.browser())
    nora.sign_in()
    nora.turn_on()
    page = nora.page
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_function("() => window.ended === 1")
    page.get_by_label("Name").fill("omar")
    page.get_by_role("button", name="Sign in", exact=True).click()
    nora.control("off")
    assert Backend(site.url, "omar").call("query", "push:list") == []


@pytest.mark.parametrize("whose", ["of another key", "somebody else's"])
def test_a_subscription_that_is_not_ones_own_is_made_anew(site: Served, window: Window, service: PushService, whose: str) -> None:
    """One that was made with a key that the server has no more is dead; one of somebody else's would be shared with them."""
    key = b"\x04" + bytes(64)
    if whose == "somebody else's":
        public = str(Backend(site.url, "nora").call("query", "push:publicKey"))
        key = bytes_of(public)
    nora = Subscriber(window, site, service.browser())
    kept = json.dumps({"endpoint": f"{service.origin}/send/old", "key": list(key)})
    nora.page.add_init_script(f"localStorage.getItem('fake.push') ?? localStorage.setItem('fake.push', {json.dumps(kept)})")
    nora.sign_in()
    nora.turn_on()
    assert nora.page.evaluate("() => window.ended") == 1
    assert len(Backend(site.url, "nora").call("query", "push:list")) == 1


def test_blocked_is_said(site: Served, window: Window, service: PushService) -> None:
    """A browser that was told no, and is not asked again."""
    nora = Subscriber(window, site, service.browser(), allowed=False)
    nora.page.add_init_script("Object.defineProperty(Notification, 'permission', {get: () => 'denied'})")
    nora.sign_in()
    nora.control("blocked").click()
    expect(nora.page.get_by_text("may not show notifications")).to_be_visible()
    expect(nora.page.get_by_role("button", name="Turn on")).to_have_count(0)


def test_a_browser_that_cannot_is_said(site: Served, window: Window, service: PushService) -> None:
    nora = Subscriber(window, site, service.browser())
    nora.page.add_init_script("delete window.PushManager")
    nora.sign_in()
    nora.control("unsupported").click()
    expect(nora.page.get_by_text("cannot show notifications")).to_be_visible()


def test_an_answer_of_no_leaves_it_off_and_a_refusal_is_told(site: Served, window: Window, service: PushService) -> None:
    nora = Subscriber(window, site, Browser("https://evil.example/push"))
    nora.page.add_init_script("Notification.requestPermission = async () => window.answer ?? 'granted'")
    nora.sign_in()
    nora.page.evaluate("window.answer = 'default'")
    nora.control("off").click()
    nora.page.get_by_role("button", name="Turn on").click()
    expect(nora.page.get_by_text("has not been given an answer")).to_be_visible()
    nora.page.evaluate("window.answer = 'granted'")
    nora.page.get_by_role("button", name="Turn on").click()
    expect(nora.page.get_by_text("no push service that the operator allows")).to_be_visible()
    nora.control("off")


def test_the_icon_counts_tasks_in_progress(site: Served, window: Window, service: PushService) -> None:
    """While the page is open."""
    nora = Subscriber(window, site, service.browser())
    nora.sign_in()
    nora.turn_on()
    backend = Backend(site.url, "nora")
    task = backend.call("mutation", "tasks:create", title="Bridge")["taskId"]
    backend.call("mutation", "tasks:update", taskId=task, status="in_progress")
    nora.page.wait_for_function("() => window.badge === 1")
    backend.call("mutation", "tasks:update", taskId=task, status="completed")
    nora.page.wait_for_function("() => window.badge === 0")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_dialog_is_for_everybody(site: Served, window: Window, service: PushService, width: int) -> None:
    nora = Subscriber(window, site, service.browser(), viewport={"width": width, "height": 800})
    nora.sign_in()
    nora.turn_on()
    assert findings(nora.page) == []
    assert nora.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    nora.page.keyboard.press("Escape")
    expect(nora.page.get_by_role("dialog")).to_have_count(0)


def test_the_worker_may_run_under_the_pages_policy_and_is_asked_for_again(site: Served, window: Window) -> None:
    page = window()
    answer = page.goto(f"{site.url}/sw.js")
    assert answer is not None
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")
    assert answer.headers["content-type"].startswith("text/javascript")
