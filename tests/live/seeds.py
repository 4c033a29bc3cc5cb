"""`make campaign SEEDS=2000`: the simulated worlds over many more seeds than the suite has time for, on both drivers.

Worlds take turns, so that a run that is ended early has seen some of each. A seed that breaks a promise is named with its world
and driver, and does the same again.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from chalicelib.backend import Backend
from tests.live import owner_worlds
from tests.live.campaign import campaign
from tests.live.test_campaign import HARD, KNOWN, ROUGH, WEATHER, Unsteady

ROWS: dict[str, dict[str, Any]] = {
    "rough": {"mishaps": ROUGH},
    "hard": {"mishaps": HARD, "people": 3, "deeds": 16},
    "weather": {"mishaps": WEATHER, "settings": KNOWN},
    "texts": {"mishaps": ROUGH, "people": 3, "deeds": 12, "writers": 2},
    "hard texts": {"mishaps": HARD, "people": 3, "deeds": 16, "writers": 2},
    "unsteady": {"mishaps": ROUGH, "backend": Unsteady, "people": 3, "deeds": 20},
}


def rows(world: str, seed: int) -> None:
    """One seed where connections are rows."""
    campaign(seed, **ROWS[world])


def owner(world: str, seed: int) -> None:
    """One seed where a process owns its sockets; every second one is killed twice."""
    owner_worlds.run(world, seed, Backend, deaths=2 * (seed % 2))


def main(count: int, first: int = 0) -> int:
    """Try so many seeds; returns how many were broken."""
    places = [(rows, world) for world in ROWS] + [(owner, world) for world in owner_worlds.WORLDS]
    broken = 0
    for number in range(count):
        run, world = places[number % len(places)]
        seed = first + number // len(places)
        try:
            run(world, seed)
        except Exception as error:  # noqa: BLE001 - whatever breaks a world is what is looked for
            broken += 1
            print(f"{run.__name__} {world} seed {seed}: {type(error).__name__}: {error}", flush=True)
        if (number + 1) % 100 == 0:
            print(f"{number + 1} seeds, {broken} broken", flush=True)
    return broken


if __name__ == "__main__":
    logging.disable()
    sys.exit(1 if main(*map(int, sys.argv[1:])) else 0)
