"""Each protective step of an owner of sockets, switched off, is missed: some world of some seed breaks a promise without it.

The same worlds are well with every step on (`test_owner_campaign.py`); steps whose absence shows too rarely by chance are
switched off in a schedule of their own (`test_owner_rules.py`, `test_owner_windows.py`).
"""

from __future__ import annotations

import pytest

from chalicelib.backend import Backend
from tests.live import owner_mutants
from tests.live.owner_mutants import with_owner
from tests.live.owner_worlds import run
from tests.support.client import Broken

SEEDS = 60
CASES: dict[str, tuple[type[Backend], str]] = {
    "an answer waits for what it touched": (with_owner(socket_type=owner_mutants.AnswersAtOnce), "calm"),
    "answers before their Transition": (with_owner(socket_type=owner_mutants.TransitionFirst), "calm"),
    "frames behind a token wait for it": (with_owner(hearer_type=owner_mutants.VerifiesBeside), "calm"),
    "one call of a socket at a time": (with_owner(caller_type=owner_mutants.RunsAllAtOnce), "calm"),
}


@pytest.mark.parametrize("name", CASES)
def test_without_this_step_a_promise_is_broken(name: str) -> None:
    backend, world = CASES[name]
    for seed in range(SEEDS):
        try:
            run(world, seed, backend)
        except Broken:
            return
    pytest.fail(f"{SEEDS} worlds without this step, and nothing was missed: {name}")
