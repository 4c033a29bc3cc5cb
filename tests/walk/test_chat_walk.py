"""A reply through the official clients when the road or the server fails: the text is the same, or a prefix that stays."""

from __future__ import annotations

import pytest

from tests.support.official import npm, pypi
from tests.walk.conftest import Backend


def test_a_socket_cut_at_many_chunks_changes_nothing(patient: Backend) -> None:
    """Cut at the first chunks and later ones, the text is identical."""
    told = npm(patient.url, "replyCut", at=[0, 2, 5]).found(90)
    assert told["chunks"] > 5


def test_python_reads_the_reply_that_npm_asked_for(patient: Backend) -> None:
    """Both kinds of client, one reply."""
    asked = npm(patient.url, "replyFor")
    ids = asked.hear()
    assert pypi(patient.url, "reply", patient.token("alice"), ids["sessionId"], ids["messageId"]).found() == "fine"
    assert len(asked.found()) > 100


@pytest.mark.parametrize("chunk", [0, 4, 9])
def test_a_server_killed_at_any_chunk_keeps_what_was_accepted(own: Backend, chunk: int) -> None:
    """Invariant 7: `kill -9`, the same data again; the run ends terminal and what was seen is a prefix of what stays."""
    client = npm(own.url, "replyKilled", at=chunk)
    try:
        assert client.hear()["chunk"] >= chunk
        own.kill()
        own.start()
        told = client.found(90)
    finally:
        client.stop()
    assert told["status"] in ("interrupted", "completed", "failed")
    assert told["content"].startswith(told["seen"])
    assert told["seen"]
