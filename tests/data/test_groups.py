"""Several calls in one commit: what they leave, and what each of their steps is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.data.errors import BadRequest, StoreFailed
from chalicelib.data.store import Key, Put
from chalicelib.data.tables import all_specs
from chalicelib.data.trace import tracing
from chalicelib.runtime.attempts import Wanted
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.lines import LARGEST_GROUP, Ticket
from chalicelib.runtime.logs import Log
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.scheduling import Run
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore
from tests.data.mutants import GROUP_MUTANTS
from tests.data.sea import Berth, Boat
from tests.support.stores import Around

Body = Callable[[Run], str]


class Harbour(Around):
    """A store to which something happens just before, or just after, the next transaction."""

    def __init__(self) -> None:
        super().__init__(SqliteStore(":memory:", all_specs()))
        self.before: list[Callable[[], Any]] = []
        self.after: list[Callable[[], Any]] = []
        self.commits: list[int] = []
        executor = Executor(self, Registry(), SystemClock(), development=True)
        self.transactor = executor._transactor

    def transact(self, actions: Any) -> None:
        if self.before:
            self.before.pop(0)()
        super().transact(actions)
        self.commits.append(sum(isinstance(each, Put) and each.table == "commits" for each in actions))
        if self.after:
            self.after.pop(0)()

    def call(self, body: Body, id: str, **about: Any) -> Ticket:
        wanted = Wanted("acme", "test", body, f"acme|{id}", id, about.pop("connection", ""), Log("test", "acme"), **about)
        return Ticket(wanted, SystemClock().now_ms() + 5000)

    def serve(self, *bodies: Body) -> list[Ticket]:
        """These calls as one group; number 0 first."""
        tickets = [self.call(body, f"c{number}") for number, body in enumerate(bodies)]
        self.transactor._serve(tickets)
        return tickets

    def alone(self, body: Body, id: str = "other") -> str:
        ticket = self.call(body, id)
        self.transactor._serve([ticket])
        return told(ticket)

    def boats(self) -> dict[str, int]:
        return {item["pk"].rsplit("|", 1)[-1]: item["crew"] for item in self.scan("seaBoats").items}


def told(ticket: Ticket) -> str:
    """What a caller hears."""
    assert ticket.verdict is not None
    if ticket.verdict.refusal is not None:
        return f"refused: {ticket.verdict.refusal}"
    assert ticket.verdict.receipt is not None
    return ticket.verdict.receipt.result


def launch(name: str, crew: int = 0) -> Body:
    def body(run: Run) -> str:
        run.log(f"launching {name}")
        run.db.insert(Boat(id=name, harbour="h", crew=crew))
        return f'"{name}"'

    return body


def board(name: str, by: int = 1) -> Body:
    def body(run: Run) -> str:
        boat = run.db.get(Boat, name)
        if boat is None:
            raise BadRequest(f"no boat {name}")
        return str(run.db.patch(boat, crew=boat.crew + by).crew)

    return body


def moor(name: str, number: int) -> Body:
    def body(run: Run) -> str:
        run.db.insert(Berth(id=name, number=number))
        return f'"{name}"'

    return body


def moor_unless_manned(name: str, number: int, boat: str) -> Body:
    def body(run: Run) -> str:
        if board_of(run, boat):
            return '"stays"'
        return moor(name, number)(run)

    return body


def board_of(run: Run, boat: str) -> int:
    found = run.db.get(Boat, boat)
    return 0 if found is None else found.crew


def refuse_if_empty(boat: str, own: str) -> Body:
    """Refuses as long as the boat has nobody; what it had written until then is taken back."""

    def body(run: Run) -> str:
        run.db.insert(Berth(id=own, number=77))
        if not board_of(run, boat):
            raise BadRequest(f"{boat} is empty")
        return '"sails"'

    return body


names = st.sampled_from(("a", "b", "c"))
CALLS = st.lists(
    st.one_of(
        st.builds(launch, names),
        st.builds(board, names),
        st.builds(moor, names, st.integers(1, 2)),
        st.builds(refuse_if_empty, names, names),
    ),
    min_size=2,
    max_size=LARGEST_GROUP,
)


@given(CALLS)
def test_a_group_leaves_and_tells_what_its_calls_would_one_after_the_other(calls: list[Body]) -> None:
    group, row = Harbour(), Harbour()
    grouped = group.serve(*calls)
    single = [row.call(body, f"c{number}") for number, body in enumerate(calls)]
    for ticket in single:
        row.transactor._serve([ticket])
    assert [told(ticket) for ticket in grouped] == [told(ticket) for ticket in single]
    assert _documents(group) == _documents(row)
    assert _touched(grouped) == _touched(single)
    assert len(group.commits) <= 1


def _documents(harbour: Harbour) -> list[Any]:
    own = ("pk", "harbour", "rank", "crew", "number", "dpk")
    tables = ("seaBoats", "seaBerths", "claims")
    return [[[item.get(name) for name in own] for item in harbour.scan(table).items] for table in tables]


def _touched(tickets: list[Ticket]) -> list[Any]:
    """The addresses; a position may hold the moment."""
    receipts = [each.verdict.receipt for each in tickets if each.verdict and each.verdict.receipt]
    return [sorted(address for address, _ in receipt.touched) for receipt in receipts]


def refused_reads_are_conditions() -> None:
    """What made a function refuse must hold when the others commit."""
    harbour = Harbour()
    harbour.alone(launch("x"), "first")
    harbour.before.append(lambda: harbour.alone(board("x")))
    group = harbour.serve(launch("y"), refuse_if_empty("x", "b"))
    assert [told(each) for each in group] == ['"y"', '"sails"']


def refusals_are_told_after_the_commit() -> None:
    """A refusal that another call's write has caused, and that write was never committed."""
    harbour = Harbour()
    harbour.alone(launch("x"), "first")
    harbour.before.append(lambda: harbour.alone(board("x")))
    group = harbour.serve(moor_unless_manned("a", 1, "x"), moor("b", 1))
    assert [told(each) for each in group] == ['"stays"', '"b"']


def a_call_taken_back_gives_up_what_it_claimed() -> None:
    """A refused call has taken a berth; the next one gets it."""
    harbour = Harbour()
    group = harbour.serve(launch("y"), refuse_if_empty("x", "b"), moor("c", 77))
    assert told(group[2]) == '"c"'
    assert [item["dpk"].rsplit("|", 1)[-1] for item in harbour.scan("claims").items] == ["c"]


def a_repeat_has_its_first_answer() -> None:
    """A call is committed under its id while the group runs: it drops out, and the rest are run again."""
    harbour = Harbour()
    harbour.alone(launch("x"), "first")
    harbour.before.append(lambda: harbour.alone(board("x"), "c1"))
    group = harbour.serve(board("x"), board("x"), board("x"))
    assert [told(each) for each in group] == ["2", "1", "3"]
    assert harbour.boats() == {"x": 3}


def a_repeat_is_not_refused() -> None:
    """The first try of a call has launched the boat, and its answer was lost: its second try finds the boat there."""
    harbour = Harbour()
    late = Harbour.call(harbour, launch("x"), "c1")
    harbour.before.append(lambda: harbour.transactor._serve([late]))
    group = harbour.serve(launch("y"), refuse_if_there("x"))
    assert [told(each) for each in group] == ['"y"', '"x"']


def refuse_if_there(name: str) -> Body:
    def body(run: Run) -> str:
        raise BadRequest(f"{name} is there, or so it seems")

    return body


def nothing_is_told_before_the_commit() -> None:
    """COMMIT fails, and nothing was written: all are run again."""
    harbour = Harbour()
    harbour.alone(launch("x"), "first")

    def fail() -> None:
        harbour.before.append(lambda: harbour.alone(board("x", 10)))
        raise StoreFailed("the disk is gone for a moment")

    harbour.before.append(fail)
    group = harbour.serve(board("x"), board("x"))
    assert [told(each) for each in group] == ["11", "12"]
    assert harbour.boats() == {"x": 12}


STEPS: dict[str, Callable[[], None]] = {
    "refused reads dropped": refused_reads_are_conditions,
    "refusals before the commit": refusals_are_told_after_the_commit,
    "a savepoint keeps a claim": a_call_taken_back_gives_up_what_it_claimed,
    "a repeat in a group not looked for": a_repeat_has_its_first_answer,
    "a refused call not looked for": a_repeat_is_not_refused,
    "answers before the commit": nothing_is_told_before_the_commit,
}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_of_a_group_matters(step: str) -> None:
    """The story is well with all steps on, and is not with this one off."""
    STEPS[step]()
    with GROUP_MUTANTS[step](), pytest.raises(AssertionError):
        STEPS[step]()


def test_a_lost_answer_of_a_group_is_looked_up_once() -> None:
    harbour = Harbour()

    def lose() -> None:
        raise StoreFailed("the answer was lost")

    harbour.after.append(lose)
    group = harbour.serve(launch("x"), board("x"), refuse_if_empty("z", "b"))
    assert [told(each) for each in group] == ['"x"', "1", "refused: z is empty"]
    assert harbour.commits == [2]
    assert [each.runs for each in group] == [1, 1, 1]


def test_a_group_that_is_cancelled_is_halved_and_every_call_takes_effect_once() -> None:
    harbour = Harbour()
    harbour.alone(launch("x"), "first")
    harbour.before += [lambda number=number: harbour.alone(board("x", 100), f"o{number}") for number in range(3)]
    group = harbour.serve(*[board("x") for _ in range(8)])
    assert sorted(int(told(each)) % 100 for each in group) == list(range(1, 9))
    assert harbour.boats() == {"x": 308}


def test_what_does_not_fit_is_committed_next_and_in_order() -> None:
    harbour = Harbour()

    def fleet(name: str, size: int) -> Body:
        def body(run: Run) -> str:
            before = run.db.get(Boat, "log")
            for number in range(size):
                run.db.insert(Boat(id=f"{name}{number}", harbour=f"h{number}"))
            if before is None:
                run.db.insert(Boat(id="log", harbour="h", crew=1))
                return "1"
            return str(run.db.patch(before, crew=before.crew + 1).crew)

        return body

    group = harbour.serve(fleet("a", 20), fleet("b", 25), fleet("c", 1), fleet("d", 1))
    assert [told(each) for each in group] == ["1", "2", "3", "4"]
    assert harbour.commits == [1, 3]


def test_calls_that_are_too_large_are_refused_alone_and_by_name() -> None:
    harbour = Harbour()

    def many(run: Run) -> str:
        for number in range(101):
            run.db.insert(Boat(id=f"m{number}", harbour="h"))
        return "null"

    group = harbour.serve(launch("x"), many, launch("y"))
    assert [told(each)[:24] for each in group] == ['"x"', "refused: test would need", '"y"']
    assert sorted(harbour.boats()) == ["x", "y"]


def test_a_call_that_is_sent_twice_at_once_takes_effect_once_and_both_are_answered() -> None:
    harbour = Harbour()
    harbour.alone(launch("x"), "first")
    tickets = [harbour.call(board("x"), id, keyed=True) for id in ("k", "k", "l")]
    harbour.transactor._serve(tickets)
    assert [told(each) for each in tickets] == ["1", "1", "2"]


def test_a_group_of_refusals_only_commits_nothing() -> None:
    harbour = Harbour()
    group = harbour.serve(refuse_if_empty("x", "a"), board("y"))
    assert [told(each) for each in group] == ["refused: x is empty", "refused: no boat y"]
    assert harbour.commits == []


def test_each_commit_carries_its_own_request_connection_and_lines() -> None:
    harbour = Harbour()
    tickets = []
    for number in range(2):
        with tracing(f"request-{number}"):
            tickets.append(harbour.call(launch(f"x{number}"), f"c{number}", connection=f"socket-{number}"))
    harbour.transactor._serve(tickets)
    rows = [harbour.get(Key("commits", f"acme|c{number}")) for number in range(2)]
    assert [(row["trace"], row["connection"], row["logs"]) for row in rows if row] == [
        (f"request-{number}", f"socket-{number}", [f"[LOG] 'launching x{number}'"]) for number in range(2)
    ]
    assert [each.wanted.log.lines for each in tickets] == [[f"[LOG] 'launching x{number}'"] for number in range(2)]


def look(name: str) -> Body:
    def body(run: Run) -> str:
        return str(board_of(run, name))

    return body


def test_calls_that_only_read_see_the_others_and_leave_a_row_only_under_a_key() -> None:
    harbour = Harbour()
    harbour.alone(launch("x"), "first")
    tickets = [
        harbour.call(look("x"), "a"),
        harbour.call(board("x"), "b"),
        harbour.call(look("x"), "c", keyed=True),
        harbour.call(look("x"), "d"),
    ]
    harbour.before.append(lambda: harbour.alone(board("x", 10)))
    harbour.transactor._serve(tickets)
    assert [told(each) for each in tickets] == ["10", "11", "11", "11"]
    assert [harbour.get(Key("commits", f"acme|{id}")) is not None for id in "abcd"] == [False, True, True, False]


def test_a_group_that_only_reads_is_true_at_one_instant() -> None:
    harbour = Harbour()
    harbour.alone(launch("x"), "first")
    tickets = [harbour.call(look("x"), "a"), harbour.call(look("x"), "b", keyed=True)]
    harbour.before.append(lambda: harbour.alone(board("x", 10)))
    harbour.transactor._serve(tickets)
    assert [told(each) for each in tickets] == ["10", "10"]
    assert harbour.get(Key("commits", "acme|b")) is not None


def test_a_repeat_that_would_not_fit_any_more_has_its_first_answer() -> None:
    harbour = Harbour()

    def many(run: Run) -> str:
        size = 1 + 101 * board_of(run, "x")
        for number in range(size):
            run.db.insert(Boat(id=f"m{size}-{number}", harbour="h"))
        return str(size)

    assert harbour.alone(many, "k") == "1"
    harbour.alone(launch("x", crew=1), "later")
    assert harbour.alone(many, "k") == "1"
    assert harbour.alone(many, "l").startswith("refused: test would need")
