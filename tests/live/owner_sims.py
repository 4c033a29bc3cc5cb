"""A simulated deployment with an owner of sockets, whose queries fail or take long as a test wants it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

from chalicelib.backend import Backend
from chalicelib.data.errors import Conflict
from chalicelib.live.owner.owner import Owner
from tests.live import counters
from tests.support.person import Person
from tests.support.sim import Sim
from tests.support.sim_doors import LinkWire, OwnerDoor


class Moody(Backend):
    """Some queries cannot be evaluated, or take long; evaluations are counted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.failing: set[str] = set()
        self.slow: dict[str, float] = {}
        self.evaluations: Counter[str] = Counter()

    def _evaluate(
        self, path: str, args: str, identity: str | None, journal: str | None, views: dict[Any, Any] | None = None
    ) -> Any:
        self.evaluations[path] += 1
        if path in self.failing:
            raise Conflict("simCounters")
        value = super()._evaluate(path, args, identity, journal, views)
        self.clock.sleep(self.slow.get(path, 0.0))
        return value


def moody(owner: type[Owner] = Owner) -> type[Backend]:
    return type("Moody", (Moody,), {"owner_type": owner})


def mutant(**parts: type) -> type[Owner]:
    return type("Other", (Owner,), dict(parts))


def owned(backend: type[Backend] = Moody, owners: int = 1) -> Sim:
    return Sim(1, counters, backend=backend, live="owner", ticker=False, owners=owners)


def door(sim: Sim) -> OwnerDoor:
    assert isinstance(sim.door, OwnerDoor)
    return sim.door


def mood(sim: Sim) -> Moody:
    return cast(Moody, sim.backend)


def wire(sim: Sim, person: Person) -> LinkWire:
    assert person.link is not None
    return door(sim).wires[person.link.id]


def told(person: Person, kind: str, since: int = 0) -> list[dict[str, Any]]:
    return [message for text in person.log[since:] if (message := json.loads(text))["type"] == kind]
