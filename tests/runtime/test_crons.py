"""Calls that repeat by the clock: on time, one at a time, never piling up."""

from __future__ import annotations

from datetime import UTC, datetime
from types import ModuleType

import pytest

from chalicelib import Crons
from tests.runtime.test_jobs import Tower, ring, state, tower

__all__ = ["tower"]


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("kind", "options", "after", "due"),
    [
        ("hourly", {"minute": 15}, (2026, 1, 1, 10, 15), (2026, 1, 1, 11, 15)),
        ("hourly", {"minute": 15}, (2026, 1, 1, 10, 14), (2026, 1, 1, 10, 15)),
        ("daily", {"hour": 3, "minute": 0}, (2026, 12, 31, 4, 0), (2027, 1, 1, 3, 0)),
        ("weekly", {"weekday": 0, "hour": 9}, (2026, 11, 20, 12, 0), (2026, 11, 23, 9, 0)),
        ("monthly", {"day": 31, "hour": 0}, (2026, 1, 31, 0, 0), (2026, 2, 28, 0, 0)),
        ("monthly", {"day": 1, "hour": 5}, (2026, 12, 1, 5, 0), (2027, 1, 1, 5, 0)),
    ],
)
def test_the_next_moment_is_the_first_one_after_now(
    kind: str, options: dict[str, int], after: tuple[int, ...], due: tuple[int, ...]
) -> None:
    crons = Crons()
    getattr(crons, kind)("c", ring, **options, name="x")
    assert crons.listed[0].following(ms(*after)) == ms(*due)


def test_a_cron_runs_again_when_its_last_run_has_ended_and_never_twice_at_once(tower: Tower) -> None:
    module = ModuleType("with_crons")
    crons = Crons()
    crons.interval("ringing", ring, seconds=60, name="cron")
    module.crons = crons  # type: ignore[attr-defined]
    tower.executor.registry.collect(module, "with_crons")
    for rounds in (1, 2):
        assert tower.jobs.tick() == 1
        assert tower.jobs.tick() == 0
        tower.clock.ahead += 600_000  # ten intervals late: one run, not ten
        tower.work()
        assert tower.ask("rung", name="cron") == rounds


@pytest.mark.parametrize(
    ("kind", "options"),
    [("interval", {"seconds": 0}), ("hourly", {"minute": 60}), ("daily", {"hour": 24}), ("monthly", {"day": 0, "hour": 1})],
)
def test_an_impossible_time_is_refused_where_it_is_written(kind: str, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cron 'c'"):
        getattr(Crons(), kind)("c", ring, **options)


def test_a_cron_calls_a_mutation_or_an_action() -> None:
    with pytest.raises(TypeError):
        Crons().hourly("c", state, minute=1)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("*/15 9-17 * * MON-FRI", (2026, 11, 20, 17, 45), (2026, 11, 23, 9, 0)),
        ("0 0 29 2 *", (2026, 3, 1, 0, 0), (2028, 2, 29, 0, 0)),
        ("30 4 * * 0", (2026, 11, 22, 4, 30), (2026, 11, 29, 4, 30)),
    ],
)
def test_a_cron_expression_names_its_moments(expression: str, after: tuple[int, ...], due: tuple[int, ...]) -> None:
    crons = Crons()
    crons.cron("c", expression, ring, name="x")
    assert crons.listed[0].following(ms(*after)) == ms(*due)


@pytest.mark.parametrize("expression", ["99 * * * *", "* * * *", "* * * * * *", "0 0 31 2 *", "soon"])
def test_a_text_that_is_no_cron_expression_is_refused_where_it_is_written(expression: str) -> None:
    with pytest.raises(ValueError, match="cron 'c'"):
        Crons().cron("c", expression, ring, name="x")
