"""On a real DynamoDB engine, by the road that the cloud takes: lost answers, phantoms, torn reads."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib import Index, QueryCtx, Table, query
from chalicelib.data.store import Store
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import User
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.scheduling import Run
from chalicelib.wiring import SystemClock
from tests.support import engine

EVERY = 29
"""Each so-manieth answer of the engine is lost."""
THREADS = 10


class Purse(Table, name="walkPurses"):
    """A number."""

    value: int = 0


class Guest(Table, name="walkGuests"):
    """Somebody in a house."""

    house: str
    by_house = Index("house")


class Line(Table, name="walkLines", key=("page", "number"), stream=True):
    """A line of a streamed log, written by single puts."""

    page: str
    number: int


SPECS = [*SYSTEM_SPECS, *(spec(table) for table in (Purse, Guest, Line))]


class Road:
    """A TCP proxy before the engine that cuts the connection instead of handing over every `EVERY`th answer."""

    def __init__(self, port: int) -> None:
        self._port, self._answers, self.lost = port, itertools.count(1), 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:  # closed
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                # One connection asks one thing at a time, so an answer begins where its status line does.
                if answers and data.startswith(b"HTTP/1.1") and next(self._answers) % EVERY == 0:
                    self.lost += 1
                    break
                target.sendall(data)
        except OSError:
            pass  # the other direction has ended it
        for each in (source, target):
            with contextlib.suppress(OSError):  # it was over already
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        """End it."""
        self._server.close()


@pytest.fixture(scope="module")
def running() -> Iterator[engine.Engine]:
    engine.require_engine()
    started = engine.Engine()
    yield started
    started.kill()


def store_at(url: str, prefix: str) -> Store:
    """A store on the engine, with tables of its own."""
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    client = connect(url)
    ensure_tables(client, models(SPECS, prefix).values())
    return DynamoStore(SPECS, prefix, client=client)


def did(store: Store, work: Callable[[Any], Any]) -> Any:
    """Commit some work."""
    found: list[Any] = []

    def body(run: Run) -> str:
        found.append(work(run.db))
        return "null"

    Executor(store, Registry(), SystemClock()).transact("acme", "test", body)
    return found[-1]


def count(db: Any, name: str) -> None:
    """Add one."""
    purse = db.get(Purse, name)
    if purse is None:
        db.insert(Purse(id=name, value=1))
    else:
        db.patch(purse, value=purse.value + 1)


def test_500_increments_are_500_though_answers_are_lost(running: engine.Engine) -> None:
    """Half of them by transactions, half by single puts, which other threads repeat."""
    store_at(running.url, "lost-")
    road = Road(int(running.url.rpartition(":")[2]))
    store = store_at(road.url, "lost-")
    executor = Executor(store, Registry(), SystemClock())

    def work(thread: int) -> list[bool]:
        for _ in range(25):
            did(store, lambda db: count(db, f"purse-{thread % 5}"))
        return [executor.append("acme", Line(id=f"l{thread}-{each}", page="p", number=thread * 25 + each)) for each in range(25)]

    with ThreadPoolExecutor(THREADS) as pool:
        mine = [each for part in pool.map(work, range(THREADS)) for each in part]
    road.close()
    assert road.lost > 20
    straight = store_at(running.url, "lost-")
    assert [did(straight, lambda db, n=n: db.get(Purse, f"purse-{n}").value) for n in range(5)] == [50] * 5
    assert mine == [True] * 250
    assert len(did(straight, lambda db: db.peek_log(Line.log("p"), 1000))) == 250


def test_one_of_twenty_enters_an_empty_house_and_all_enter_houses_of_their_own(running: engine.Engine) -> None:
    store = store_at(running.url, "empty-")

    def enter(guest: int, house: str) -> bool:
        def work(db: Any) -> bool:
            free = not db.query(Guest.by_house(house)).take(1)
            if free:
                db.insert(Guest(id=f"{house}-{guest}", house=house))
            return free

        return bool(did(store, work))

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(lambda guest: enter(guest, "one"), range(20))) == 1
        assert all(pool.map(lambda guest: enter(guest, f"own-{guest}"), range(20)))


@query
def total(ctx: QueryCtx) -> int:
    """What both purses hold."""
    return sum(purse.value for name in ("a", "b") if (purse := ctx.db.get(Purse, name)) is not None)


def test_a_sum_is_the_same_while_a_writer_moves_between_its_parts(running: engine.Engine) -> None:
    store = store_at(running.url, "sum-")
    did(store, lambda db: [db.insert(Purse(id=name, value=50)) for name in ("a", "b")])
    done = threading.Event()

    def move(db: Any) -> None:
        one, two = db.get(Purse, "a"), db.get(Purse, "b")
        db.patch(one, value=one.value - 1)
        db.patch(two, value=two.value + 1)

    def write() -> None:
        for _ in range(150):
            did(store, move)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    registry = Registry()
    registry.add(total, "test")
    executor, sums = Executor(store, registry, SystemClock()), list[int]()
    while not done.is_set():
        sums.append(executor.query("test:total", {}, User(subject="x", issuer="https://test", org="acme")).value)
    writer.join()
    assert len(sums) > 3
    assert {*sums} == {100}
