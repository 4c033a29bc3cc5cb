"""Servers, clients and trouble: processes killed with -9 and started again, roads cut, answers of the store lost."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.histories.checker import Versions, check
from tests.histories.clients import Caller, Visitor, steps
from tests.histories.history import History
from tests.support.engine import Engine
from tests.support.road import HOST, Road
from tests.walk.conftest import on
from tests.walk.server import Served

CALLERS, VISITORS, KEYS, GENERATION = 5, 2, ("d0", "d1", "i0", "i1", "i2"), 80
LEAST = (20, 5)
"""A world goes on until more calls than this have gone well, and more values were shown live."""
LOST = 400
"""Each so-manieth answer of the DynamoDB engine is lost."""
KINDS = ("sqlite-owner", "sqlite-rows", "dynamodb-owner", "dynamodb-rows")


@dataclass
class Told:
    """What a world came to: anomalies, and what happened in it."""

    anomalies: list[str]
    outcomes: Counter[str]
    trouble: Counter[str]
    history: History = field(repr=False, default_factory=History)


@contextmanager
def servers(kind: str, folder: Path) -> Iterator[tuple[list[Served], list[Road], Counter[str]]]:
    """A server on SQLite, or two on one DynamoDB engine that loses answers; and a road to each."""
    store, _, live = kind.partition("-")
    lost = Counter[str]()
    with ExitStack() as stack:
        env = {
            "LIVE": live,
            "CALLS_PER_SECOND": "0",
            "CONCAVE_APPS": "chalicelib.functions,tests.apps.lists",
            "ALLOWED_HOSTS": HOST,
        }
        if store == "dynamodb":
            engine = Engine(folder / "engine.db")
            stack.callback(engine.kill)
            answers = itertools.count(1)

            def lose(part: bytes) -> bool:
                # A connection asks one thing at a time, so an answer begins where its status line does.
                gone = part.startswith(b"HTTP/1.1") and next(answers) % LOST == 0
                lost["answers of the store lost"] += gone
                return gone

            road = Road(int(engine.url.rpartition(":")[2]), lose)
            stack.callback(road.close)
            env |= on(engine) | {"DYNAMODB_ENDPOINT_URL": road.url}
        up, roads = [], []
        for number in range(2 if store == "dynamodb" else 1):
            up.append(Served(folder / f"server-{number}", **env))
            stack.callback(up[-1].kill)
            roads.append(Road(int(up[-1].port)))
            stack.callback(roads[-1].close)
        yield up, roads, lost


class Crowd:
    """Clients that append and read until they are stopped. Keys change as lists grow."""

    def __init__(self, seed: int, roads: list[Road]) -> None:
        self.seed, self.roads = seed, roads
        self.history, self.stopped, self.errors = History(), threading.Event(), list[BaseException]()
        self.used = set[str]()
        self._numbers, self._calls = itertools.count(1), itertools.count()
        works = [self._caller] * CALLERS + [self._visitor] * VISITORS
        self.threads = [threading.Thread(target=self._run, args=(work, me)) for me, work in enumerate(works)]
        for each in self.threads:
            each.start()

    def _run(self, work: object, me: int) -> None:
        try:
            assert callable(work)
            work(random.Random(f"{self.seed} {me}"), me)
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's, which raises it
            self.errors.append(error)

    def keys(self) -> list[str]:
        """Those that are used now."""
        generation = next(self._calls) // GENERATION
        now = [f"{key}-{generation}" for key in KEYS]
        self.used |= set(now)
        return now

    def _number(self) -> int:
        return next(self._numbers)

    def _roads(self, rng: random.Random) -> str:
        return rng.choice(self.roads).url

    def _caller(self, rng: random.Random, me: int) -> None:
        keys = self.keys()
        caller = Caller(lambda: self._roads(rng), self.history, keys, self.stopped)
        while not self.stopped.is_set():
            now = self.keys()
            if now[0] != keys[0]:  # it watches others from its next connection on, as somebody new
                keys = now
                caller.leave()
                caller = Caller(lambda: self._roads(rng), self.history, keys, self.stopped)
            made = steps(rng, keys, self._number)
            if rng.random() < 0.01:
                caller.abandon(made)
            else:
                caller.call(made)
        caller.leave()

    def _visitor(self, rng: random.Random, me: int) -> None:
        visitor = Visitor(lambda: self._roads(rng), self.history)
        while not self.stopped.is_set():
            keys = self.keys()
            if rng.random() < 0.4:
                visitor.look(rng.sample(keys, 3))
            else:
                visitor.call(steps(rng, keys, self._number))
            self.stopped.wait(0.01 if visitor.heard else 0.3)

    def stop(self) -> None:
        """Until everybody is gone. Raises what went wrong in a thread."""
        self.stopped.set()
        for each in self.threads:
            each.join(60)
        if self.errors:
            raise self.errors[0]


def enough(crowd: Crowd, until: float) -> None:
    """Wait until so much was done and seen that a verdict means something: on a busy machine a server takes long to come back."""
    crowd.stopped.wait(0.5)
    while any(each <= least for each, least in zip(crowd.history.done(), LEAST, strict=True)) and time.monotonic() < until:
        crowd.stopped.wait(0.5)


def run(kind: str, seed: int, seconds: float, folder: Path) -> Told:
    """One world: so long there is trouble; then all is quiet, everything is read once more, and the history is judged."""
    rng, trouble = random.Random(seed), Counter[str]()
    with servers(kind, folder) as (up, roads, lost):
        crowd = Crowd(seed, roads)
        try:
            until = time.monotonic() + seconds
            for turn in itertools.count():
                if turn > 1 and time.monotonic() > until:
                    break
                crowd.stopped.wait(rng.uniform(0.3, 1.5))
                number = rng.randrange(len(up))
                if turn == 1 or (turn > 1 and rng.random() < 0.4):
                    up[number].kill()
                    trouble["servers killed"] += 1
                    up[number].start()
                else:
                    trouble["connections cut"] += roads[number].cut()
            enough(crowd, time.monotonic() + 60)
        finally:
            crowd.stop()
        final = _final(up[0].url, crowd)
        trouble += lost
    outcomes = Counter(
        "shown live" if each.outcome == "ok" and each.ended is None else each.outcome for each in crowd.history.transactions
    )
    return Told(check(crowd.history.transactions, final), outcomes, trouble, crowd.history)


def _final(url: str, crowd: Crowd) -> Versions:
    """Every list, read by somebody new; again when what nobody waited for is still being done."""
    visitor, found = Visitor(lambda: url, History()), dict[str, tuple[int, ...]]()
    for key in sorted(crowd.used):
        seen = visitor.look([key])
        for _ in range(20):
            if seen is not None:
                break
            time.sleep(0.2)  # the store's answer was lost, for once
            seen = visitor.look([key])
        assert seen is not None, f"{key} cannot be read"
        found[key] = seen[0].saw or ()
    return found


def dump(told: Told) -> str:
    """A history as lines of JSON, for whoever looks for the reason."""
    return "\n".join(
        json.dumps([each.name, each.outcome, each.began, each.ended, repr(each.steps)]) for each in told.history.transactions
    )
