"""`make bench-scale`: where each wall of an account binds, for growing numbers of users: a simulation by counted units, seeded.

A second is simulated after another at the busiest time of a day. Turns begin by chance (Poisson), each holds a function while the
model speaks (log-normal about the counted length) and brings posts, frames, invocations and writes evenly over its length. What
is asked for in a second is compared with what the account lets; a wall binds where its 99th percentile is over it. Nothing waits
here: the point is where it would.

The units of a turn are those that `make bench-cost` counts. Limits are AWS's defaults; `docs/scale.md` holds what this prints.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.prices import PRICES, cost

SEED = 7
SECONDS = 300
"""Simulated; the first `WARM` are not counted."""
WARM = 60
ACTIVE, TURNS, PEAK = 0.1, 10, 5
"""Of the registered users a day; turns of each; busiest time over the mean."""
OPEN_H = 1.0
"""Hours a day that an active user's tab is open."""
PING_S = 45
MOST_AT_ONCE = 2_000
"""More turns a second are simulated as this many, and counted in proportion."""


@dataclass(frozen=True)
class Turn:
    """What one turn uses: a message and a streamed reply, watched by one tab."""

    reply_s: float
    wru: float
    rru: float
    invocations: float
    gb_seconds: float
    posts: float
    frames: float
    hot_writes: float
    """Writes to the busiest index over everything (jobs), of which a shard has an eighth."""


COUNTED = Turn(reply_s=7.0, wru=125, rru=276, invocations=25, gb_seconds=4.9, posts=22, frames=3, hot_writes=6)
"""Counted on 2026-11-28."""
SHORT_S = 0.05
"""Of an invocation that waits for no model."""


@dataclass(frozen=True)
class Wall:
    """A limit of the account or the design: what it is of, how much, and the step that moves it."""

    name: str
    most: float
    step: str


WALLS = (
    Wall("functions at once", 1_000, "ask for more (Service Quotas); tens of thousands are given"),
    Wall("requests and posts a second", 10_000, "larger chunks (CHUNK_FLUSH_MS), ask for more, then cells"),
    Wall("writes of the busiest index", 8_000, "it stands in eight partitions of 1,000; more shards, or cells"),
    Wall("writes of a new table", 4_000, "warm throughput; it doubles by itself as it is used"),
    Wall("new sockets a second", 500, "ask for more"),
)


@dataclass(frozen=True)
class Load:
    """What a number of users asks for: turns a second at the peak, shares of each wall (99th percentile), dollars a month."""

    users: int
    turns: float
    shares: tuple[float, ...]
    dollars: float

    @property
    def binds(self) -> list[str]:
        """The walls that are over, the farthest first."""
        over = sorted(zip(self.shares, WALLS, strict=True), key=lambda each: -each[0])
        return [wall.name for share, wall in over if share > 1]


def simulate(users: int, seed: int = SEED) -> Load:
    """One number of registered users."""
    rate = users * ACTIVE * TURNS / 86_400 * PEAK
    scale = max(1.0, rate / MOST_AT_ONCE)
    sockets = users * ACTIVE * OPEN_H / 24 * PEAK
    arriving = users * ACTIVE / 86_400 * PEAK
    chance = random.Random(seed)
    horizon = SECONDS + WARM
    running = [0.0] * (horizon + 400)
    speaking = [0.0] * (horizon + 400)
    began = [0] * horizon
    for second in range(horizon):
        began[second] = _poisson(chance, rate / scale)
        for _ in range(began[second]):
            length = chance.lognormvariate(math.log(COUNTED.reply_s), 0.5)
            _spread(running, second + chance.random(), length, length)
            _spread(speaking, second + chance.random(), length, 1.0)
    seconds = range(WARM, horizon)
    short = COUNTED.invocations * SHORT_S
    asked = (
        [scale * (running[at] + speaking[at] * short) for at in seconds],
        [scale * speaking[at] * (COUNTED.posts + COUNTED.frames) + sockets / PING_S for at in seconds],
        [scale * speaking[at] * COUNTED.hot_writes for at in seconds],
        [scale * speaking[at] * COUNTED.wru / 3 for at in seconds],  # the busiest table takes a third of a turn's writes
        [scale * _poisson(chance, arriving / scale) for _ in seconds],
    )
    shares = tuple(_p99(values) / wall.most for values, wall in zip(asked, WALLS, strict=True))
    return Load(users, rate, shares, _dollars(users, sockets / PEAK))


def _poisson(chance: random.Random, mean: float) -> int:
    """A number of arrivals; of many, the normal distribution that they come to."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count += 1
        product *= chance.random()
    return count


def _spread(seconds: list[float], start: float, length: float, amount: float) -> None:
    """Add an amount evenly over a stretch of time."""
    at, left = start, length
    while left > 0 and int(at) < len(seconds):
        part = min(left, int(at) + 1 - at)
        seconds[int(at)] += amount * part / length
        at, left = int(at) + 1.0, left - part


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _dollars(users: int, sockets: float) -> float:
    """Of a month of thirty days: the turns, and the sockets that are open on average, pinged."""
    turns = users * ACTIVE * TURNS * 30
    used = {
        "wru": COUNTED.wru,
        "rru": COUNTED.rru,
        "invocation": COUNTED.invocations,
        "gb_second": COUNTED.gb_seconds,
        "message": COUNTED.posts + COUNTED.frames,
    }
    minutes = sockets * 30 * 24 * 60
    pings = sockets * 30 * 86_400 / PING_S
    idle = {"connection_minute": minutes, "message": pings}
    return turns * sum(cost(used).values()) + sum(amount * PRICES[unit].dollars for unit, amount in idle.items())


USERS = (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000, 100_000_000)


def lines() -> Iterator[str]:
    """The table, as Markdown."""
    yield f"| registered users | turns/s at the peak | {' | '.join(wall.name for wall in WALLS)} | dollars a month |"
    yield "|" + "---|" * (len(WALLS) + 3)
    for users in USERS:
        load = simulate(users)
        shares = " | ".join(f"**{share:.0%}**" if share > 1 else f"{share:.0%}" for share in load.shares)
        yield f"| {users:,} | {load.turns:,.1f} | {shares} | {load.dollars:,.0f} |"


def main() -> int:
    """Print the table, and what moves each wall."""
    for line in lines():
        print(line)
    print()
    for wall in WALLS:
        print(f"- {wall.name}, {wall.most:,.0f}: {wall.step}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
