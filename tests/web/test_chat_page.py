"""The page in a browser: start, send, stream, stop, and everything a person does on an ordinary day."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader, worker

SLOW = "/pace 40\nWrite about rivers in 300 words"


def test_a_reply_streams_and_ends_as_it_was_stored(either: Served, window: Window) -> None:
    """Start, send, stream, on both stores: each state of the text on the screen is a beginning of what is stored."""
    stella = Reader(window(), either.url, "stella").sign_in()
    stella.ask("/pace 150\nWrite about rivers in 200 words")
    stella.sees(10)
    stella.ended()
    content = stella.agrees_with(Backend(either.url, "stella"))
    assert len(content.split()) >= 190
    assert len(stella.page.evaluate("window.seen")) > 5
    expect(stella.page.get_by_role("navigation").get_by_text("Write about rivers")).to_be_visible()


def test_stop_keeps_what_was_said(either: Served, window: Window) -> None:
    """By the button, on both stores."""
    stan = Reader(window(), either.url, "stan").sign_in()
    stan.ask(SLOW)
    stan.sees(40)
    stan.page.get_by_role("button", name="Stop the reply").click()
    stan.ended()
    expect(stan.replies.last).to_contain_text("Stopped. What was written stays.")
    assert len(stan.agrees_with(Backend(either.url, "stan"))) >= 40


def test_escape_stops_and_try_again_asks_once_more(site: Served, window: Window) -> None:
    zoe = Reader(window(), site.url, "zoe").sign_in()
    zoe.ask("/pace 30\nWrite about lakes in 400 words")
    zoe.sees(20)
    zoe.box.press("Escape")
    zoe.ended()
    zoe.page.get_by_role("button", name="Ask again").click()
    zoe.page.get_by_role("button", name="Stop the reply").wait_for()
    zoe.box.press("Escape")
    zoe.ended(2)
    asked = [each["content"] for each in Backend(site.url, "zoe").messages(zoe.session) if each["role"] == "user"]
    assert asked == ["/pace 30\nWrite about lakes in 400 words"] * 2


def test_a_reload_in_the_middle_of_a_reply_misses_nothing(either: Served, window: Window) -> None:
    rosa = Reader(window(), either.url, "rosa").sign_in()
    rosa.ask("/pace 60\nWrite about mountains in 200 words")
    rosa.sees(60)
    rosa.page.reload()
    rosa.state("Live")
    rosa.sees(60)
    rosa.ended()
    rosa.agrees_with(Backend(either.url, "rosa"))


def test_two_tabs_and_two_browsers_are_in_step(either: Served, window: Window) -> None:
    """One writes, the others see it arrive; another stops it, and all know."""
    first = Reader(window(), either.url, "tess").sign_in()
    first.ask("/pace 40\nWrite about forests in 300 words")
    first.sees(20)
    tab = Reader(first.page.context.new_page(), either.url, "tess")
    tab.page.goto(first.page.url)
    other = Reader(window(), either.url, "tess").sign_in(f"#/s/{first.session}")
    for each in (tab, other):
        each.sees(60)
    other.page.get_by_role("button", name="Stop the reply").click()
    for each in (first, tab, other):
        each.ended()
        expect(each.replies.last).to_contain_text("Stopped.")
    assert first.shown == tab.shown == other.shown
    other.ask("/say A message from the other browser.")
    for each in (first, tab):
        each.ended(2)
        expect(each.replies.last).to_contain_text("A message from the other browser.")


def test_several_sessions_are_live_at_once(site: Served, window: Window) -> None:
    """A reply goes on while another session is read; the list says so, and later that there is something new."""
    reader = Reader(window(), site.url, "sevi").sign_in()
    reader.ask("/pace 60\nWrite about deserts in 150 words")
    reader.sees(20)
    first = reader.page.url
    reader.new()
    reader.ask("/say The second one.")
    reader.ended()
    listed = reader.page.get_by_role("link", name=re.compile("Write about deserts"))
    expect(listed).to_contain_text(re.compile("being written|new reply"))
    expect(listed).to_contain_text("new reply", timeout=20000)
    listed.click()
    reader.page.wait_for_url(first)
    reader.ended()
    expect(listed).not_to_contain_text("new reply")
    reader.agrees_with(Backend(site.url, "sevi"))


def test_ended_sessions_stay_readable_and_take_no_messages(site: Served, window: Window) -> None:
    reader = Reader(window(), site.url, "enid").sign_in()
    reader.ask("/say Good bye.")
    reader.ended()
    reader.page.get_by_role("button", name="End session").click()
    reader.page.get_by_role("dialog").get_by_role("button", name="End session").click()
    expect(reader.page.get_by_text("This session has ended.")).to_be_visible()
    expect(reader.box).to_have_count(0)
    assert reader.shown == "Good bye."


def test_a_refused_message_is_taken_back_with_its_reason(
    built: object, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is shown at once, vanishes when the server says no, and its text is in the box again."""
    server = Served(tmp_path_factory.mktemp("poor") / "data", TOKEN_BUDGET_PER_ORG="1")
    try:
        alice = Reader(window(), server.url).sign_in()
        alice.ask("/say The budget is used up by this.")
        alice.ended()
        alice.page.evaluate("""() => {
          window.guessed = 0;
          new MutationObserver(() => { if (document.querySelector('[data-pending]')) window.guessed += 1; })
            .observe(document, {subtree: true, childList: true, attributes: true});
        }""")
        alice.ask("One too many")
        expect(alice.page.get_by_role("alert")).to_contain_text("Not sent: Your organisation has used its 1 tokens for today")
        expect(alice.box).to_have_value("One too many")
        expect(alice.replies).to_have_count(1)
        assert alice.page.evaluate("window.guessed") > 0
    finally:
        server.stop()


def test_a_message_that_is_too_long_is_held_back_and_not_cut_off(site: Served, window: Window) -> None:
    reader = Reader(window(), site.url, "lola").sign_in()
    reader.ask("x" * 10_001)
    expect(reader.page.get_by_role("alert")).to_contain_text("A message holds 10,000 characters; this one has 10,001.")
    assert len(reader.box.input_value()) == 10_001
    expect(reader.page.get_by_role("button", name="Send")).to_be_disabled()


def test_signing_out_is_for_every_tab_and_leaves_no_drafts(site: Served, window: Window) -> None:
    first = Reader(window(), site.url, "sina").sign_in()
    first.box.fill("a secret draft")
    second = Reader(first.page.context.new_page(), site.url, "sina")
    second.page.goto(site.url)
    second.state("Live")
    second.page.get_by_role("button", name="Sign out").click()
    for each in (first, second):
        expect(each.page.get_by_role("heading", name="Sign in to Concave")).to_be_visible()
    assert second.page.evaluate("JSON.stringify({...localStorage})") == "{}"


def test_a_draft_survives_a_reload_and_shift_enter_breaks_the_line(site: Served, window: Window) -> None:
    reader = Reader(window(), site.url, "drew").sign_in()
    reader.box.fill("first line")
    reader.box.press("Shift+Enter")
    reader.box.press_sequentially("second line")
    reader.page.reload()
    expect(reader.box).to_have_value("first line\nsecond line")
    reader.box.press("Enter")
    reader.ended()
    expect(reader.page.locator(".bubble")).to_have_text("first line\nsecond line", use_inner_text=True)
    expect(reader.box).to_have_value("")


@pytest.mark.parametrize(("order", "words"), [
    ("/fail overloaded", "The model is overloaded right now."),
    ("/fail unauthorized", "The server has no valid key for the model."),
    ("/fail truncated", "The reply broke off before its end."),
])  # fmt: skip
def test_a_failed_reply_says_why_in_plain_words(site: Served, window: Window, order: str, words: str) -> None:
    reader = Reader(window(), site.url, "fay").sign_in()
    reader.ask(f"{order}\nWrite about seas in 30 words")
    reader.ended()
    expect(reader.replies.last).to_contain_text(words)
    expect(reader.page.get_by_role("button", name="Try again")).to_be_visible()


def test_thinking_is_folded_away_and_code_can_be_copied(site: Served, window: Window) -> None:
    reader = Reader(window(permissions=["clipboard-read", "clipboard-write"]), site.url, "cody").sign_in()
    reader.ask("/think First I weigh it.\nShow me code in python")
    reader.ended()
    thought = reader.page.get_by_text("First I weigh it.", exact=True)
    expect(thought).to_be_hidden()
    reader.page.get_by_text("Thought about it").click()
    expect(thought).to_be_visible()
    block = reader.page.locator(".code").first
    block.get_by_role("button", name="Copy code").click()
    expect(block).to_contain_text("Copied")
    expect(block.locator(".hljs-keyword").first).to_be_visible()
    assert reader.page.evaluate("navigator.clipboard.readText()") == block.locator("pre").inner_text().rstrip("\n")


def test_a_workers_reply_is_shown_with_its_parts(site: Served, window: Window) -> None:
    """It streams like a model's; then its thoughts and tools are folded away, and its errors say what happened."""
    mine = Backend(site.url, "parker")
    session = mine.call("mutation", "chat:startSession", workerId="w1", name="With a worker")
    reader = Reader(window(), site.url, "parker").sign_in(f"#/s/{session}")
    expect(reader.page.get_by_text("Waits for its worker")).to_be_visible()
    hand = worker(site, "w1")
    hand.call("mutation", "chat:sessionReady", sessionId=session)
    expect(reader.page.get_by_text("Waits for its worker")).to_have_count(0)
    reader.ask("Read the file")
    reader.replies.first.wait_for()
    place = {"sessionId": session, "messageId": mine.messages(session)[-1]["messageId"]}
    hand.call("mutation", "chat:writeChunk", **place, chunk="I will ", sequence=0)
    hand.call("mutation", "chat:writeChunk", **place, chunk="read it.", sequence=1)
    expect(reader.replies.last).to_contain_text("I will read it.")
    parts = [
        {"type": "thinking", "text": "Which file?"},
        {"type": "text", "text": "I will read it."},
        {"type": "tool_use", "name": "read_file", "input": {"path": "notes.md"}},
        {"type": "error", "message": "notes.md is not there"},
    ]
    hand.call("mutation", "chat:completeMessage", **place, content="I will read it.", parts=parts)
    reader.ended()
    expect(reader.page.get_by_text("Which file?")).to_be_hidden()
    expect(reader.page.get_by_text("notes.md is not there")).to_be_visible()
    reader.page.get_by_text("read_file").click()
    expect(reader.page.get_by_text('"path": "notes.md"')).to_be_visible()


def test_what_a_model_writes_is_never_run(site: Served, window: Window) -> None:
    """HTML is dropped, script addresses are no links, images are not loaded."""
    reader = Reader(window(), site.url, "mal").sign_in()
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url))
    reader.ask("/say <img src=x onerror=alert(1)> [a](javascript:alert(1)) ![pixel](http://127.0.0.9/p.png) <b>bold</b>")
    reader.ended()
    prose = reader.replies.last.locator(".prose")
    assert prose.locator("img, script, b").count() == 0
    assert "javascript" not in prose.inner_html()
    assert not [url for url in asked if "127.0.0.9" in url]
    expect(prose.get_by_role("link", name="pixel")).to_have_attribute("href", "http://127.0.0.9/p.png")


def test_a_strangers_session_is_not_found_like_one_that_never_was(site: Served, window: Window) -> None:
    alice = Reader(window(), site.url, "alma").sign_in()
    alice.ask("/say A secret.")
    alice.ended()
    told = []
    for address in (alice.session, "sess_neverwas"):
        stranger = Reader(window(), site.url, "mallory").sign_in(f"#/s/{address}")
        expect(stranger.page.get_by_text("There is no such session")).to_be_visible()
        told.append(stranger.page.locator("main").inner_text())
    assert told[0] == told[1]


def test_without_a_development_issuer_a_token_signs_in(site: Served, window: Window) -> None:
    """The cloud has no `/dev/token`: the page says so and takes a token; a broken one is told apart."""
    page = window()
    page.route("**/dev/token", lambda route: route.fulfill(status=404, body="no such route"))
    page.goto(site.url)
    page.get_by_label("Name").fill("otto")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("does not hand out sign-ins by name")
    page.get_by_label("Token (JWT)").fill("not.a.token")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("not accepted")
    page.get_by_role("button", name="Use a token instead").click()
    page.get_by_label("Token (JWT)").fill(Backend(site.url, "otto").token)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".who")).to_have_text("otto acme")
    Reader(page, site.url, "otto").ask("/say Welcome.")
    expect(page.locator(".reply")).to_contain_text("Welcome.")
