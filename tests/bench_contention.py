"""One conversation, many writers, each request to the store a network away: commits a second, tries and units of each.

What a commit costs is counted (units as DynamoDB bills them); how many a second is bounded by the 5 ms that a request takes.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import service
from chalicelib.runtime.lines import Lines
from chalicelib.runtime.registry import load
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.bench_parts import Far

FAR_S, SECONDS = 0.005, 4.0


def contended(writers: int, seconds: float = SECONDS, lines: bool = True) -> None:
    """So many callers add messages to one conversation, each waiting for its answer.

    Args:
        lines: whether those who lost a race wait in line; False: they race on.
    """
    registry = load(("chalicelib.functions",))
    truth = SqliteStore(":memory:", all_specs())
    counted = CountingStore(truth, all_specs())
    store = Far(counted, FAR_S)
    executor = Executor(store, registry, SystemClock(), lines=Lines() if lines else None)
    user = service("acme")

    def do(path: str, **args: Any) -> Any:
        return executor.mutation(path, args, user)

    made = do("conversations:create", type="user-agent", participants={"userId": "alice", "agentId": "helper"})
    assert made.ok, made
    conversation = made.value["conversationId"]
    counted.reset()
    waits: list[list[float]] = [[] for _ in range(writers)]
    runs = [0] * writers
    until = time.perf_counter() + seconds

    def write(me: int) -> None:
        while (start := time.perf_counter()) < until:
            said = do("conversations:addMessage", conversationId=conversation, message={"role": "user", "content": "hi"}, tail=0)
            assert said.ok, said
            runs[me] += said.runs
            waits[me].append(time.perf_counter() - start)

    threads = [threading.Thread(target=write, args=(me,)) for me in range(writers)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken, cpu = time.perf_counter() - began, time.process_time() - cpu
    every = sorted(wait for each in waits for wait in each)
    done = len(every)
    wcu, rcu = sum(counted.wcu.values()), sum(counted.rcu.values())
    print(
        f"  {writers:3d} writers {done / taken:7.1f} commits/s   {wcu / done:6.1f} WCU {rcu / done:6.1f} RCU "
        f"{sum(counted.requests.values()) / done:5.1f} requests   {sum(runs) / done:4.2f} tries   "
        f"median {every[done // 2]:.2f} s slowest {every[-1]:.2f} s   {cpu / done * 1000:.1f} ms CPU"
    )


def main() -> None:
    """Print the report."""
    print("\nOne conversation; a request to the store takes 5 ms\n")
    for writers in (1, 8, 32):
        contended(writers)


if __name__ == "__main__":
    main()
