"""Calls that wait in line: who leads, in which order they come, and that nobody is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from chalicelib.data.store import Key
from chalicelib.data.tables import all_specs
from chalicelib.runtime.attempts import LONG_MS, Verdict, Wanted
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.lines import LARGEST_GROUP, Lines, Ticket
from chalicelib.runtime.logs import Log
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.scheduling import Run
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore
from tests.data.mutants import LINE_MUTANTS
from tests.data.sea import Boat

ROW = Key("seaBoats", "x")


class Queue:
    """A line whose groups are served when a test says so."""

    def __init__(self, lines: Lines | None = None) -> None:
        self.lines = lines or Lines()
        self.gate = threading.Event()
        self.groups: list[list[str]] = []
        self.served = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def serve(self, group: Sequence[Ticket]) -> None:
        assert self.gate.wait(10)
        self.groups.append([ticket.wanted.commit_id for ticket in group])
        for ticket in group:
            ticket.decide(Verdict(refusal=KeyError(ticket.wanted.commit_id)))

    def come(self, name: str, serve: Callable[[Sequence[Ticket]], None] | None = None) -> Ticket:
        """One more caller, in a thread of its own; returns when it stands in the line."""
        ticket = Ticket(Wanted("acme", "test", lambda _run: "", name, "", "", Log()), 0)
        line = self.lines.of("acme", [ROW])
        assert line is not None
        standing = len(line._waiting)

        def stand() -> None:
            with suppress(SystemExit):
                line.stand(ticket, serve or self.serve)

        self.threads.append(threading.Thread(target=stand, daemon=True))
        self.threads[-1].start()
        while not (line._led and len(line._waiting) + (standing == 0) > standing) and self.threads[-1].is_alive():
            threading.Event().wait(0.001)
        return ticket

    def end(self) -> None:
        """Serve them all."""
        self.gate.set()
        for thread in self.threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in self.threads)


def test_the_first_leads_and_the_others_are_served_in_groups_in_the_order_in_which_they_came() -> None:
    queue = Queue()
    names = [f"c{number}" for number in range(1 + LARGEST_GROUP + 3)]
    for name in names:
        queue.come(name)
    queue.end()
    assert queue.groups == [names[:1], names[1 : 1 + LARGEST_GROUP], names[1 + LARGEST_GROUP :]]


def two_calls_of_one_socket_keep_their_order() -> None:
    executor = Executor(SqliteStore(":memory:", all_specs()), Registry(), SystemClock(), lines=Lines(one=True))
    order: list[int] = []
    started, go = threading.Event(), threading.Event()

    def first(run: Run) -> str:
        started.set()
        assert go.wait(10)
        run.db.insert(Boat(id="x", harbour="h"))
        return "null"

    def later(number: int) -> Callable[[Run], str]:
        def body(run: Run) -> str:
            boat = run.db.get(Boat, "x")
            assert boat is not None
            order.append(number)
            run.db.patch(boat, crew=number)
            return "null"

        return body

    threads = [threading.Thread(target=executor.transact, args=("acme", "test", first))]
    threads[0].start()
    assert started.wait(10)
    line = executor._transactor._lines.of("acme", [Key("*", "writer")])  # type: ignore[union-attr]
    assert line is not None
    for number in (1, 2, 3):
        threads.append(
            threading.Thread(target=executor.transact, args=("acme", "test", later(number)), kwargs={"connection": "one"})
        )
        threads[-1].start()
        while len(line._waiting) < number:
            threading.Event().wait(0.001)
    go.set()
    for thread in threads:
        thread.join(10)
    assert order == [1, 2, 3]


def test_two_calls_of_one_socket_keep_their_order() -> None:
    two_calls_of_one_socket_keep_their_order()
    with LINE_MUTANTS["last first"](), pytest.raises(AssertionError):
        two_calls_of_one_socket_keep_their_order()


def test_a_line_is_gone_when_nobody_stands_in_it_and_is_there_while_somebody_does() -> None:
    queue = Queue()
    queue.come("a")
    assert queue.lines.busy("acme", [Key("other", "y"), ROW]) is not None
    assert queue.lines.busy("another org", [ROW]) is None
    queue.end()
    assert queue.lines.busy("acme", [ROW]) is None


def test_who_comes_when_a_line_has_just_closed_is_told_so() -> None:
    queue = Queue()
    line = queue.lines.of("acme", [ROW])
    assert line is not None
    queue.come("a")
    queue.end()
    ticket = Ticket(Wanted("acme", "test", lambda _run: "", "b", "", "", Log()), 0)
    assert not line.stand(ticket, queue.serve)


def test_when_the_leader_dies_the_next_one_leads() -> None:
    queue = Queue()

    def dies(group: Sequence[Ticket]) -> None:
        assert queue.gate.wait(10)
        for ticket in group:
            ticket.decide(Verdict(refusal=KeyError("dead")))
        raise SystemExit

    queue.come("a", dies)
    later = [queue.come(name) for name in ("b", "c")]
    queue.end()
    assert queue.groups == [["b", "c"]]
    assert all(ticket.verdict is not None for ticket in later)


def test_a_call_whose_leader_was_stopped_in_the_middle_is_answered() -> None:
    """Ctrl-C reaches the thread that runs a group for others: they are told that nothing was committed."""
    executor = Executor(SqliteStore(":memory:", all_specs()), Registry(), SystemClock())
    log = Log("test", "acme")

    def stopped(run: Run) -> str:
        raise KeyboardInterrupt

    tickets = [
        Ticket(Wanted("acme", "test", body, f"acme|{number}", "", "", log), SystemClock().now_ms() + 1000)
        for number, body in enumerate((lambda _run: "null", stopped))
    ]
    with pytest.raises(KeyboardInterrupt):
        executor._transactor._serve(tickets)
    assert [type(each.verdict.refusal).__name__ for each in tickets if each.verdict] == ["Conflict", "Conflict"]


@pytest.mark.parametrize("one", [False, True])
def test_a_hundred_callers_in_eight_threads_all_count_once(one: bool) -> None:
    executor = Executor(SqliteStore(":memory:", all_specs()), Registry(), SystemClock(), lines=Lines(one=one))
    executor.transact("acme", "test", lambda run: run.db.insert(Boat(id="x", harbour="h")))
    told: list[int] = []

    def board(run: Run) -> str:
        boat = run.db.get(Boat, "x")
        assert boat is not None
        return str(run.db.patch(boat, crew=boat.crew + 1).crew)

    def many() -> None:
        for _ in range(13):
            told.append(executor.transact("acme", "test", board).value)

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == list(range(1, 105))


def test_a_function_that_takes_long_is_waited_for_once_and_then_races_beside_the_line() -> None:
    executor = Executor(SqliteStore(":memory:", all_specs()), Registry(), SystemClock(), lines=Lines(one=True))
    started, go = threading.Event(), threading.Event()
    executor.transact("acme", "quick", lambda run: run.db.insert(Boat(id="x", harbour="h")))

    def slow(run: Run) -> str:
        boat = run.db.get(Boat, "x")
        assert boat is not None
        threading.Event().wait(LONG_MS / 1000 + 0.02)
        return str(run.db.patch(boat, crew=boat.crew + 1).crew)

    def slower(run: Run) -> str:
        started.set()
        assert go.wait(10)
        return slow(run)

    def quick(run: Run) -> str:
        return run.db.insert(Boat(harbour="h")) and "null"

    executor.transact("acme", "slow", slow)
    thread = threading.Thread(target=executor.transact, args=("acme", "slow", slower))
    thread.start()
    assert started.wait(10)
    for _ in range(3):
        executor.transact("acme", "quick", quick)  # would wait for ever in the slow one's line
    go.set()
    thread.join(10)
    assert executor.store.get(Key("seaBoats", "acme|seaBoats|x"))["crew"] == 2  # type: ignore[index]
