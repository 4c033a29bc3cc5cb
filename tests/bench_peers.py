"""`make bench-peers`: the same work by Concave and by others, side by side in one run.

The work: a message of 200 characters is stored in a file, then told to N viewers; the next one is sent when the last viewer has
it. For each: the median time until the last viewer has it, the CPU time of the server and all its children for each message, and
deliveries a second. Only ratios to others of the same run say anything. What a server promises differs, and is said beside it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.peers.servers import PEERS, Peer, Unavailable

MESSAGES = {1: 200, 10: 200, 100: 60, 1000: 15}
WARM_UP, ROUND_S = 5, 20
# What is compared, with whom, by which figure, for how many viewers, and what it should come to.
GOALS = (
    ("last viewer", "bare websockets", "last", 1, "≤", 6.0),
    ("deliveries/s", "bare websockets", "rate", 1000, "≥", 0.5),
    ("server CPU", "socket.io + SQLite", "cpu", 10, "≤", 4.0),
    ("server CPU", "PocketBase", "cpu", 10, "≤", 2.2),
)
OURS = "Concave (owner)"
Figures = dict[str, float]


def cpu_ms(pid: int) -> float:
    """CPU time that a process and its living descendants have used, in milliseconds."""
    root = psutil.Process(pid)
    spent = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(each.user + each.system for each in spent) * 1000


async def quiet(pid: int) -> None:
    """Wait until a server has done what it does at its start: a second with less than 30 ms of CPU time."""
    before = -1000.0
    while (now := cpu_ms(pid)) - before > 30:
        before = now
        await asyncio.sleep(1)


async def measure(peer: Peer, viewers: int) -> Figures:
    """Messages to so many viewers, one after the other. TimeoutError: a viewer was not told of one within a minute."""
    watching = await peer.watch(viewers)
    times = list[float]()
    began_cpu = began = 0.0
    try:
        for number in range(-WARM_UP, MESSAGES[viewers]):
            if number == 0:
                began_cpu, began = cpu_ms(peer.pid), time.perf_counter()
            elif number > 0 and time.perf_counter() - began > ROUND_S:
                break
            for each in watching:
                each.seen.clear()
            sent = time.perf_counter()
            await peer.say(f"{number:6} ".ljust(200, "x"))
            for each in watching:
                await asyncio.wait_for(each.seen.wait(), 60)
            times.append(max(each.at for each in watching) - sent)
        took, used = time.perf_counter() - began, cpu_ms(peer.pid) - began_cpu
    finally:
        await asyncio.gather(*(each.close() for each in watching))
    counted = times[WARM_UP:]
    return {
        "last": statistics.median(counted) * 1000,
        "cpu": used / len(counted),
        "rate": viewers * len(counted) / took,
    }


async def run(kind: type[Peer], most: int, found: dict[int, Figures]) -> None:
    """All rounds of one server, into `found`.

    Unavailable: it is not installed. TimeoutError, OSError, RuntimeError: it did not go on.
    """
    with tempfile.TemporaryDirectory() as folder:
        peer = kind(Path(folder))
        try:
            await peer.prepare()
            await quiet(peer.pid)
            for viewers in [count for count in MESSAGES if count <= most]:
                found[viewers] = await measure(peer, viewers)
                print(
                    f"  {kind.title:<20} {viewers:5} viewers: last {found[viewers]['last']:8.2f} ms, "
                    f"server CPU {found[viewers]['cpu']:7.2f} ms a message, {found[viewers]['rate']:8.0f} deliveries/s",
                    flush=True,
                )
        finally:
            peer.stop()


def verdicts(found: dict[str, dict[int, Figures]]) -> list[str]:
    """A line for each goal: our figure ÷ theirs, what it should be, and whether it is; or why it cannot be said."""
    lines = []
    for what, whose, figure, viewers, sign, goal in GOALS:
        name = f"{what} to {viewers} ÷ {whose}"
        ours, theirs = (found.get(who, {}).get(viewers, {}).get(figure) for who in (OURS, whose))
        if ours is None or not theirs:
            lines.append(f"  {name:<48} not measured")
            continue
        ratio = ours / theirs
        reached = ratio <= goal if sign == "≤" else ratio >= goal
        lines.append(f"  {name:<48} {ratio:7.2f}   goal {sign} {goal:<5g} {'reached' if reached else 'NOT reached'}")
    return lines


def main() -> None:
    """`python -m tests.bench_peers [most viewers]`."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else max(MESSAGES)
    found = dict[str, dict[int, Figures]]()
    for kind in PEERS:
        print(f"\n{kind.title}: {kind.promise}", flush=True)
        try:
            asyncio.run(run(kind, most, found.setdefault(kind.title, {})))
        except Unavailable as missing:
            print(f"  NOT MEASURED: {missing}")
        except (TimeoutError, OSError, RuntimeError) as failed:
            print(f"  STOPPED: {failed!r}")
    print("\nConcave ÷ others\n", *verdicts(found), sep="\n")


if __name__ == "__main__":
    main()
