"""People use everything at once while whatever may go wrong for one process does, and then all must be well."""

from __future__ import annotations

import pytest

from tests.live.owner_worlds import WORLDS, run

SEEDS = 16


@pytest.mark.parametrize("name", WORLDS)
def test_everybody_is_told_the_truth_in_every_world(name: str) -> None:
    for seed in range(SEEDS):
        run(name, seed)


@pytest.mark.parametrize("name", ["rough", "hard"])
def test_a_process_that_is_killed_takes_nothing_with_it_that_was_answered(name: str) -> None:
    for seed in range(SEEDS):
        run(name, seed, people=3, deaths=2)


@pytest.mark.parametrize("name", WORLDS)
def test_several_processes_on_one_store_tell_each_others_commits(name: str) -> None:
    for seed in range(SEEDS // 2):
        run(name, seed, owners=2)


def test_the_same_seed_is_the_same_run() -> None:
    assert [len(person.log) for person in run("hard", 7).people] == [len(person.log) for person in run("hard", 7).people]
