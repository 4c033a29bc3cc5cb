"""The past of a conversation, tried again: second tries, forks, changed messages, interruptions."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader


def contents(server: Served, reader: Reader) -> list[str]:
    return [each["content"].strip() for each in Backend(server.url, reader.name).messages(reader.session)]


def test_a_regenerated_reply_stands_where_the_old_one_folds_away(site: Served, window: Window) -> None:
    rosalind = Reader(window(), site.url, "rosalind").sign_in()
    rosalind.ask("/say First try.")
    rosalind.ended()
    rosalind.page.get_by_role("button", name="Regenerate").click()
    expect(rosalind.page.get_by_text("An earlier reply")).to_be_visible()
    rosalind.ended(1)
    assert contents(site, rosalind) == ["/say First try.", "First try.", "First try."]
    rosalind.page.get_by_text("An earlier reply").click()
    expect(rosalind.page.locator("main:not([hidden]) .aside pre")).to_have_text("First try.")


def test_a_fork_is_a_new_session_with_the_past_up_to_a_message(site: Served, window: Window) -> None:
    fred = Reader(window(), site.url, "fred").sign_in()
    for number, text in enumerate(("One.", "Two.")):
        fred.ask(f"/say {text}")
        fred.ended(number + 1)
    parent = fred.session
    fred.replies.first.get_by_role("button", name="Fork").click()
    fred.page.wait_for_function("parent => !location.hash.includes(parent)", arg=parent)
    expect(fred.replies).to_have_count(1)
    assert contents(site, fred) == ["/say One.", "One."]
    fred.ask("/say Another way.")
    fred.ended(2)
    assert contents(site, fred) == ["/say One.", "One.", "/say Another way.", "Another way."]
    assert len(Backend(site.url, "fred").messages(parent)) == 4


def test_a_changed_message_is_asked_in_a_branch_and_the_original_stays(site: Served, window: Window) -> None:
    edna = Reader(window(), site.url, "edna").sign_in()
    edna.ask("/say Wrong.")
    edna.ended()
    parent = edna.session
    said = edna.page.locator("main:not([hidden]) .user").first
    said.hover()
    said.get_by_role("button", name="Edit").click()
    box = edna.page.get_by_role("textbox", name="Your message, changed")
    expect(box).to_be_focused()
    box.press("Escape")
    expect(box).to_have_count(0)
    said.get_by_role("button", name="Edit").click()
    box.fill("/say Right.")
    edna.page.get_by_role("button", name="Ask in a branch").click()
    edna.page.wait_for_function("parent => !location.hash.includes(parent)", arg=parent)
    edna.ended()
    assert contents(site, edna) == ["/say Right.", "Right."]
    assert [each["content"].strip() for each in Backend(site.url, "edna").messages(parent)] == ["/say Wrong.", "Wrong."]


def test_a_message_waits_for_the_reply_or_ends_it(site: Served, window: Window) -> None:
    """Enter waits its turn; Ctrl+Enter, or the button, interrupts: what was written stays, what waited is taken back."""
    ingo = Reader(window(), site.url, "ingo").sign_in()
    ingo.ask("/pace 20\nWrite about tides in 500 words")
    ingo.sees(30)
    ingo.ask("/say I wait.")
    expect(ingo.page.get_by_text("Waits for the reply before it")).to_be_visible()
    ingo.box.fill("/say Now this.")
    ingo.box.press("Control+Enter")
    expect(ingo.page.get_by_text("Interrupted by the next message. What was written stays.").first).to_be_visible()
    expect(ingo.replies.last).to_contain_text("Now this.", timeout=20_000)
    ingo.ended(3)
    log = Backend(site.url, "ingo").messages(ingo.session)
    assert [each["status"] for each in log[1::2]] == ["aborted", "aborted", "completed"]
    assert log[1]["content"]
