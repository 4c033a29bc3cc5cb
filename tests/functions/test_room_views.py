"""A room is read once for all its sockets, and who may see it is decided by that very look."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.feeds import room as room_feed
from chalicelib.domain.feeds import socket as socket_feed
from infra.local.model.server import ScriptedModel
from tests.data.mutants import swapped
from tests.functions.conftest import Person
from tests.functions.rooms import Gateway, Socket, room_of, texts


class Crowd:
    """An agent's room with people in it, each at one socket that has been told everything."""

    def __init__(self, model: ScriptedModel, people: int) -> None:
        self.gateway = Gateway(model)
        self.agent = Socket(self.gateway.agent("helper", audience="org"), "agent")
        self.room = room_of(self.agent)
        self.sockets = [self.joined(f"user-{number}") for number in range(people)]
        for each in (self.agent, *self.sockets):
            each.heard()

    def joined(self, name: str) -> Socket:
        """Somebody comes in."""
        socket = Socket(self.gateway.person(name), f"socket-of-{name}")
        socket.call("gateway:join", conversationId=self.room)
        return socket

    def told(self, views: dict[Any, Any]) -> list[list[dict[str, Any]]]:
        """What a fan-out tells each socket, and the read units that it takes."""
        self.gateway.store.reset()
        found = [self._feed(each, views) for each in self.sockets]
        self.units = sum(self.gateway.store.rcu.values())
        return found

    def _feed(self, socket: Socket, views: dict[Any, Any]) -> list[dict[str, Any]]:
        args = {"socket": socket.name, "seen": socket.seen}
        found = self.gateway.backend.executor.evaluate("feeds:feed", args, socket.person.user, views=views)
        assert found.ok
        socket.seen = found.value["next"]["seen"]
        events: list[dict[str, Any]] = found.value["events"]
        return events


def test_what_a_message_costs_grows_with_the_room_and_not_with_its_square(model: ScriptedModel) -> None:
    units = {}
    for people in (4, 16, 32):
        crowd = Crowd(model, people)
        crowd.agent.send("hello")
        told = crowd.told({})
        assert [texts(each) for each in told] == [["hello"]] * people
        units[people] = crowd.units
    assert units[32] - units[16] <= 16 * 7, units  # a socket's own row, and its part of the view
    assert (units[32] - units[16]) / 16 <= 1.2 * (units[16] - units[4]) / 12, units


@pytest.mark.parametrize("missed", [0, 1, room_feed.RECENT, room_feed.RECENT + 1, room_feed.PAGE + 5])
def test_who_was_told_less_than_the_others_is_told_the_rest_in_order(model: ScriptedModel, missed: int) -> None:
    crowd = Crowd(model, 3)
    for number in range(missed):
        crowd.agent.send(f"{number}")
    crowd.sockets[0].heard()
    crowd.agent.send("last")
    heard = [texts(each.heard("message:new")) for each in crowd.sockets]
    assert heard == [["last"], *[[*map(str, range(missed)), "last"]] * 2]


def test_large_messages_that_fit_no_view_together_are_all_told(model: ScriptedModel) -> None:
    crowd = Crowd(model, 2)
    sent = [f"{number}" + "x" * 60_000 for number in range(5)]
    for text in sent:
        crowd.agent.send(text)
        crowd.sockets[0].heard()
    assert texts(crowd.sockets[1].heard("message:new")) == sent


def _taken_out(model: ScriptedModel) -> list[dict[str, Any]]:
    """What somebody hears who is taken out of a room in which something is said right after that."""
    crowd = Crowd(model, 2)
    views: dict[Any, Any] = {}
    crowd.told(views)
    owner: Person = crowd.gateway.person("alice")
    owner.mutation("rooms:removeParticipant", conversationId=crowd.room, participantType="user", participantId="user-1")
    crowd.agent.send("not for user-1")
    return crowd.told({})[1]


def test_who_was_taken_out_does_not_hear_what_was_said_after_that(model: ScriptedModel) -> None:
    assert [each["event"] for each in _taken_out(model)] == ["conversation:left"]


def test_without_asking_the_view_itself_who_is_a_member_somebody_hears_too_much(model: ScriptedModel) -> None:
    known: dict[str, bool] = {}
    asks = socket_feed._is_member

    def by_an_older_look(me: Any, view: dict[str, Any]) -> bool:
        return known.setdefault(f"{view['name']} {me.key}", asks(me, view))

    with swapped((socket_feed, "_is_member", by_an_older_look)):
        assert "not for user-1" in texts([each for each in _taken_out(model) if each["event"] == "message:new"])
