"""`make bench-counts`: what things cost, counted; and how long they take, next to a bare echo in the same run.

Counts are requests to the store and the capacity units that DynamoDB would bill for them. They are the same on every
machine and are what to compare between two versions. Times depend on the machine: only the ratio to the echo says anything.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench_contention import main as contention
from tests.bench_cost import report
from tests.bench_parts import Counted
from tests.bench_rooms import rooms
from tests.support.bench_client import Client, echo_server

ROUNDS = 300


def counts(server: Counted) -> None:
    """The counted part."""
    print("\nCounted (requests to the store, fan-out included; units as DynamoDB bills them)\n")
    alice = Client(server.url, server.token)
    session = alice.mutation("chat:startSession", {})
    server.count("start a session", lambda: alice.mutation("chat:startSession", {}))
    worker = Client(server.url, server.stack.issuer.token("w1", "acme", roles=["worker"]))
    held = alice.mutation("chat:startSession", {"workerId": "w1"})
    server.count(
        "send a message (answered by a worker)",
        lambda: alice.mutation("chat:sendMessage", {"sessionId": held, "content": "hello"}),
    )
    reply = alice.mutation(
        "chat:sendMessage", {"sessionId": alice.mutation("chat:startSession", {"workerId": "w1"}), "content": "hi"}
    )
    chat = {"sessionId": alice.mutation("chat:startSession", {"workerId": "w1"})}
    reply = alice.mutation("chat:sendMessage", {**chat, "content": "hi"})
    watching: list[Client] = []
    for sequence, subscribers in enumerate((0, 1, 10, 100)):
        while len(watching) < subscribers:
            one = Client(server.url, server.token)
            one.subscribe("chat:subscribeToChunks", {**chat, "messageId": reply})
            watching.append(one)
        chunk = {**chat, "messageId": reply, "chunk": "a chunk of text ", "sequence": sequence}
        server.count(f"one chunk to {subscribers} subscribers", lambda chunk=chunk: worker.mutation("chat:writeChunk", chunk))
    server.count(
        "subscribe to the messages of a session", lambda: alice.subscribe("chat:subscribeToMessages", {"sessionId": session})
    )
    for one in watching:
        one.close()
    many = alice.mutation("chat:startSession", {"workerId": "w1"})
    for number in range(25):
        _turn(alice, worker, many, f"message {number}")
    server.count("list 50 messages (HTTP)", lambda: alice.query("chat:getMessages", {"sessionId": many, "limit": 50}))
    alice.close()
    worker.close()


def _turn(alice: Client, worker: Client, session: str, text: str) -> None:
    reply = alice.mutation("chat:sendMessage", {"sessionId": session, "content": text})
    worker.mutation("chat:completeMessage", {"sessionId": session, "messageId": reply, "content": "done"})


def appends(server: Counted, depth: int) -> None:
    """Appending costs the same at the start of a conversation and after thousands of messages."""
    alice = Client(server.url, server.token)
    worker = Client(server.url, server.stack.issuer.token("w1", "acme", roles=["worker"]))
    session = alice.mutation("chat:startSession", {"workerId": "w1"})
    sent = 0
    for target in (10, depth):
        while sent < target - 2:
            _turn(alice, worker, session, f"message {sent}")
            sent += 2
        server.count(
            f"append message number {target}", lambda: alice.mutation("chat:sendMessage", {"sessionId": session, "content": "x"})
        )
        last = alice.query("chat:getMessages", {"sessionId": session, "limit": 1})[-1]["messageId"]
        worker.mutation("chat:completeMessage", {"sessionId": session, "messageId": last, "content": "done"})
        sent += 2


def latencies(server: Counted) -> None:
    """From a mutation's frame to another subscriber's Transition, next to an echo of the same size."""
    print("\nTimed in one run (milliseconds; the ratio is what counts)\n")
    alice, bob = Client(server.url, server.token), Client(server.url, server.token)
    bob.subscribe("counter:get", {"name": "bench"})
    alice.mutation("counter:add", {"name": "bench"})
    with echo_server() as url:
        echo = Client.echo(url)
        own, other, bare = [], [], []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            echo("x" * 200)
            bare.append(time.perf_counter() - start)
            seen = bob.next_transition()
            start = time.perf_counter()
            alice.mutation("counter:add", {"name": "bench"})
            own.append(time.perf_counter() - start)
            other.append(seen() - start)
    for what, taken in (
        ("a bare WebSocket echo", bare),
        ("mutation to its promise", own),
        ("mutation to another's Transition", other),
    ):
        cuts = statistics.quantiles(taken, n=100)
        ratio = statistics.median(taken) / statistics.median(bare)
        print(f"  {what:<44} p50 {statistics.median(taken) * 1000:7.2f}   p99 {cuts[98] * 1000:7.2f}   {ratio:6.1f} x the echo")
    alice.close()
    bob.close()


FAR_S, CROWD = 0.005, 100


def crowds() -> None:
    """Until the last of many subscribers has a change, when each request to the store takes 5 ms: slices in turn, and at once."""
    print(f"\nUntil the last of {CROWD} subscribers has a change; a request to the store takes {FAR_S * 1000:.0f} ms (seconds)\n")
    for threads in (1, 8):
        with tempfile.TemporaryDirectory() as folder:
            server = Counted(Path(folder), FAR_S, fan_out_threads=threads)
            alice = Client(server.url, server.token)
            alice.mutation("counter:add", {"name": "far"})
            watching = [Client(server.url, server.token) for _ in range(CROWD)]
            for one in watching:
                one.subscribe("counter:get", {"name": "far"})
            taken = []
            for _ in range(5):
                server.settle()
                waits = [one.next_transition() for one in watching]
                start = time.perf_counter()
                alice.mutation("counter:add", {"name": "far"})
                taken.append(max(wait() for wait in waits) - start)
            print(f"  FAN_OUT_THREADS={threads:<28} median {statistics.median(taken):6.2f}   slowest {max(taken):6.2f}")
            for one in (alice, *watching):
                one.close()
            server.stack.stop()


def main() -> None:
    """Print the report. An argument is the depth of the deep append (default 10,000)."""
    depth = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        server = Counted(Path(folder))
        try:
            counts(server)
            appends(server, depth)
            rooms(server)
            latencies(server)
        finally:
            server.stack.stop()
    crowds()
    contention()
    report()


if __name__ == "__main__":
    main()
