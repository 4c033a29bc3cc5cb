"""Fresh worlds by the hundred: people use everything at once while whatever may go wrong does, and then all must be well.

A failing seed repeats itself: `campaign(seed, …)` with the same arguments.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.backend import Backend, LiveValue
from chalicelib.data.errors import Conflict
from tests.live.campaign import CALM_FROM_MS, campaign
from tests.support.sim import SETTINGS
from tests.support.sim_parts import BASE_MS, CALM, ROUGH

HARD = replace(
    ROUGH,
    frames=(0.0, 120.0),
    crash=0.08,
    freeze=0.05,
    lost_answers=0.02,
    contention=0.03,
    half_visible=0.2,
    unknown_posts=0.03,
    twice=0.3,
    late_stream=0.1,
)
DENSE = replace(ROUGH, latency=(1.0, 12.0), stream=(1.0, 80.0), crash=0.03, freeze=0.03)
BUSY = replace(DENSE, crash=0.0, freeze=0.0, unknown_posts=0.0, lost_answers=0.0, failed_closes=0.0, lost_hand_overs=0.0)
WEATHER = replace(ROUGH, very_late_frames=0.04, lost_words=0.05, late_requests=0.004, late_frames=0.1)
KNOWN = replace(SETTINGS, anonymous=False)
PORTION = 20


def portions(count: int) -> list[range]:
    """Seeds in portions, so that two processes share them."""
    return [range(start, start + PORTION) for start in range(0, count, PORTION)]


@pytest.mark.parametrize("seeds", portions(80), ids=str)
def test_two_people_in_a_rough_world(seeds: range) -> None:
    for seed in seeds:
        campaign(seed, ROUGH)


@pytest.mark.parametrize("seeds", portions(40), ids=str)
def test_three_people_in_a_hard_world(seeds: range) -> None:
    for seed in seeds:
        campaign(seed, HARD, people=3, deeds=16)


@pytest.mark.parametrize("seeds", portions(40), ids=str)
def test_three_people_at_one_counter_while_workers_die(seeds: range) -> None:
    for seed in seeds:
        campaign(seed, DENSE, people=3, deeds=30, within_ms=1500)


@pytest.mark.parametrize("seeds", portions(40), ids=str)
def test_a_crowd_that_needs_no_ticker_because_nobody_dies(seeds: range) -> None:
    """The ticker would hide a lost wake-up."""
    for seed in seeds:
        campaign(seed, BUSY, people=3, deeds=30, within_ms=1500, ticker=False)


@pytest.mark.parametrize("seeds", portions(80), ids=str)
def test_two_people_in_weather_that_delays_and_loses_who_they_are(seeds: range) -> None:
    for seed in seeds:
        campaign(seed, WEATHER, settings=KNOWN)


class Unsteady(Backend):
    """Cannot evaluate three of ten queries, until the world is calm."""

    def _evaluate(self, path: str, *rest: Any) -> LiveValue:
        if self.clock.now_ms() < BASE_MS + CALM_FROM_MS and random.Random(self.clock.now_ns()).random() < 0.3:
            raise Conflict(path)
        return super()._evaluate(path, *rest)


@pytest.mark.parametrize("seeds", portions(40), ids=str)
def test_three_people_whose_queries_can_often_not_be_evaluated(seeds: range) -> None:
    for seed in seeds:
        campaign(seed, ROUGH, backend=Unsteady, people=3, deeds=20)


def test_a_calm_world_needs_neither_luck_nor_the_ticker() -> None:
    for seed in range(10):
        sim = campaign(seed, CALM, people=3, deeds=20, ticker=False)
        assert sim.raised == []
        assert all(person.client.connections <= 1 + 20 for person in sim.people)


def test_the_same_seed_is_the_same_run() -> None:
    def told(seed: int) -> list[int]:
        return [len(person.log) for person in campaign(seed, HARD, people=3, deeds=16).people]

    assert told(7) == told(7)
