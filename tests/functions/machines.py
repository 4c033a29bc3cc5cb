"""A house in which workers are taken in, with their tokens verified as a server does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

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
    "dirs": ["/home/ada/code"],
    "agents": [{"kind": "opencode", "version": "1.18.33"}, {"kind": "claude"}],
    "capacity": 2,
}


def house_of(model: ScriptedModel, **settings: Any) -> House:
    """A house that can sign tokens, and in which time passes only when a test says so."""
    return patient(model, signing_key=signing_key(), **settings)


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


def refused(call: Any, *args: Any, **named: Any) -> str:
    """The code of a refusal."""
    with pytest.raises(Refusal) as found:
        call(*args, **named)
    return str(found.value.tag)


__all__ = ["ASKED", "MACHINE", "WORKER", "Machine", "asked", "enrolled", "house_of", "patient", "refused", "taken_in"]
