"""An agent asks, the session's owner decides; exactly one decision counts, and none outlives its reply."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person, pass_by
from tests.functions.machines import Machine, asked, house_of, refused, taken_in

OPTIONS = [
    {"optionId": "once", "kind": "allow_once", "name": "Allow once"},
    {"optionId": "always", "kind": "allow_always", "name": "Allow for this session"},
    {"optionId": "reject", "kind": "reject_once", "name": "Deny"},
]


class Asking:
    """A worker whose agent asks for permission, and the person who decides."""

    def __init__(self, model: ScriptedModel, **settings: Any) -> None:
        self.house: House = house_of(model, **settings)
        self.machine: Machine = taken_in(self.house)
        self.worker: Person = self.machine.access()
        self.ada = self.house.person("ada")
        self.session, self.reply = asked(self.house)
        self.claim()

    def claim(self) -> None:
        """Take the reply."""
        self.worker.mutation("work:claim", messageId=self.reply, instance=self.machine.instance)

    def ask(self, call: str = "t1", **more: Any) -> Any:
        """Ask for permission to run a command."""
        told = {"tool": "bash", "title": "rm -r build", "input": {"command": "rm -r build"}, "options": OPTIONS, **more}
        return self.worker.mutation("permissions:ask", messageId=self.reply, epoch=1, toolCallId=call, **told)


@pytest.fixture
def asking(model: ScriptedModel) -> Asking:
    return Asking(model)


def test_a_request_is_seen_decided_and_told_to_the_worker(asking: Asking) -> None:
    request = asking.ask()
    assert (request["state"], request["input"]) == ("open", {"command": "rm -r build"})
    assert [each["requestId"] for each in asking.ada.query("permissions:waiting")] == [request["requestId"]]
    assert [each["state"] for each in asking.ada.query("permissions:list", sessionId=asking.session)] == ["open"]
    asking.ada.mutation("permissions:decide", requestId=request["requestId"], optionId="once")
    (told,) = asking.worker.query("permissions:pending")
    assert (told["state"], told["optionId"], told["decidedBy"]) == ("allowed", "once", "ada")
    assert asking.ada.query("permissions:waiting") == []


def test_asking_twice_is_asking_once(asking: Asking) -> None:
    assert asking.ask()["requestId"] == asking.ask()["requestId"]
    assert len(asking.ada.query("permissions:waiting")) == 1


def test_exactly_one_decision_counts(asking: Asking) -> None:
    request = asking.ask()["requestId"]
    asking.ada.mutation("permissions:decide", requestId=request, optionId="reject")
    assert asking.ada.mutation("permissions:decide", requestId=request, optionId="reject")["state"] == "denied"
    assert refused(asking.ada.mutation, "permissions:decide", requestId=request, optionId="once") == "AlreadyDecided"
    assert asking.worker.query("permissions:pending")[0]["optionId"] == "reject"


@pytest.mark.parametrize("who", [("bob", "acme"), ("ada", "north")])
def test_nobody_else_decides_or_sees(asking: Asking, who: tuple[str, str]) -> None:
    request = asking.ask()["requestId"]
    other = asking.house.person(*who)
    assert refused(other.mutation, "permissions:decide", requestId=request, optionId="once") == "PermissionNotFound"
    assert other.query("permissions:list", sessionId=asking.session) == []
    assert other.query("permissions:waiting") == []
    assert refused(asking.worker.mutation, "permissions:decide", requestId=request, optionId="once") == "Unauthorized"


def test_an_option_that_is_none_is_refused(asking: Asking) -> None:
    request = asking.ask()["requestId"]
    assert refused(asking.ada.mutation, "permissions:decide", requestId=request, optionId="maybe") == "NoSuchOption"


def test_what_is_allowed_for_the_session_is_not_asked_again_in_it_and_is_in_others(asking: Asking) -> None:
    first = asking.ask(grant="bash rm")
    asking.ada.mutation("permissions:decide", requestId=first["requestId"], optionId="always")
    assert asking.ask("t2", grant="bash rm")["state"] == "allowed"
    assert asking.ask("t3", grant="bash ls")["state"] == "open"
    asking.session, asking.reply = asked(asking.house)
    asking.claim()
    assert asking.ask("t4", grant="bash rm")["state"] == "open"


def test_once_is_once(asking: Asking) -> None:
    first = asking.ask(grant="bash rm")
    asking.ada.mutation("permissions:decide", requestId=first["requestId"], optionId="once")
    assert asking.ask("t2", grant="bash rm")["state"] == "open"


def test_a_request_that_nobody_decides_is_denied_by_its_time(model: ScriptedModel) -> None:
    asking = Asking(model, permission_minutes=1)
    request = asking.ask()["requestId"]
    pass_by(asking.house, 30_000)
    asking.worker.mutation("work:renew", messageIds=[asking.reply], instance=asking.machine.instance)
    pass_by(asking.house, 30_000)
    assert asking.worker.query("permissions:pending")[0]["state"] == "expired"
    assert refused(asking.ada.mutation, "permissions:decide", requestId=request, optionId="once") == "AlreadyDecided"


@pytest.mark.parametrize("ending", ["stop", "end", "revoke", "offline", "another process"])
def test_a_request_ends_with_its_reply(asking: Asking, ending: str) -> None:
    asking.ask()
    match ending:
        case "stop":
            asking.ada.mutation("chat:stop", sessionId=asking.session)
        case "end":
            asking.ada.mutation("chat:endSession", sessionId=asking.session)
        case "revoke":
            asking.ada.mutation("workers:revoke", workerId=asking.machine.worker_id)
        case "offline":
            asking.worker.mutation("workers:goOffline", instance=asking.machine.instance)
        case _:
            asking.machine.access("instance-2")
    asking.house.work()
    assert [each["state"] for each in asking.ada.query("permissions:list", sessionId=asking.session)] == ["cancelled"]
    assert asking.ada.query("permissions:waiting") == []


def test_a_reply_that_is_over_asks_nothing(asking: Asking) -> None:
    asking.worker.mutation("chat:completeMessage", sessionId=asking.session, messageId=asking.reply, content="done")
    assert refused(asking.ask) == "ReplyEnded"


def test_what_does_not_fit_a_card_is_refused(asking: Asking) -> None:
    assert refused(asking.ask, input={"command": "x" * 20_000}) == "InputTooLarge"


def test_a_reply_has_twenty_open_requests_at_most(asking: Asking) -> None:
    for number in range(20):
        asking.ask(f"t{number}")
    assert refused(asking.ask, "t20") == "TooManyRequests"
