"""`make bench-cost`: dollars per million turns, of what else is used, and of an idle month: counted units at dated prices.

A turn is one message and one streamed reply, followed by tabs that do what the shipped page does: the list of messages, and
the newest chunk of the reply. Units are counted on the local server, which runs the same handlers. Two things it cannot count are
assumed and printed: how long an invocation lasts in Lambda, and the bytes of its logs. The model's own price is not in it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from chalicelib.aws.watch import overdue
from chalicelib.data.tables import all_specs
from chalicelib.runtime.canary import index_lag
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from chalicelib.settings import Settings
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.stack import Stack
from infra.prices import PRICES, REGION, TAKEN, cost
from infra.template.parts import Deployment, Function, camel
from infra.template.policies import ROLES
from infra.template.watching import LOG_METRICS, ONE_METRIC, watching
from tests import bench_uses, counted_turns
from tests.support.bench_client import Client
from tests.support.reply_text import ReplyText

SECONDS = {"ws_message": 0.06, "on_change": 0.05, "serve": 0.04, "api": 0.05, "sweep": 0.1, "tick": 0.05}
"""Assumed seconds of a warm invocation; a reply's is measured, because it lasts as long as the model speaks."""
OTHERS_S, A_POST_S = 0.05, 0.01
SECONDS_TEXT = ", ".join(f"{name} {seconds} s" for name, seconds in SECONDS.items())
MEMORY_GB = 1.0
CONFIG = Path(__file__).parents[1] / ".chalice" / "config.json"
GENERATE_GB = json.loads(CONFIG.read_text())["lambda_functions"]["generate"]["lambda_memory_size"] / 1024
"""Of the function that waits for the model."""
LOG_BYTES = 900
"""Assumed for one invocation: Lambda's own three lines and one of metrics."""
TOKENS_A_SECOND = 50
SAY = " ".join(f"word{number % 97}" for number in range(300))
MONTH_S = 30 * 24 * 3600
_RUNS: ContextVar[str] = ContextVar("runs", default="")
"""The function that runs here."""
POLLS_PER_QUEUE = MONTH_S / 20 * 5
"""Lambda asks an idle queue by five long polls of 20 seconds at a time."""


class Meter:
    """A local server that counts: capacity units, invocations, messages, bytes, queue requests."""

    def __init__(self, folder: Path, **more: Any) -> None:
        settings = Settings(data_dir=folder, port=0, identity_wait_ms=0, chunk_flush_ms=250, live="rows", **more)
        self.invocations: Counter[str] = Counter()
        self.posts = self.posted_bytes = self.queued = self.posts_of_replies = 0
        self.store: Any = None
        self.stack = Stack(settings, sweep_s=10**6, wrap_store=self._wrap)
        self._count_calls()
        self._count_posts()
        self.stack.start()
        self.url, self.token = self.stack.url, self.stack.issuer.token("alice", "acme")

    def _wrap(self, store: Any) -> CountingStore:
        self.store = CountingStore(store, all_specs())
        return self.store

    def _count_calls(self) -> None:
        lambdas: Any = self.stack.lambdas
        call, later = lambdas.call, lambdas.later

        def counted(function: str, event: Any) -> Any:
            self.invocations["api" if function == "app" else function] += 1
            outer = _RUNS.set(function)
            try:
                return call(function, event)
            finally:
                _RUNS.reset(outer)

        def counted_later(function: str, payload: Any, delay_ms: int) -> None:
            self.queued += delay_ms > 0
            later(function, payload, delay_ms)

        lambdas.call, lambdas.later = counted, counted_later

    def _count_posts(self) -> None:
        gateway: Any = self.stack.gateway
        post = gateway.post

        def counted(connection: str, text: str) -> Any:
            size = len(text.encode())
            self.posts += -(-size // 32768)
            self.posts_of_replies += _RUNS.get() == "generate"
            self.posted_bytes += size
            return post(connection, text)

        gateway.post = counted

    def reset(self) -> None:
        """Start again at zero, once all is quiet."""
        self.settle()
        self.store.reset()
        self.invocations.clear()
        self.posts = self.posted_bytes = self.queued = self.posts_of_replies = 0

    def settle(self) -> None:
        """Wait until nothing has been asked of the store for a moment."""
        before = -1
        while before != (now := sum(self.store.requests.values())):
            before = now
            threading.Event().wait(0.4)

    def units(self, reply_s: float) -> dict[str, float]:
        """What was used since the reset, as AWS bills it."""
        # The job reaches `generate` twice, from the commit and from the stream; the second finds it taken.
        others = self.posts - self.posts_of_replies
        seconds = sum(count * SECONDS.get(name, OTHERS_S) for name, count in self.invocations.items())
        return {
            "wru": sum(self.store.wcu.values()),
            "rru": sum(self.store.rcu.values()),
            "invocation": sum(self.invocations.values()),
            "gb_second": (reply_s + self.posts_of_replies * A_POST_S) * GENERATE_GB + (seconds + others * A_POST_S) * MEMORY_GB,
            "message": self.posts + self.invocations["ws_message"],
            "queue_request": self.queued * 3,  # sent, received, deleted
            "log_byte": sum(self.invocations.values()) * LOG_BYTES,
            "byte_out": self.posted_bytes,
        }


class Tab(Client):
    """A tab on a session: the messages, and the reply's text, followed as the page does."""

    def __init__(self, url: str, token: str, session: str, compression: str | None = "deflate") -> None:
        super().__init__(url, token, compression)
        self.session = session
        self.subscribe("chat:subscribeToMessages", {"sessionId": session})

    def follow(self, reply: str) -> None:
        """Begin."""
        self._taken = len(self._transitions)
        self.reading = ReplyText(self._modify, lambda: self._version, {"sessionId": self.session, "messageId": reply})
        self.reading.begin()

    def move(self) -> None:
        """Read what has come."""
        with self._moment:
            news = [each for _, each in self._transitions[self._taken :]]
        self._taken += len(news)
        for each in news:
            self.reading.take(each)

    def completed(self, reply: str) -> bool:
        """Whether the list of messages shows the reply as complete."""
        with self._moment:
            texts = [change.get("value") for _, each in self._transitions for change in each["modifications"]]
        return any(isinstance(value, list) and _complete(value, reply) for value in texts)


def _complete(messages: list[Any], reply: str) -> bool:
    return any(isinstance(each, dict) and each.get("messageId") == reply and each.get("completed") for each in messages)


def turn(meter: Meter, subscribers: int) -> tuple[dict[str, float], int, float]:
    """One turn. Returns its units, the chunks of the reply, and the seconds that it took."""
    first = Client(meter.url, meter.token)
    session = first.mutation("chat:startSession", {})
    tabs = [Tab(meter.url, meter.token, session) for _ in range(subscribers)]
    meter.reset()
    started = time.monotonic()
    content = f"/pace {TOKENS_A_SECOND}\n/say {SAY}"
    reply = tabs[0].mutation("chat:sendMessage", {"sessionId": session, "content": content})
    for tab in tabs:
        tab.follow(reply)
    while not all(tab.completed(reply) for tab in tabs):
        for tab in tabs:
            tab.move()
        time.sleep(0.05)
    seconds = time.monotonic() - started
    meter.settle()
    chunks = meter.store.items["write", "chatChunks"]
    units = meter.units(seconds)
    for client in (first, *tabs):
        client.close()
    meter.settle()
    return units, chunks, seconds


def warm(meter: Meter) -> None:
    """One reply before: a function that is there already has loaded the model's SDK."""
    client = Client(meter.url, meter.token)
    tab = Tab(meter.url, meter.token, client.mutation("chat:startSession", {}))
    reply = tab.mutation("chat:sendMessage", {"sessionId": tab.session, "content": "/say warm"})
    while not tab.completed(reply):
        time.sleep(0.05)
    for each in (client, tab):
        each.close()
    meter.settle()


def idle(meter: Meter) -> tuple[dict[str, float], int]:
    """What a month costs in which nobody comes. Returns the units and the number of alarms."""
    meter.stack.lambdas.call("sweep", {})  # the first one also makes the rows of the crons
    meter.reset()
    executor = Executor(meter.store, Registry(), SystemClock())
    meter.stack.lambdas.call("sweep", {})
    overdue(executor)  # what only the cloud's sweep does, at each
    meter.settle()
    ticks = MONTH_S / 60
    sweeps = ticks * 6
    used = {"wru": sum(meter.store.wcu.values()) * sweeps, "rru": sum(meter.store.rcu.values()) * sweeps}
    meter.reset()
    index_lag(executor)  # and once a minute; at the others it reads two rows
    used["wru"] += sum(meter.store.wcu.values()) * ticks
    used["rru"] += sum(meter.store.rcu.values()) * ticks + (sweeps - ticks)
    specs = all_specs()
    functions = {entry: Function(entry, camel(entry), f"{camel(entry)}Role", 60) for entry in ROLES}
    made = watching(Deployment("dev", (), functions, specs))
    alarms = sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in made.values())
    looks = 2 * sweeps  # sockets, and everything else
    seconds = ticks * SECONDS["tick"] + looks * SECONDS["sweep"]
    units = {
        **used,
        "invocation": ticks + looks,
        "gb_second": seconds * MEMORY_GB,
        "queue_request": 4 * POLLS_PER_QUEUE + ticks * 10 * 3,  # of twelve messages two go at once
        "log_byte": (ticks + looks) * LOG_BYTES,
        "alarm_month": alarms,
        "dashboard_month": 1,
        "metric_month": 6 + 2 + len(LOG_METRICS) - len(ONE_METRIC),  # three of each function that runs, and the sweep's own
        "secret_month": 2,
    }
    return units, alarms


def report(depth: tuple[int, ...] = (1, 10)) -> dict[str, Any]:
    """Count, print, and return dollars per million turns by subscribers, and per idle month."""
    found: dict[str, Any] = {"turns": {}}
    print(f"\nA turn, as it was counted on {counted_turns.COUNTED_ON} and stands in docs/operating.md:\n")
    print("\n".join(counted_turns.lines()))
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter(Path(folder))
        try:
            warm(meter)
            for subscribers in depth:
                units, chunks, seconds = turn(meter, subscribers)
                found["turns"][subscribers] = sum(cost(units).values()) * 1e6
                title = f"A million turns: a message and a reply of {chunks} chunks in {seconds:.0f} s, {subscribers} tab(s)"
                _print(title, {unit: count * 1e6 for unit, count in units.items()})
                for line in counted_turns.otherwise(subscribers, units, chunks) if subscribers in counted_turns.TURNS else ():
                    print(f"  *** not what is recorded (tests/counted_turns.py): {line} ***")
            units, _ = idle(meter)
            found["idle_month"] = sum(cost(units).values())
            _print("A month in which nobody comes (storage not counted)", units)
        finally:
            meter.stack.stop()
    found |= others()
    open_socket = PRICES["connection_minute"].dollars * MONTH_S / 60
    print(
        f"\n  List prices of {REGION}, {TAKEN}, without free tiers (infra/prices.py). The model's own price is not in it, nor is"
    )
    gigabytes = f"{MEMORY_GB:.0f} GB a function, {GENERATE_GB} GB for the one that writes replies"
    print(f"  stored data, nor a socket that stays open (${open_socket:.3f} a month). Assumed: {gigabytes};")
    print(f"  of a warm invocation {SECONDS_TEXT}, {A_POST_S} s more a post;\n  {LOG_BYTES} bytes of logs each.")
    return found


def others() -> dict[str, Any]:
    """Count and print what else is used: additions, pages, rooms, memories, sockets that say nothing."""
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter(Path(folder))
        try:
            uses = [
                each
                for kind in (bench_uses.additions, bench_uses.pages, bench_uses.rooms, bench_uses.memories)
                for each in kind(meter)
            ]
        finally:
            meter.stack.stop()
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter(Path(folder), ping_s=1)
        try:
            idle_socket = bench_uses.idle_sockets(meter, Settings.ping_s)
        finally:
            meter.stack.stop()
    bench_uses.print_uses(uses)
    bench_uses.print_idle(idle_socket, Settings.ping_s)
    return {"uses": {use.name: use for use in uses}, "idle_socket_month": idle_socket.dollars}


def _print(title: str, units: dict[str, float]) -> None:
    dollars = cost(units)
    print(f"\n{title}: ${sum(dollars.values()):,.2f}\n")
    for unit, amount in sorted(dollars.items(), key=lambda each: -each[1]):
        print(f"  ${amount:10,.2f}   {units[unit]:18,.0f} x {PRICES[unit].unit}")


if __name__ == "__main__":
    report()
    sys.exit(0)
