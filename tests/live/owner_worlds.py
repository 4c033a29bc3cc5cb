"""The worlds in which an owner of sockets is tried: its threads share one fate and one clock, and frames come in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.backend import Backend
from tests.live.campaign import campaign
from tests.live.test_campaign import BUSY, DENSE, HARD
from tests.support.sim import Sim
from tests.support.sim_parts import CALM, ROUGH, Mishaps

CROWD: dict[str, Any] = {"people": 3, "deeds": 30, "within_ms": 1500}
GROUP: dict[str, Any] = {"people": 3, "deeds": 16}


def owned(world: Mishaps) -> Mishaps:
    """The same weather, for one process: no thread of it dies alone, and all have one clock."""
    return replace(world, crash=0.0, freeze=0.0, skew=0.0)


WORLDS: dict[str, tuple[Mishaps, dict[str, Any]]] = {
    "calm": (CALM, {"people": 3, "deeds": 20}),
    "rough": (ROUGH, {}),
    "hard": (HARD, GROUP),
    "dense": (DENSE, CROWD),
    "busy": (BUSY, CROWD),
}


def run(name: str, seed: int, backend: type[Backend] = Backend, **options: Any) -> Sim:
    """One seed of a world. Raises `Broken`."""
    world, about = WORLDS[name]
    return campaign(seed, owned(world), live="owner", backend=backend, **{**about, **options})
