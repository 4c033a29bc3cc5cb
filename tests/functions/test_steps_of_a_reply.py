"""Replies keep what is claimed of them, and each protective step is needed for that (invariants 7 and 8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions import replies
from tests.functions.mutants import REPLIES

Claim = Callable[[ScriptedModel], None]
CAUGHT_BY: dict[str, Claim] = {
    "the sweep looks for silent writers": replies.a_death_at_any_write_loses_nothing,
    "the sweep settles what was stopped": replies.a_stop_whose_job_failed_is_carried_through,
    "the sweep starts what nobody claimed": replies.a_death_at_any_write_loses_nothing,
    "a stop raises the epoch": replies.a_stop_is_not_overtaken_by_the_end,
    "the chunks are sealed when they become the text": replies.a_chunk_on_its_way_is_in_the_text_or_refused,
    "the partial text is kept": replies.a_stop_cut_short_is_carried_through,
    "the end is one commit": replies.a_death_at_any_write_loses_nothing,
    "a writer sees that its lease is due": replies.a_long_reply_outlives_its_first_lease,
    "a writer renews its lease": replies.a_long_reply_outlives_its_first_lease,
    "what a send has read is a condition of its commit": replies.a_send_that_meets_the_end_of_a_reply_is_answered,
    "the run's row is a condition of a claim": replies.a_run_has_one_writer,
    "only the active run is claimed": replies.a_waiting_run_waits,
}


@pytest.mark.parametrize("claim", dict.fromkeys(CAUGHT_BY.values()), ids=lambda claim: claim.__name__)
def test_it_is_kept(claim: Claim, model: ScriptedModel) -> None:
    claim(model)


@pytest.mark.parametrize("step", REPLIES)
def test_it_is_broken_without(step: str, model: ScriptedModel) -> None:
    """Each invariant has tests that fail when its protective step is switched off."""
    with REPLIES[step](), pytest.raises(AssertionError):
        CAUGHT_BY[step](model)
