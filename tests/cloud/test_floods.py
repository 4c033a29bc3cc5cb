"""Floods: who asks for too much is refused, and nobody else waits for that."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.runtime.rates import BURST_S
from infra.smoke.socket import Socket
from tests.cloud.stage import Stage, until
from tests.infra.test_bundle import here_is_lambda

pytestmark = [here_is_lambda, pytest.mark.timeout(600)]

TASKS, CALLS = 2, 1
LIMITS = {"TASKS_PER_USER": str(TASKS), "TOKEN_BUDGET_PER_ORG": "1", "CALLS_PER_SECOND": str(CALLS)}
CHANGES = 8
IN_TIME_S = 10.0
"""A change is told within this, on a machine that also serves the flood: without one it is some tenths of a second."""
FLOODERS = 6


@pytest.fixture(scope="module")
def limited(stage: Stage) -> Iterator[Stage]:
    """The stage, whose HTTP function has low limits."""
    with stage.with_settings("api", **LIMITS):
        yield stage


class Person:
    """Somebody of an org, who asks by HTTP."""

    def __init__(self, stage: Stage, name: str, org: str) -> None:
        self._stage, self._header = stage, {"Authorization": f"Bearer {stage.issuer.token(name, org)}"}

    def asks(self, kind: str, path: str, **args: Any) -> tuple[int, str, Any]:
        """The status, the code of a refusal, the value; again when this person's own rate was met."""
        while True:
            status, told, headers = self._stage.ask("POST", f"/api/{kind}", {"path": path, "args": args}, **self._header)
            if status != 429:
                return status, (told.get("errorData") or {}).get("code", ""), told.get("value")
            time.sleep(float(headers["retry-after"]))


def test_a_user_has_so_many_tasks_and_the_others_of_the_org_have_theirs(limited: Stage) -> None:
    alice, bob = Person(limited, "alice", "flooded"), Person(limited, "bob", "flooded")
    made = [alice.asks("mutation", "tasks:create", title=f"{number}")[1] for number in range(TASKS + 2)]
    assert made == ["", "", "TooManyTasks", "TooManyTasks"]
    assert bob.asks("mutation", "tasks:create", title="mine")[1] == ""


def test_an_org_that_has_spent_its_tokens_is_refused_and_another_org_is_not(limited: Stage) -> None:
    def send(person: Person) -> str:
        session = person.asks("mutation", "chat:startSession")[2]
        return person.asks("mutation", "chat:sendMessage", sessionId=session, content="/say hello")[1]

    assert send(Person(limited, "alice", "spender")) == ""
    assert [send(Person(limited, name, "spender")) for name in ("alice", "bob")] == ["BudgetExceeded", "BudgetExceeded"]
    assert send(Person(limited, "alice", "thrifty")) == ""


class Flood:
    """Callers without a token who ask the same query as fast as they are answered; what they were told is counted."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._over, self.told, self.seconds = stage, threading.Event(), Counter[int](), 0.0
        self._threads = [threading.Thread(target=self._asks) for _ in range(FLOODERS)]

    def _asks(self) -> None:
        while not self._over.is_set():
            status, _, _ = self._stage.ask("POST", "/api/query", {"path": "counter:get", "args": {"name": "flooded"}})
            self.told[status] += 1

    def __enter__(self) -> Flood:
        self._began = time.monotonic()
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()
        self.seconds = time.monotonic() - self._began


def test_a_flood_of_anonymous_queries_is_refused_and_silences_no_post(limited: Stage) -> None:
    address = limited.url.replace("http", "ws", 1) + "/api/1.0.0/sync"
    writers = iter(Person(limited, f"writer-{number}", "flooded") for number in range(CHANGES + 1))
    with Socket(address, limited.issuer.token("bob", "flooded"), seconds=60) as socket:
        number = socket.follow("counter:get", {"name": "watched"})
        assert socket.value(number) == (True, 0)

        def told_after() -> float:
            count = next(writers).asks("mutation", "counter:add", name="watched")[2]
            written = time.monotonic()
            assert socket.value(number, lambda value: value >= count)[0]
            return time.monotonic() - written

        told_after()
        with Flood(limited) as flood:
            until(lambda: flood.told[429] > 0, "a flood is refused")
            late = [told_after() for _ in range(CHANGES)]
    assert max(late) < IN_TIME_S, late
    assert set(flood.told) == {200, 429}
    # Each environment counts for itself, and there are as many as calls at once.
    assert flood.told[200] <= (FLOODERS + 1) * CALLS * (BURST_S + flood.seconds)
