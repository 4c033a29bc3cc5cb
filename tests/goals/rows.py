"""The figures of sockets in rows: counted by DynamoDB's rules, or timed with each request to the store 5 ms away."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalicelib import wiring
from chalicelib.data.store import Action, Item, Put, Update
from chalicelib.data.tables import all_specs
from chalicelib.live.keepalive import Keepalive, bucket_of
from chalicelib.settings import Settings
from infra.local.sqlite.store import SqliteStore
from infra.local.stack import SWEEP_S
from infra.prices import cost
from tests import bench_contention, bench_uses
from tests.bench_cost import SAY, Meter, turn, warm
from tests.bench_parts import Far
from tests.support.bench_client import Client

FAR_S = 0.005
APPS = ("chalicelib.functions", "examples.counter")
FOLLOWED = ("chatChunks", "mailboxes", "watches", "subscriptions", "inbox")
"""Tables that a reply's pieces and their telling are written to; its beginning and its end are not a piece's."""


@contextmanager
def metered(**settings: Any) -> Iterator[Meter]:
    """A server that counts."""
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter(Path(folder), **settings)
        try:
            yield meter
        finally:
            meter.stack.stop()


def calls() -> dict[str, float]:
    """One mutation over a socket, and a further message to a session that a worker answers, seen by its sender."""
    with metered(apps=APPS, workers_shared=("*",)) as meter:
        client = Client(meter.url, meter.token)
        client.mutation("counter:add", {"name": "bench"})
        call = bench_uses.counted(meter, "call", lambda: client.mutation("counter:add", {"name": "bench"}))
        session = client.mutation("chat:startSession", {"workerId": "w1"})
        client.subscribe("chat:subscribeToMessages", {"sessionId": session})
        said = {"sessionId": session, "content": "hello"}
        client.mutation("chat:sendMessage", said)  # the first one also gives the session its name
        meter.settle()
        send = bench_uses.counted(meter, "send", lambda: client.mutation("chat:sendMessage", said))
        client.close()
    return {
        "call requests": call.requests,
        "call WCU": call.wcu,
        "send requests": send.requests,
        "send WCU": send.wcu,
    }


def pieces(viewers: int) -> float:
    """Write units of a piece: a reply of about 24, four a second, to so many viewers who are there before its first word.

    From when the reply's writer has claimed it, and all is quiet, until its last commit: the viewers are the writer's then, their
    leases taken and given back, and that they are told of the beginning and the end is not a piece's.
    """
    with metered() as meter:
        talker = Client(meter.url, meter.token)
        session = talker.mutation("chat:startSession", {})
        watching = [Client(meter.url, meter.token) for _ in range(viewers)]
        wait_s = 15 + viewers // 5
        content = f"/slow {wait_s}\n/pace 50\n/say {SAY}"
        reply = talker.mutation("chat:sendMessage", {"sessionId": session, "content": content})
        for one in watching:
            one.subscribe("chat:subscribeToChunks", {"sessionId": session, "messageId": reply})
        while meter.store.items["transact", "runs"] < 2:
            time.sleep(0.1)  # made by the message, and claimed
        _written(meter)
        if meter.store.items["write", "chatChunks"]:
            raise RuntimeError(f"the reply began before {viewers} viewers were there")
        meter.store.reset()
        at_the_end = _at_the_end_of_a_run(meter)
        while not _ended(talker, session, reply):
            time.sleep(0.2)
        meter.settle()
        units, chunks = at_the_end, meter.store.items["write", "chatChunks"]
        if not chunks:
            raise RuntimeError("the reply had no pieces")
        for one in (talker, *watching):
            one.close()
    return float(sum(units.get(name, 0) for name in FOLLOWED) / chunks)


def _written(meter: Meter) -> None:
    """Wait until nothing has been written for a moment. (A reply's writer looks now and then whether it still is that.)"""
    before = -1.0
    while before != (now := sum(meter.store.wcu.values())):
        before = now
        time.sleep(0.5)


def _at_the_end_of_a_run(meter: Meter) -> dict[str, float]:
    """Empty; once a run is about to end, the write units until then."""
    found: dict[str, float] = {}
    transact = meter.store.transact

    def watched(actions: Sequence[Action]) -> Any:
        ends = any(isinstance(each, Update) and each.key.table == "runs" and ("endedAt",) in each.set for each in actions)
        if ends and not found:
            found.update(meter.store.wcu)
        return transact(actions)

    meter.store.transact = watched
    return found


def _ended(client: Client, session: str, reply: str) -> bool:
    shown = client.query("chat:getMessages", {"sessionId": session, "limit": 1})
    return any(each["messageId"] == reply and each["completed"] for each in shown)


def rooms() -> dict[str, float]:
    """A room's message."""
    with metered() as meter:
        uses = {use.name: use for use in bench_uses.rooms(meter)}
    found: dict[str, float] = {}
    for others in bench_uses.OTHERS:
        use = uses[f"a room's message to {others} others"]
        found |= {f"{others} WCU": use.wcu, f"{others} RCU": use.rcu}
    return found


def writers(count: int) -> float:
    """Commits a second on one conversation."""
    return bench_contention.one_conversation(count).rate()


def pages() -> dict[str, float]:
    """A page's life, and how the length of a log counts."""
    with metered() as meter:
        near, far = bench_uses.additions(meter)
        page = bench_uses.pages(meter)[0]
    return {"page": page.wcu, "far ÷ near": far.wcu / near.wcu}


def idle() -> float:
    """Dollars of a quiet socket's month."""
    with metered(ping_s=1) as meter:
        return bench_uses.idle_sockets(meter, Settings.ping_s).dollars


def turns(tabs: int) -> float:
    """Dollars of a million turns."""
    with metered() as meter:
        warm(meter)
        return sum(cost(turn(meter, tabs)[0]).values()) * 1e6


class Posts:
    """A gateway that is as far away as the store, and takes everything."""

    def post(self, connection: str, text: str) -> str:
        """A post."""
        time.sleep(FAR_S)
        return "ok"

    def close(self, connection: str) -> bool:
        """Not asked for here."""
        return True


def sweep(sockets: int = 50_000) -> float:
    """Sockets that a sweep keeps alive: as many as it finds and hands out, and a share pings, before the next one begins.

    Measured with `sockets` rows; the slower of the two counts, in proportion to the ten seconds between two sweeps.
    """
    with metered():
        backend = wiring.backend()
        plain = SqliteStore(":memory:", all_specs())
        share, now = backend.world.sweep_share, backend.world.clock.now_ms()
        for number in range(sockets):
            plain.write(Put("mailboxes", _quiet(f"socket-{number}", now)))
        world = replace(backend.world, store=Far(plain, FAR_S), gateway=Posts())
        handed: list[dict[str, Any]] = []

        def hand_out(part: dict[str, Any]) -> None:
            time.sleep(FAR_S)
            handed.append(part)

        keepalive = Keepalive(world, backend.fanout, backend.lane, hand_out)
        own = _timed(keepalive.tick)
        part = handed[0]
        of_a_share = _timed(lambda: keepalive.look(part["connections"], now - int(SWEEP_S * 1000), now))
        found = sum(len(each["connections"]) for each in handed) + share
        plain.close()
    if found < sockets:
        raise RuntimeError(f"the sweep found {found} of {sockets} sockets")
    seconds = max(own, of_a_share)
    return sockets * SWEEP_S / seconds


def _quiet(connection: str, now: int) -> Item:
    """A mailbox that needs nothing but its pings."""
    return {
        "pk": connection,
        "opened": now - 600_000,
        "last": now - 300_000,
        "notes": 1,
        "seen": 1,
        "settled": True,
        "bucket": bucket_of(connection),
    }


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
