"""The page when the road or the server fails: it says so, goes on by itself, and the text is exact."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.walk.server import Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader
from tests.web.road import Road


@pytest.fixture
def road(site: Served) -> Iterator[Road]:
    """A road to the common server."""
    laid = Road(site.url)
    yield laid
    laid.close()


def test_a_socket_cut_twice_in_a_reply_leaves_the_text_exact(site: Served, road: Road, window: Window) -> None:
    """Each state on the screen is a beginning of what is stored, before, between and after the cuts."""
    rita = Reader(window(), road.url, "margarita").sign_in()
    rita.ask("/pace 50\nWrite about bridges in 250 words")
    for grown in (40, 300):
        rita.sees(grown)
        road.cut()
        rita.state("Reconnecting")
        road.mend()
        rita.state("Live")
    rita.ended()
    content = rita.agrees_with(Backend(site.url, "margarita"))
    states = rita.page.evaluate("window.seen")
    assert all(len(one) <= len(other) for one, other in itertools.pairwise(states)), "the text never shrinks"
    assert len(content) > 1000


def test_a_message_written_offline_goes_out_once_the_road_is_back(site: Served, road: Road, window: Window) -> None:
    """Also when the page is reloaded in between: it is kept until the server has answered, and takes effect once."""
    olga = Reader(window(), road.url, "olga").sign_in()
    olga.ask("/say First.")
    olga.ended()
    road.cut()
    olga.state("Reconnecting")
    olga.ask("/say Second.")
    expect(olga.page.locator("[data-pending]")).to_contain_text("/say Second.")
    assert len(Backend(site.url, "olga").messages(olga.session)) == 2
    road.mend()
    olga.page.reload()
    olga.state("Live")
    olga.ended(2)
    assert [each["content"] for each in Backend(site.url, "olga").messages(olga.session)] == [
        "/say First.",
        "First.",
        "/say Second.",
        "Second.",
    ]


def test_the_page_says_when_the_device_is_offline(road: Road, window: Window) -> None:
    ofra = Reader(window(), road.url, "ofra").sign_in()
    ofra.page.context.set_offline(True)
    road.cut()
    ofra.state("Offline")
    expect(ofra.box).to_have_attribute("placeholder", "Message (sent when the connection is back)")
    ofra.page.context.set_offline(False)
    road.mend()
    ofra.state("Live")


def test_a_server_killed_in_a_reply_comes_back_with_what_was_written(own_site: Served, window: Window) -> None:
    """`kill -9` and start, on both stores: the page reconnects by itself; the reply keeps its text and says what happened."""
    alice = Reader(window(), own_site.url, "alice").sign_in()
    alice.ask("/pace 30\nWrite about volcanoes in 400 words")
    alice.sees(60)
    own_site.kill()
    alice.state("Reconnecting")
    kept = alice.shown
    threading.Thread(target=own_site.start).start()
    alice.state("Live", 30)
    alice.ended(seconds=60)
    expect(alice.replies.last).to_contain_text("The server went down while writing.")
    assert alice.agrees_with(Backend(own_site.url, "alice")).startswith(kept[:40])
    alice.ask("/say Back again.")
    alice.ended(2)
    expect(alice.replies.last).to_contain_text("Back again.")
