"""Long histories and long replies: nothing jumps, nothing is slow, nothing is sent twice."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader, flat

STEP = """
async (pixels) => {
  const log = document.querySelector('.scroller');
  const edge = log.getBoundingClientRect().top;
  const mark = [...log.querySelectorAll('[data-anchor]')].find((item) => item.getBoundingClientRect().bottom > edge);
  log.scrollTop -= pixels;
  const expected = mark.getBoundingClientRect().top;
  let off = 0;
  for (let frame = 0; frame < 12; frame++) {
    await new Promise(requestAnimationFrame);
    off = Math.max(off, Math.abs(mark.getBoundingClientRect().top - expected));
  }
  return { off, items: log.querySelectorAll('[data-anchor]').length, top: log.scrollTop };
}
"""
"""Scrolls up, then watches for some frames how far what the reader looks at is from where it should be."""


@pytest.fixture(scope="module")
def long_session(site: Served) -> str:
    """A session of 200 messages."""
    backend = Backend(site.url, "lena")
    session: str = backend.call("mutation", "chat:startSession", name="Long")
    for number in range(100):
        backend.call(
            "mutation", "chat:sendMessage", sessionId=session, content=f"/pace 0\n/say {'Reply ' * (1 + number % 40)}{number}"
        )
    end = time.monotonic() + 60
    while not all(each["completed"] for each in backend.messages(session)):
        assert time.monotonic() < end, "the replies did not end"
        time.sleep(0.2)
    return session


def test_200_messages_are_read_page_by_page_without_a_jump(site: Served, window: Window, long_session: str) -> None:
    lena = Reader(window(), site.url, "lena").sign_in(f"#/s/{long_session}")
    lena.page.locator("[data-anchor]").first.wait_for()
    assert lena.page.locator("[data-anchor]").count() < 60, "older pages wait until they are wanted"
    counts = [0]
    for _ in range(200):
        told = lena.page.evaluate(STEP, 400)
        assert told["off"] <= 1, told
        counts.append(told["items"])
        if told["items"] == 200 and told["top"] == 0:
            break
    assert counts[-1] == 200
    assert len(set(counts)) > 4, "page by page"
    texts = lena.page.locator(".bubble").all_inner_texts()
    assert [int(each.split()[-1]) for each in texts] == list(range(100))
    lena.page.get_by_role("button", name="To the latest message").click()
    expect(lena.page.get_by_role("button", name="To the latest message")).to_have_count(0)


def test_a_long_list_of_sessions_is_shown_page_by_page(site: Served, window: Window) -> None:
    backend = Backend(site.url, "lisa")
    for number in range(45):
        backend.call("mutation", "chat:startSession", name=f"Session {number}")
    lisa = Reader(window(), site.url, "lisa").sign_in()
    listed = lisa.page.locator(".sessions li")
    expect(listed).to_have_count(40)
    lisa.page.get_by_role("button", name="Show older sessions").click()
    expect(listed).to_have_count(45)
    assert [each.split("\n")[0] for each in listed.all_inner_texts()] == [f"Session {number}" for number in reversed(range(45))]


def test_a_reader_of_old_messages_is_not_pulled_down_by_a_new_reply(site: Served, window: Window) -> None:
    """And whoever is at the end stays there."""
    backend = Backend(site.url, "leonora")
    nora = Reader(window(), site.url, "leonora").sign_in()
    nora.ask("/pace 0\nWrite 12000 characters about towns")
    nora.ended()
    at_end = "() => { const e = document.querySelector('.scroller'); return e.scrollHeight - e.scrollTop - e.clientHeight < 3 }"
    nora.page.wait_for_function(at_end)
    assert nora.page.evaluate(STEP, 1500)["off"] <= 1
    backend.call("mutation", "chat:sendMessage", sessionId=nora.session, content="/pace 0\nWrite 5000 characters about roads")
    for _ in range(10):
        assert nora.page.evaluate(STEP, 0)["off"] <= 1
    nora.ended(2)
    nora.page.get_by_role("button", name="To the latest message").click()
    nora.page.wait_for_function(at_end)
    backend.call("mutation", "chat:sendMessage", sessionId=nora.session, content="/pace 0\nWrite 5000 characters about ships")
    nora.ended(3)
    nora.page.wait_for_function(at_end)


def test_a_reply_of_40000_characters_costs_at_most_six_times_its_text(site: Served, window: Window) -> None:
    """Bytes of all WebSocket frames that came in, from the question to the end; and the page stays quick while it grows."""
    gina = Reader(window(), site.url, "gina").sign_in()
    devtools = gina.page.context.new_cdp_session(gina.page)
    devtools.send("Network.enable")
    frames: list[int] = []
    devtools.on("Network.webSocketFrameReceived", lambda event: frames.append(len(event["response"]["payloadData"].encode())))
    gina.page.evaluate("""() => {
      window.longest = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
      }).observe({ type: 'longtask' });
    }""")
    gina.ask("/pace 3000\nWrite 40000 characters about oceans")
    gina.ended(seconds=60)
    content = gina.agrees_with(Backend(site.url, "gina"))
    longest = gina.page.evaluate("window.longest")
    print(f"{len(content)} characters, {sum(frames)} bytes in {len(frames)} frames, longest task {longest:.0f} ms")
    assert len(content) >= 39_000
    assert sum(frames) <= 6 * len(content.encode())
    assert longest < 500


def test_nothing_moves_when_a_reply_grows_or_ends(site: Served, window: Window) -> None:
    """What stands above the end keeps its place in every frame; ending changes no height."""
    page = window()
    mona = Reader(page, site.url, "mona").sign_in()
    mona.ask("/pace 60\nShow me a table and code in python")
    mona.sees(20)
    told: dict[str, Any] = page.evaluate("""async () => {
      const reply = [...document.querySelectorAll('.reply')].at(-1);
      const tops = new Map();
      let moved = 0, before = 0;
      while (reply.getAttribute('aria-busy') === 'true') {
        before = reply.offsetHeight;
        const blocks = [...reply.querySelectorAll('.prose > *')];
        for (const block of blocks) {
          const top = block.offsetTop;
          if (tops.has(block)) moved = Math.max(moved, Math.abs(tops.get(block) - top));
          tops.set(block, top);
        }
        await new Promise(requestAnimationFrame);
      }
      return { moved, blocks: tops.size, text: reply.textContent };
    }""")
    assert told["blocks"] >= 2
    assert told["moved"] == 0
    assert flat(mona.shown)
