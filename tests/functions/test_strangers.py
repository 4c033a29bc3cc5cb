"""Strangers learn nothing, through any door, of any function that there is (invariant 9; checks 23 and 24)."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.runtime.registry import Function, load
from infra.local.model.server import ScriptedModel
from tests.functions import strangers
from tests.functions.mutants import TENANCY
from tests.functions.strangers import DOORS, Scene

REGISTRY = load(("chalicelib.functions",))
PUBLIC = [function for function in REGISTRY if function.public]
INTERNAL = [function for function in REGISTRY if not function.public]


@pytest.mark.parametrize("door", DOORS)
def test_strangers_get_the_answer_for_a_random_name(door: str, model: ScriptedModel) -> None:
    """Byte for byte; the calls are made up from the registry, so that a new function is covered by itself."""
    asked = strangers.each_learns_nothing(model, DOORS[door])
    assert asked["chat:getSession"] > 0
    assert sum(asked.values()) >= 6 * len([function for function in PUBLIC if strangers.naming(function)])


CAUGHT_BY = {
    "the org is in a document's key": strangers.one_name_in_two_orgs_is_two_things,
    "the org is in an index's address": strangers.one_name_in_two_orgs_is_two_things,
    "the org is in a commit's id": strangers.one_name_in_two_orgs_is_two_things,
    "a value is shared within an org": strangers.a_value_is_shared_within_its_org,
}


@pytest.mark.parametrize("claim", dict.fromkeys(CAUGHT_BY.values()), ids=lambda claim: claim.__name__)
def test_it_is_kept(claim: Any, model: ScriptedModel) -> None:
    claim(model)


@pytest.mark.parametrize("step", TENANCY)
def test_it_is_broken_without(step: str, model: ScriptedModel) -> None:
    """Each invariant has tests that fail when its protective step is switched off."""
    claim: Any = CAUGHT_BY.get(step, strangers.each_learns_nothing)
    with TENANCY[step](), pytest.raises(AssertionError):
        claim(model)


@pytest.mark.parametrize("door", DOORS)
def test_internal_functions_answer_like_missing_ones(door: str, model: ScriptedModel) -> None:
    """Also to the owner and to a worker, for every kind of call."""
    scene = Scene.set(model)
    for function in INTERNAL:
        for kind in ("query", "mutation", "action"):
            for caller in ("alice@acme", "worker-real@acme+worker", None):
                told = [_called(scene, door, caller, path, kind) for path in (function.path, "nowhere:nothing")]
                assert told[0].replace(function.path, "…").replace(function.path.replace(":", "/"), "…") == told[1].replace(
                    "nowhere:nothing", "…"
                ).replace("nowhere/nothing", "…"), (function.path, kind, caller)


def _called(scene: Scene, door: str, caller: str | None, path: str, kind: Any) -> str:
    named = Function(lambda ctx: None, kind, True, {})
    named.path = path
    return strangers.MADE_NOW.sub("*", DOORS[door](scene, caller, named, {}))
