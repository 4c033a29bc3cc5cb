"""The states of a worker and of an agent's session: every pair of states, as the table says and not otherwise."""

from __future__ import annotations

from itertools import product

import pytest
from concave_worker.states import ENGINE, HISTORY, WORKER, EngineState, Forbidden, Machine, WorkerState

WORKER_PAIRS = """
uninitialized registering; uninitialized connecting; uninitialized stopped; uninitialized error
registering waiting_approval; registering stopping; registering error
waiting_approval connecting; waiting_approval stopping; waiting_approval error
connecting ready; connecting waiting_approval; connecting stopping; connecting error
ready connecting; ready stopping; ready error
stopping stopped; stopping error
error connecting; error stopping; error stopped
"""
ENGINE_PAIRS = """
none starting; none closed
starting ready; starting lost; starting error; starting none; starting closed
ready busy; ready none; ready closed
busy ready; busy none; busy error; busy closed
lost starting; lost ready; lost closed
error none; error closed
"""


def pairs(text: str) -> set[tuple[str, ...]]:
    return {tuple(each.split()) for line in text.strip().splitlines() for each in line.split("; ")}


@pytest.mark.parametrize(("states", "table", "text"), [(WorkerState, WORKER, WORKER_PAIRS), (EngineState, ENGINE, ENGINE_PAIRS)])
def test_exactly_these_changes_are_possible(
    states: type[WorkerState], table: dict[WorkerState, frozenset[WorkerState]], text: str
) -> None:
    assert set(table) == set(states)
    possible = pairs(text)
    for before, after in product(states, states):
        machine = Machine(table, before)
        if (before, after) in possible:
            machine.to(after)
            assert machine.state is after
        elif before is after and not machine.final:
            machine.to(after)
            assert not machine.history
        else:
            with pytest.raises(Forbidden):
                machine.to(after)
            assert machine.state is before


def test_a_final_state_refuses_everything_also_itself() -> None:
    machine = Machine(WORKER, WorkerState.STOPPED)
    assert machine.final
    for state in WorkerState:
        with pytest.raises(Forbidden):
            machine.to(state)


def test_it_tells_of_each_change_and_remembers_a_bounded_number() -> None:
    told: list[str] = []
    machine = Machine(WORKER, WorkerState.CONNECTING, lambda change: told.append(f"{change.before} {change.after} {change.why}"))
    for number in range(HISTORY):
        machine.to(WorkerState.READY, str(number))
        machine.to(WorkerState.CONNECTING)
    assert (len(told), told[0]) == (2 * HISTORY, "connecting ready 0")
    assert (len(machine.history), machine.history[-1].after) == (HISTORY, WorkerState.CONNECTING)
