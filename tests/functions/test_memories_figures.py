"""How well memories are found and what they cost: docs/memories.md tells what is measured, and that holds its goals."""

from __future__ import annotations

import re

import pytest

from chalicelib.embedders.hashing import Hashing
from chalicelib.embedders.static import WordLlama
from tests.bench_memories import GOALS, RANKING_GOALS, STORED_GOAL, costs
from tests.docs.pages import ROOT
from tests.embedders.fables import FABLES, QUESTIONS, measured
from tests.functions.conftest import House
from tests.support.ranking import MODES, ranked

TOLD = dict(re.findall(r"^\| (.+?) \| (.+) \|$", (ROOT / "docs" / "memories.md").read_text(), re.MULTILINE))
NEAR = 2
"""Units by which a count may differ from one run to the next: ids of other letters compare otherwise."""


@pytest.mark.parametrize("embedder", [Hashing(256), WordLlama()], ids=lambda each: each.name)
def test_the_documented_quality_of_search_is_the_measured_one(house: House, embedder: Hashing | WordLlama) -> None:
    short = embedder.name.partition("-")[0]
    modes = ("meaning", "both") if short == "hashing" else MODES
    found = ranked(house, embedder, modes)
    for mode in modes:
        assert found[mode, "all"].told() == TOLD[mode if mode == "words" else f"{mode}, `{short}`"]
    first, gain = RANKING_GOALS[embedder.name]
    assert found["both", "all"].recall_1 >= first
    assert found["both", "all"].gain >= gain


def test_the_documented_units_of_memories_are_the_counted_ones() -> None:
    found, stored = costs()
    for name, cost in found.items():
        call, _, how = name.partition(", ")
        written, read = map(float, TOLD[f"`{call}`, {how}"].split(" | "))
        assert abs(cost.wcu - written) <= NEAR, name
        assert abs(cost.rcu - read) <= NEAR, name
        assert all(figure <= goal for figure, goal in zip((cost.wcu, cost.rcu, cost.bytes), GOALS[name], strict=True)), name
    assert stored <= STORED_GOAL


def test_the_measures_of_a_ranking_are_those_of_their_definitions() -> None:
    ideal = {question: [*relevant, "x", "y", "z"] for question, relevant in QUESTIONS}
    assert measured(ideal.__getitem__).told() == "1.00 | 1.00 | 1.00 | 1.00"
    assert measured(lambda question: []).told() == "0.00 | 0.00 | 0.00 | 0.00"
    second = measured(lambda question: ["x", "a", "b"], [("q", {"a", "b"})])
    assert second.told() == "0.00 | 1.00 | 0.50 | 0.69", "1/log2(3) + 1/log2(4), of 1 + 1/log2(3)"
    assert all(relevant <= set(FABLES) for _, relevant in QUESTIONS)
