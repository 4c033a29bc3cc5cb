"""A reply to the npm client over a real socket: what it costs, and cut at every chunk."""

from __future__ import annotations

from tests.support.official import npm
from tests.walk.conftest import Backend

CHUNKS = 12


def test_a_reply_costs_at_most_six_bytes_a_character_and_no_more_when_it_is_long(shared: Backend) -> None:
    """Check 14, invariant 10: every byte from the server is counted, those of the sockets' frames too."""
    short, long = (npm(shared.url, "replyBytes", words=words).found() for words in (1900, 7500))
    assert (short["chars"] >= 10_000, long["chars"] >= 40_000) == (True, True)
    for told in (short, long):
        assert told["bytes"] <= 6 * told["chars"], told
    # How large a chunk is depends on the machine's moment; what was told again with each chunk would be four times as much here.
    assert long["bytes"] / long["chars"] <= 1.5 * short["bytes"] / short["chars"], (short, long)


def test_a_socket_cut_at_each_chunk_of_a_reply_changes_nothing(shared: Backend) -> None:
    """For each chunk a reply whose road is cut there; the text is identical each time."""
    told = npm(shared.url, "replyCutAtEach", chunks=CHUNKS).found()
    assert len(told["chunks"]) == CHUNKS
    assert min(told["chunks"]) > CHUNKS, "some reply was too short to be cut there"
