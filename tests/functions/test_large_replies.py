"""Replies that are larger than a document, and runs that cannot be repaired: every other run ends all the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chalicelib.data.errors import LimitExceeded
from chalicelib.data.store import Action
from chalicelib.domain.replies import lifecycle
from tests.functions.conftest import House, Person
from tests.functions.replies import mortal, places, repaired
from tests.functions.test_chat import messages, send

CHUNK = 32_000


def held(house: House) -> tuple[Person, Person, str]:
    """Alice, a worker, and a session that it holds."""
    alice = house.person("alice")
    return alice, house.person("w", roles=("worker",)), str(alice.mutation("chat:startSession", workerId="w"))


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize("letter", ["x", "深"])
def test_a_reply_that_is_larger_than_a_document_ends_with_its_beginning(house: House, letter: str, stopped: bool) -> None:
    alice, worker, session = held(house)
    reply = send(alice, session, "hello")
    for number in range(16):
        worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk=letter * CHUNK, sequence=number)
    if stopped:
        alice.mutation("chat:stop", sessionId=session)
    house.work()
    repaired(house)
    ended = messages(alice, session)[-1]
    assert (ended["completed"], ended["status"]) == (True, "aborted" if stopped else "interrupted")
    assert ended["cut"] == ["content"]
    assert set(ended["content"]) == {letter}
    part = alice.query("chat:getMessagePart", sessionId=session, messageId=reply)
    assert part["length"] * len(letter.encode()) == lifecycle.LARGEST_TEXT


def test_a_run_that_cannot_be_repaired_keeps_no_other_from_being_repaired(house: House) -> None:
    alice, worker, session = held(house)
    other = str(alice.mutation("chat:startSession", workerId="w"))
    first, second = (send(alice, each, "hello") for each in (session, other))
    for name, reply in ((session, first), (other, second)):
        worker.mutation("chat:writeChunk", sessionId=name, messageId=reply, chunk="some", sequence=0)
    poisoned = first.replace("msg-", "run-")

    def refuse(actions: Sequence[Action]) -> None:
        if poisoned in str(places(actions, "runs")):
            raise LimitExceeded("it fits nowhere")

    store = mortal(house)

    def again(actions: Sequence[Action]) -> None:
        store.before = again
        refuse(actions)

    store.before = again
    repaired(house)
    assert [messages(alice, each)[-1]["completed"] for each in (session, other)] == [False, True]


def test_a_log_of_long_replies_is_read_to_its_end(house: House) -> None:
    """A page of the store ends at 1 MB."""
    alice, worker, session = held(house)
    for number in range(6):
        reply = send(alice, session, f"m{number}")
        worker.mutation("chat:completeMessage", sessionId=session, messageId=reply, content="x" * 250_000)
    found = alice.query("chat:getMessages", sessionId=session, limit=12)
    before = found[0]["sequence"]
    while page := alice.query("chat:getMessages", sessionId=session, limit=12, before=before):
        found, before = [*page, *found], page[0]["sequence"]
    assert [each["sequence"] for each in found] == list(range(1, 13))
