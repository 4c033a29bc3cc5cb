"""The data room in any weather: every claim, for many seeds, with every protective step on; then with each switched off."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.data import claims
from tests.data.claims import CLAIMS, complaint
from tests.data.mutants import MUTANTS
from tests.data.sea import IN_LINE

CAUGHT_BY = {
    "fence condition off": claims.an_empty_range_is_entered_once,
    "read-only documents unchecked": claims.nobody_boards_both,
    "claims unchecked": claims.a_berth_has_one_boat,
    "fresh rows off": claims.a_range_is_what_was_written,
    "commits row not the proof": claims.every_increment_counts_once,
    "refused candidates believed": claims.a_range_is_what_was_written,
    "no refill": claims.a_limit_is_met_past_stale_entries,
    "fresh rows not refilled": claims.an_end_is_found_among_fresh_rows,
    "fresh rows read in one direction only": claims.an_end_is_found_among_fresh_rows,
    "fresh rows past their time too early": claims.a_range_is_what_was_written,
    "fence read last": claims.a_range_is_what_was_written,
    "those who are proposed are there": claims.a_range_is_what_was_written,
    "a fence that is held is believed": claims.who_is_there_is_seen_at_one_instant,
    "members are not counted": claims.who_is_there_is_seen_at_one_instant,
    "log density unchecked": claims.a_log_has_no_holes,
    "what vouches for settled rows is not looked at again": claims.what_is_settled_is_vouched_for,
    "no second look": claims.a_sum_is_never_torn,
    "a mutation that only read believes its first look": claims.a_mutation_that_only_reads_sees_one_instant,
    "a keyed answer without writes is not kept": claims.an_answer_under_a_key_stays,
    "second look by plain reads": claims.a_sum_is_never_torn,
}
SEEDS = 150


@pytest.mark.parametrize("block", [*range(4), *(IN_LINE // 20 + number for number in range(3))])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_it_holds_in_any_weather(claim: Callable[[int], str | None], block: int) -> None:
    """The last blocks wait in line and are run in groups."""
    seeds = range(block * 20, block * 20 + 20)
    assert {seed: told for seed in seeds if (told := complaint(claim, seed)) is not None} == {}


@pytest.mark.parametrize("step", MUTANTS)
def test_it_fails_when_a_protective_step_is_switched_off(step: str) -> None:
    """Each invariant has tests that fail without its steps. The same seeds are clean with the step on."""
    claim = CAUGHT_BY[step]
    with MUTANTS[step]():
        caught = next((seed for seed in range(SEEDS) if complaint(claim, seed) is not None), None)
    assert caught is not None, f"nobody noticed that {step!r}"
    assert complaint(claim, caught) is None


@pytest.mark.parametrize("seed", [92, 248, 357, 363])
def test_a_repeat_does_not_refuse_what_its_own_lost_commit_made(seed: int) -> None:
    """Found by these seeds: the first try committed, its answer was lost, and the second saw its own document."""
    assert complaint(claims.a_range_is_what_was_written, seed) is None
