"""The page about scale says what the simulation prints, and the simulation is a simulation of limits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.bench_scale import USERS, WALLS, lines, simulate

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()


def test_the_page_holds_the_table_that_the_simulation_prints() -> None:
    assert "\n".join(lines()) in PAGE
    for wall in WALLS:
        assert f"- {wall.name}, {wall.most:,.0f}: {wall.step}" in PAGE


def test_a_seed_is_one_run_and_another_seed_is_another() -> None:
    assert simulate(1_000_000) == simulate(1_000_000)
    assert simulate(1_000_000).shares != simulate(1_000_000, seed=8).shares


def test_more_users_never_take_less_of_any_wall() -> None:
    for fewer, more in pairwise(simulate(users) for users in USERS):
        assert all(less <= much + 0.01 for less, much in zip(fewer.shares, more.shares, strict=True))


@pytest.mark.parametrize(("users", "first"), [(10_000, None), (1_000_000, None), (3_000_000, "functions at once")])
def test_no_wall_binds_up_to_a_million_users_and_that_of_functions_at_once_is_the_first(users: int, first: str | None) -> None:
    assert (simulate(users).binds or [None])[0] == first
