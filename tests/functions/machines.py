"""A house in which workers are taken in, with their tokens verified as a server does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.runtime.identity import User
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person, Refusal, patient
from tests.functions.tabs import signing_key

WORKER, MACHINE = "worker-laptop-1", "machine-laptop-1"
ASKED: dict[str, Any] = {
    "machineId": MACHINE,
    "machineName": "Ada's laptop",
    "os": "linux",
    "workerId": WORKER,
    "name": "main",
    "dirs": ["/srv/ada/code"],
    "agents": [{"kind": "opencode", "version": "1.18.33"}, {"kind": "claude"}],
    "capacity": 2,
}


def house_of(model: ScriptedModel, **settings: Any) -> House:
    """A house that can sign tokens, and in which time passes only when a test says so."""
    return patient(model, signing_key=signing_key(), workers_shared=(), **settings)


@dataclass
class Machine:
    """A worker that was enrolled: its token, and who it is once it has access."""

    house: House
    token: str
    code: str
    worker_id: str = WORKER
    instance: str = "instance-1"

    def access(self, instance: str | None = None) -> Person:
        """Get access as a process of this worker."""
        self.instance = instance or self.instance
        told = self.house.anybody().action("workers:token", token=self.token, instance=self.instance)
        return Person(self.house, self.house.backend.verifier.verify(told["accessToken"]))


def enrolled(house: House, **other: Any) -> Machine:
    """A worker that shows its code."""
    asked = {**ASKED, **other}
    told = house.anybody().action("workers:enrol", **asked)
    return Machine(house, told["token"], told["code"], asked["workerId"])


def taken_in(house: House, owner: str = "ada", audience: str = "owner", **other: Any) -> Machine:
    """A worker that its owner has approved."""
    machine = enrolled(house, **other)
    house.person(owner).action("workers:approve", code=machine.code, audience=audience)
    return machine


def asked(house: House, owner: str = "ada", worker: str = WORKER, **session: Any) -> tuple[str, str]:
    """A session on a worker with a message: the ids of the session and of the reply."""
    person = house.person(owner)
    session_id = person.mutation("chat:startSession", workerId=worker, **session)
    return session_id, person.mutation("chat:sendMessage", sessionId=session_id, content="hello")


def with_a_question(house: House, owner: str) -> dict[str, list[str]]:
    """Somebody's two machines, with a worker whose agent asks for permission; what they are named."""
    anybody, alice = house.anybody(), house.person(owner)
    about = {"machineName": "a canary", "os": "linux", "name": "a canary", "dirs": ["/srv"], "agents": []}
    for number in range(2):
        told = anybody.action("workers:enrol", workerId=f"worker-taken-{number}", machineId=f"machine-real-{number}", **about)
        alice.action("workers:approve", code=told["code"])
    access = anybody.action("workers:token", token=told["token"], instance="instance-0")
    worker = Person(
        house, User("worker:worker-taken-1", "concave", "acme", {"type": "worker", "tv": 1, "instance": "instance-0"})
    )
    assert access["workerId"] == "worker-taken-1"
    session = alice.mutation("chat:startSession", workerId="worker-taken-1")
    reply = alice.mutation("chat:sendMessage", sessionId=session, content="a canary")
    worker.mutation("work:claim", messageId=reply, instance="instance-0")
    options = [{"optionId": "x", "kind": "allow_once", "name": "a canary"}]
    ask = {"messageId": reply, "epoch": 1, "tool": "x", "title": "a canary", "options": options}
    requests = [worker.mutation("permissions:ask", toolCallId=f"t{number}", **ask)["requestId"] for number in range(2)]
    return {
        "machineId": ["machine-real-0", "machine-real-1"],
        "requestId": requests,
        "workerId": ["worker-real", "worker-taken-0"],
    }


def refused(call: Any, *args: Any, **named: Any) -> str:
    """The code of a refusal."""
    with pytest.raises(Refusal) as found:
        call(*args, **named)
    return str(found.value.tag)


__all__ = [
    "ASKED",
    "MACHINE",
    "WORKER",
    "Machine",
    "asked",
    "enrolled",
    "house_of",
    "patient",
    "refused",
    "taken_in",
    "with_a_question",
]
