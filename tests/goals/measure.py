"""The parts that `make bench` measures, each into the figures of its goals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from tests.bench_peers import OURS, Figures, run
from tests.goals import owner, rows
from tests.goals.goal import Found
from tests.peers.servers import PEERS, Unavailable

Measure = Callable[[], Found]


def _each(work: Callable[[int], float], counts: tuple[int, ...]) -> Found:
    """A figure for each count; those that cannot be measured are missing."""
    figures, missing = {}, []
    for count in counts:
        try:
            figures[str(count)] = work(count)
        except (RuntimeError, TimeoutError, OSError) as failed:
            missing.append(f"{count}: {failed!r}")
    return Found(figures, "; ".join(missing) or "not measured")


def peers(most: int) -> Found:
    """The same work by others, and their ratios. Who is not installed is said."""
    found: dict[str, dict[int, Figures]] = {}
    missing = []
    for kind in PEERS:
        try:
            asyncio.run(run(kind, most, found.setdefault(kind.title, {})))
        except Unavailable as why:
            missing.append(f"{kind.title}: {str(why).splitlines()[0]}")
        except (TimeoutError, OSError, RuntimeError) as failed:
            missing.append(f"{kind.title} stopped: {failed!r}")
    figures = {}
    for key, whose, figure, viewers in (
        ("echoes", "bare websockets", "last", 1),
        ("rate", "bare websockets", "rate", 1000),
        ("socket.io", "socket.io + SQLite", "cpu", 10),
        ("PocketBase", "PocketBase", "cpu", 10),
    ):
        ours, theirs = (found.get(who, {}).get(viewers, {}).get(figure) for who in (OURS, whose))
        if ours is not None and theirs:
            figures[key] = ours / theirs
    return Found(figures, "; ".join(missing) or "not measured")


def parts(most: int) -> dict[str, Measure]:
    """Every part by its name. `most`: viewers at most."""
    return {
        "calls": lambda: Found(rows.calls()),
        "pieces": partial(_each, rows.pieces, tuple(count for count in (1, 10, 100, 1000) if count <= most)),
        "rooms": lambda: Found(rows.rooms()),
        "writers": partial(_each, rows.writers, (1, 8, 32)),
        "pages": lambda: Found(rows.pages()),
        "idle": lambda: Found({"socket": rows.idle()}),
        "sweep": lambda: Found({"sockets": rows.sweep()}),
        "turns": partial(_each, rows.turns, (1, 10)),
        "peers": partial(peers, most),
        "transfers": lambda: Found(asyncio.run(owner.transfers())),
        "bytes": lambda: Found({live: owner.bytes_of_a_reply(live) for live in ("rows", "owner")}),
    }
