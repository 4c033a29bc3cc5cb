"""Writers who want the same: one conversation with each request to the store a network away, and transfers on SQLite.

What a commit costs is counted (units as DynamoDB bills them). How many a second is bounded by the 5 ms that a request takes in
the first part, and by the processor in the second: there the figure to compare is the CPU of a transfer.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib import MutationCtx, Table, mutation
from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import service
from chalicelib.runtime.lines import Lines
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.registry import Registry, load
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore, Sync
from tests.bench_parts import Far

FAR_S, SECONDS = 0.005, 4.0
WRITERS = (1, 8, 32)
ACCOUNTS = 1000


class Account(Table, name="benchAccounts"):
    balance: int = 0


@mutation
def open_account(ctx: MutationCtx, name: str) -> None:
    """A new account."""
    ctx.db.insert(Account(id=name, balance=1000))


@mutation
def transfer(ctx: MutationCtx, one: str, other: str) -> int:
    """Move 1 from one account to another."""
    first, second = ctx.db.get(Account, one), ctx.db.get(Account, other)
    assert first is not None
    assert second is not None
    ctx.db.patch(first, balance=first.balance - 1)
    return ctx.db.patch(second, balance=second.balance + 1).balance


@dataclass
class Taken:
    """What some seconds of writing came to; waits in seconds, in order."""

    waits: list[float]
    runs: int
    seconds: float
    cpu: float

    def rate(self) -> float:
        """Commits a second."""
        return len(self.waits) / self.seconds


def pressed(writers: int, seconds: float, call: Callable[[random.Random], Outcome]) -> Taken:
    """So many callers, each waiting for its answer before it calls again."""
    waits: list[list[float]] = [[] for _ in range(writers)]
    runs = [0] * writers
    until = time.perf_counter() + seconds

    def write(me: int) -> None:
        rng = random.Random(me)
        while (start := time.perf_counter()) < until:
            said = call(rng)
            assert said.ok, said
            runs[me] += said.runs
            waits[me].append(time.perf_counter() - start)

    threads = [threading.Thread(target=write, args=(me,)) for me in range(writers)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = sorted(wait for each in waits for wait in each)
    return Taken(every, sum(runs), time.perf_counter() - began, time.process_time() - cpu)


def one_conversation(writers: int, seconds: float = SECONDS) -> Taken:
    """Callers add messages to one conversation. Prints what it took, and returns it."""
    registry = load(("chalicelib.functions",))
    counted = CountingStore(SqliteStore(":memory:", all_specs()), all_specs())
    executor = Executor(Far(counted, FAR_S), registry, SystemClock(), lines=Lines())
    user = service("acme")

    def do(path: str, **args: Any) -> Outcome:
        return executor.mutation(path, args, user)

    made = do("conversations:create", type="user-agent", participants={"userId": "alice", "agentId": "helper"})
    assert made.ok, made
    said = {"conversationId": made.value["conversationId"], "message": {"role": "user", "content": "hi"}, "tail": 0}
    counted.reset()
    took = pressed(writers, seconds, lambda _rng: do("conversations:addMessage", **said))
    done = len(took.waits)
    units = f"{sum(counted.wcu.values()) / done:6.1f} WCU {sum(counted.rcu.values()) / done:6.1f} RCU"
    requests = f"{sum(counted.requests.values()) / done:5.1f} requests   {took.runs / done:4.2f} tries"
    median, late = took.waits[done // 2], took.waits[-1 - done // 100]
    waits = f"median {median * 1000:4.0f} ms, 99 of 100 within {late / median:3.1f} of it"
    print(f"  {writers:3d} writers {took.rate():7.1f} commits/s   {units}   {requests}   {waits}")
    return took


def transfers(writers: int, hot: float, sync: Sync, seconds: float = SECONDS) -> None:
    """Callers move money between accounts of one file; `hot`: the share of transfers between the same two."""
    registry = Registry()
    for function in (open_account, transfer):
        registry.add(function, "bench")
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "bench.db", all_specs(), sync=sync)
        executor = Executor(store, registry, SystemClock(), lines=Lines(one=True))
        for number in range(ACCOUNTS):
            executor.mutation("bench:openAccount", {"name": f"a{number}"}, None)

        def call(rng: random.Random) -> Outcome:
            pair = (0, 1) if rng.random() < hot else rng.sample(range(ACCOUNTS), 2)
            return executor.mutation("bench:transfer", {"one": f"a{pair[0]}", "other": f"a{pair[1]}"}, None)

        took = pressed(writers, seconds, call)
        store.close()
    done = len(took.waits)
    cpu = f"{took.cpu / done * 1000:5.2f} ms CPU = {done / took.cpu:5.0f} a core   {took.runs / done:4.2f} tries"
    print(f"  {writers:3d} writers, {hot * 100:3.0f} % between two, sync {sync:<6} {took.rate():7.0f}/s   {cpu}")


def main() -> None:
    """Print the report."""
    print(f"\nOne conversation; a request to the store takes {FAR_S * 1000:.0f} ms\n")
    for writers in WRITERS:
        one_conversation(writers)
    print("\nTransfers on one file of SQLite, without a door\n")
    for writers, hot in ((1, 0.0), (8, 0.0), (8, 0.8)):
        for sync in ("normal", "full"):
            transfers(writers, hot, "full" if sync == "full" else "normal")


if __name__ == "__main__":
    main()
