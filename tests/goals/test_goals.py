"""The table of goals: every goal is measured by a part, verdicts are on the right side, and what is missing is said."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.bench_peers import GOALS as BESIDE_OTHERS
from tests.goals.goal import BASES, GOALS, Found, table
from tests.goals.measure import parts

ROOT = Path(__file__).parents[2]


def lines(**found: Found) -> list[str]:
    return list(table(found))


def test_every_goal_has_a_part_that_measures_it_and_a_key_of_its_own() -> None:
    every = parts(1000)
    assert {goal.part for goal in GOALS} == set(every)
    assert max(Counter((goal.part, goal.key) for goal in GOALS).values()) == 1
    assert {goal.basis for goal in GOALS} == set(BASES)


def test_an_aim_is_never_easier_than_what_must_be() -> None:
    assert all(goal.aim <= goal.must if goal.sign == "≤" else goal.aim >= goal.must for goal in GOALS)
    musts = {goal.must for goal in GOALS if goal.part == "peers"}
    assert musts == {goal for *_, goal in BESIDE_OTHERS}, "make bench-peers names the same goals"


def test_a_figure_is_judged_on_its_own_side_of_the_sign() -> None:
    for goal in GOALS:
        worse = 1.01 if goal.sign == "≤" else 0.99
        assert goal.verdict(goal.aim) == "aim"
        assert goal.verdict(goal.must) in ("must", "aim")
        assert goal.verdict(goal.must * worse) == "NO"


def test_the_table_says_what_was_found_and_why_something_was_not() -> None:
    told = lines(pages=Found({"page": 94, "far ÷ near": 1.0}), peers=Found({}, "PocketBase: no program"))
    assert [line.split()[-2:] for line in told if "opened and closed" in line] == [["NO", "counted"]]
    assert sum("PocketBase: no program" in line for line in told) == 4
    assert any("1 aim, 0 must, 1 NO, 4 not measured" in line for line in told)


def test_a_part_that_there_is_not_is_refused_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench_goals", "nothing"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such part: nothing. There are: calls, pieces" in done.stderr


def test_one_part_is_measured_and_printed_with_its_goals() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench_goals", "calls"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    rows = [line for line in done.stdout.splitlines() if line.endswith("counted")]
    assert len(rows) == sum(goal.part == "calls" for goal in GOALS)
    assert not any(" - " in line for line in rows)
