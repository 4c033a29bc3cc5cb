"""Conversations of the chat gateway through the 003 door, and the other way round: one log, one membership, one deletion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.conftest import House
from tests.support.conversations import Cortex, Failed, backend, member, opened, say


@pytest.fixture
def room(house: House) -> str:
    """The room of an agent of `its-owner`, which alice and bob have joined and in which all have spoken."""
    helper = member(house, "helper", role="agent").person
    made = helper.mutation("gateway:open", socket="socket-helper")["rooms"][0]
    owner = house.person("its-owner")
    for name in ("alice", "bob"):
        owner.mutation("rooms:addParticipant", conversationId=made, participantType="user", participantId=name)
        house.person(name).mutation("rooms:send", conversationId=made, content=f"I am {name}")
    helper.mutation("rooms:send", conversationId=made, content="Hello both")
    return str(made)


def test_a_room_is_listed_and_read_by_all_of_its_members(house: House, room: str) -> None:
    helper, alice, bob = member(house, "helper", role="agent"), member(house, "alice"), member(house, "bob")
    for caller in (helper, alice, bob):
        (listed,) = caller.list(includeMessages=True)
        assert (listed["conversationId"], caller.count()) == (room, 1)
        assert [each["content"] for each in listed["messages"]] == ["I am alice", "I am bob", "Hello both"]
    assert bob.list(userId="bob") == []
    assert [each["conversationId"] for each in backend(house).list(participantId="bob")] == [room]
    say(alice, room, "from this door")
    assert house.person("bob").query("receipts:unread", conversationId=room)["totalMessages"] == 4


def test_who_was_taken_out_neither_reads_nor_lists_it(house: House, room: str) -> None:
    owner = house.person("its-owner")
    owner.mutation("rooms:addParticipant", conversationId=room, participantType="user", participantId="its-owner")
    for name in ("alice", "bob"):
        owner.mutation("rooms:removeParticipant", conversationId=room, participantType="user", participantId=name)
        out = member(house, name)
        assert (out.get(conversationId=room), out.list(), out.count()) == (None, [], 0)
    assert backend(house).count(userId="alice") == len(backend(house).list(userId="alice")) == 0


def test_a_room_is_deleted_by_its_agents_owner_and_not_by_who_came_first(house: House, room: str) -> None:
    with pytest.raises(Failed, match="FORBIDDEN"):
        member(house, "alice").delete(conversationId=room)
    assert member(house, "alice").delete_many(userId="alice")["deleted"] == 0
    owner = house.person("its-owner")
    owner.mutation("rooms:addParticipant", conversationId=room, participantType="user", participantId="its-owner")
    done = member(house, "its-owner").delete(conversationId=room)
    house.work()
    erased = backend(house).get_erasure(receiptId=done["receiptId"])["erased"]
    assert (erased["receipts"], erased["agentRooms"], erased["participants"]) == (3, 1, 4)
    for table in ("conversations", "participants", "chatMessages", "receipts", "presences", "agentRooms"):
        assert house.rows(table) == 0, table
    again = member(house, "helper", role="agent").person.mutation("gateway:open", socket="socket-again")
    assert again["rooms"][0] != room


def test_who_joins_a_conversation_of_agents_is_a_guest_of_it(house: House) -> None:
    cortex = backend(house)
    name = cortex.create(type="agent-agent", participants={"agentIds": ["helper", "second"]})["conversationId"]
    helper = member(house, "helper", role="agent")
    helper.person.mutation("rooms:addParticipant", conversationId=name, participantType="user", participantId="alice")
    alice = member(house, "alice")
    for kind, expected in (({}, 1), ({"type": "agent-agent"}, 1), ({"type": "user-agent"}, 0)):
        assert alice.count(**kind) == len(alice.list(**kind)) == expected
    assert cortex.get(conversationId=name)["participants"] == {"agentIds": ["helper", "second"]}


def test_a_suspended_agent_is_let_in_nowhere(house: House) -> None:
    name = opened(member(house, "alice"))
    helper = member(house, "helper", role="agent")
    assert say(helper, name, "hello", "agent")["messageCount"] == 1
    suspended(house, "helper")
    for call in (lambda: helper.list(), lambda: helper.get(conversationId=name), lambda: say(helper, name, "again", "agent")):
        with pytest.raises(Failed, match="suspended"):
            call()


def suspended(house: House, agent: str) -> None:
    from chalicelib.schema import Agent

    def body(run: Any) -> str:
        run.db.patch(run.db.get(Agent, agent), status="suspended")
        return "null"

    house.backend.executor.transact("acme", "test:suspend", body)


def test_a_role_in_a_token_makes_nobody_an_agent(house: House) -> None:
    name = opened(member(house, "alice"))
    impostor = Cortex.of(house.person("helper", "acme", ("agent",)))
    assert impostor.get(conversationId=name) is None
