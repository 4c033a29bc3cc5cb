"""A whole backend in one process: real functions, real SQLite store, the real SDK against the scripted model.

Nothing runs by itself: a test says when jobs run (`house.work()`), when the sweep looks (`house.sweep()`), and what time it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.data.store import Store
from chalicelib.data.tables import all_specs
from chalicelib.runtime.identity import User
from chalicelib.runtime.operators import Role, mint, public_half
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.registry import load
from chalicelib.settings import Settings
from infra.local.faults.counting import CountingStore
from infra.local.model.server import Pace, ScriptedModel
from infra.local.sqlite.schema import items_table
from infra.local.sqlite.store import SqliteStore
from tests.support.push_service import PushService


class MovingClock(wiring.SystemClock):
    """The machine's clock, some milliseconds ahead."""

    ahead = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead

    def now_ns(self) -> int:
        return super().now_ns() + self.ahead * 1_000_000


class Later:
    """An invoker that keeps what it was handed."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.waits: dict[str, int] = {}
        """By a job's id: so many milliseconds it has to wait, of those that were told so."""

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        self.asked.append((function, payload))

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        self.asked.append((function, payload))
        if delay_ms > 0 and "jobId" in payload:
            self.waits[payload["jobId"]] = delay_ms


class Waiting(Later):
    """An invoker that keeps what is to be started later apart, until time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.delayed: list[tuple[str, dict[str, Any]]] = []

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        (self.delayed if delay_ms > 0 else self.asked).append((function, payload))


SIGNS = "5" * 64
"""The private key of the deployment's operators."""
"""What signs operators' keys here."""


class Nobody:
    """A gateway without clients."""

    def post(self, connection: str, text: str) -> str:
        return "gone"

    def close(self, connection: str) -> bool:
        return True


class Person:
    """Somebody who calls functions. Refusals are raised as `Refusal`."""

    def __init__(self, house: House, user: User | None) -> None:
        self.house, self.user = house, user

    def mutation(self, path: str, **args: Any) -> Any:
        return _value(self.house.backend.executor.mutation(path, args, self.user))

    def query(self, path: str, **args: Any) -> Any:
        return _value(self.house.backend.executor.query(path, args, self.user))

    def action(self, path: str, **args: Any) -> Any:
        return _value(self.house.backend.executor.action(path, args, self.user))


class Refusal(Exception):
    """What a function refused: its tag, and the message."""

    def __init__(self, outcome: Outcome) -> None:
        assert outcome.error is not None
        super().__init__(outcome.error.message)
        self.tag, self.data = outcome.error.tag, outcome.error.data


def _value(outcome: Outcome) -> Any:
    if not outcome.ok:
        raise Refusal(outcome)
    return outcome.value


class House:
    """The backend and its surroundings."""

    def __init__(self, model: ScriptedModel, store: Store | None = None, gateway: Any = None, **settings: Any) -> None:
        self.model, self.clock, self.later = model, MovingClock(), Later()
        settings = {
            "run_lease_s": 60,
            "chunk_flush_ms": 5,
            "workers_shared": ("*",),
            "operator_public_keys": (public_half(SIGNS),),
            **settings,
        }
        config = Settings(model_url=model.url, anthropic_key="scripted", **settings)
        registry = load(("chalicelib.functions",))
        self.store = CountingStore(store or SqliteStore(":memory:", all_specs()), all_specs())
        parts = wiring.Parts(self.store, self.later, gateway or Nobody(), self.clock, [], model.url, config)  # type: ignore[arg-type]
        self.backend = wiring.build(config, registry, parts)

    def person(self, name: str, org: str = "acme", roles: tuple[str, ...] = ()) -> Person:
        return Person(self, User(subject=name, issuer="https://test", org=org, roles=roles))

    def operator(self, subject: str | None = None, role: Role = "edit", org: str = "acme", name: str = "cli") -> Person:
        """Somebody with an operator's key, acting as a user or as the service."""
        acting = {"org": org} if subject is None else {"org": org, "subject": subject}
        return Person(self, self.backend.operators.user(mint(SIGNS, role, name), acting))

    def anybody(self) -> Person:
        return Person(self, None)

    def work(self) -> int:
        """Run handed-over jobs until none is left; time passes where all of them have to wait. Returns how many ran."""
        ran = 0
        while self.later.asked:
            waits = [self.later.waits.get(payload.get("jobId", ""), 0) for _, payload in self.later.asked]
            if wait := min(waits):
                self.clock.ahead += wait
                self.later.waits.clear()  # the others are told again
            function, payload = self.later.asked.pop(waits.index(wait))
            if function in ("run_job", "generate"):
                self.backend.run_job(payload)
                ran += 1
        return ran

    def sweep(self) -> None:
        self.backend.sweep()

    def rows(self, table: str) -> int:
        """How many items of any org a table of the SQLite store holds."""
        store: Any = self.store.inner
        name = items_table(next(spec for spec in all_specs() if spec.name == table))
        return int(store._db.execute(f"SELECT count(*) FROM {name}").fetchone()[0])


def patient(model: ScriptedModel, store: Store | None = None, **settings: Any) -> House:
    """A house where what is to happen in a second does not happen at once."""
    made = House(model, store, **settings)
    made.later = made.backend.jobs.invoker = Waiting()
    return made


def pass_by(house: House, ms: int = 2_000) -> None:
    """Let time pass, and what was waiting for it happen."""
    house.clock.ahead += ms
    assert isinstance(house.later, Waiting)
    house.later.asked = house.later.delayed + house.later.asked
    house.later.delayed = []
    house.sweep()
    house.work()


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=0, first_token_s=0)) as running:
        yield running


@pytest.fixture
def house(model: ScriptedModel) -> House:
    return House(model)


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


@pytest.fixture(params=["sqlite", "dynamo"])
def either(request: pytest.FixtureRequest, model: ScriptedModel) -> Iterator[House]:
    """A house on each store."""
    from tests.support.conversations import dynamo_house  # which knows this file

    if request.param == "sqlite":
        yield House(model)
    else:
        with dynamo_house(model) as made:
            yield made


@pytest.fixture
def service() -> Iterator[PushService]:
    """A push service on loopback."""
    with PushService() as running:
        yield running
