"""What a message to a room is conditioned on: who is taken out while it is being written does not get it in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.rooms import Gateway, refused
from tests.support.stores import Around


class Interrupted(Around):
    """Something happens just before the next transaction, once."""

    before: Callable[[], None] | None = None

    def transact(self, actions: Any) -> Any:
        before, self.before = self.before, None
        if before is not None:
            before()
        return super().transact(actions)


@pytest.mark.parametrize("guest", [False, True])
def test_who_is_taken_out_while_a_message_is_written_does_not_get_it_in(model: ScriptedModel, guest: bool) -> None:
    """The one whom the conversation names as its user, and one who came in later."""
    gateway = Gateway(model)
    store = gateway.store.inner = Interrupted(gateway.store.inner)
    alice, bob = gateway.person("alice"), gateway.person("bob")
    talk = alice.mutation("conversations:create", type="user-agent", participants={"userId": "alice", "agentId": "one"})
    room = talk["conversationId"]
    alice.mutation("rooms:addParticipant", conversationId=room, participantType="user", participantId="bob")
    writer, name, other = (bob, "bob", alice) if guest else (alice, "alice", bob)
    writer.mutation("rooms:send", conversationId=room, content="in time")

    def out() -> None:
        writer.mutation("rooms:removeParticipant", conversationId=room, participantType="user", participantId=name)

    store.before = out
    refused("ConversationNotFound", writer.mutation, "rooms:send", conversationId=room, content="too late")
    assert [each["content"] for each in other.query("history:messages", conversationId=room)["data"]] == ["in time"]
