"""What `make bench-cost` counts beside turns: one use of each kind, from its first request to the last post of its fan-out."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.prices import PRICES, cost
from tests.bench_rooms import Tab as ChatTab
from tests.support.bench_client import Client

OTHERS = (10, 40)
LENGTHS = (1, 800)
SAID = "a message of an ordinary length, as people write them"
SWEEPS_A_MONTH = 30 * 24 * 360
MONTH_S = 30 * 24 * 3600
SOCKETS = 24


@dataclass
class Use:
    """What one of something takes."""

    name: str
    requests: int
    wcu: float
    rcu: float
    posts: int
    dollars: float
    """For a million of them."""


def counted(meter: Any, name: str, work: Callable[[], Any], each: int = 1) -> Use:
    """Do something `each` times at once, and count one of them."""
    meter.reset()
    work()
    meter.settle()
    units = {unit: count / each for unit, count in meter.units(0).items()}
    return Use(
        name,
        round(sum(meter.store.requests.values()) / each),
        units["wru"],
        units["rru"],
        round(meter.posts / each),
        sum(cost(units).values()) * 1e6,
    )


def additions(meter: Any) -> list[Use]:
    """`conversations:addMessage`, by the place of the message in its log."""
    client = Client(meter.url, meter.token)
    talk = client.mutation("conversations:create", _between("alice", "helper"))["conversationId"]
    found, there = [], 0
    for place in LENGTHS:
        for _ in range(there, place - 1):
            _say(meter, talk, tail=0)
        found.append(counted(meter, f"addMessage over HTTP, message {place}", partial(_say, meter, talk)))
        there = place
    client.close()
    return found


def rooms(meter: Any) -> list[Use]:
    """A message and a typing event in a room, by who else is there."""
    client = Client(meter.url, meter.token)
    room = client.mutation("conversations:create", _between("alice", "one"))["conversationId"]
    tabs = [ChatTab(meter.url, meter.token)]
    tabs[0].call("conversation:join", conversationId=room)
    found = []
    for others in OTHERS:
        for number in range(len(tabs), others + 1):
            client.mutation("rooms:addParticipant", {"conversationId": room, **_user(number)})
            tabs.append(ChatTab(meter.url, meter.stack.issuer.token(f"u{number}", "acme")))
            tabs[-1].call("conversation:join", conversationId=room)
        say = partial(tabs[0].call, "message:send", conversationId=room, content="hello")
        found.append(counted(meter, f"a room's message to {others} others", say))
        say = partial(tabs[0].call, "message:typing", conversationId=room, isTyping=True)
        found.append(counted(meter, f"typing, told to {others} others", say))
    for tab in tabs:
        tab.close()
    client.close()
    meter.settle()
    return found


def pages(meter: Any) -> list[Use]:
    """A page is opened, with five queries, and closed."""
    client = Client(meter.url, meter.token)
    session = client.mutation("chat:startSession", {})
    client.close()

    def opened() -> None:
        page = Client(meter.url, meter.token)
        for path, args in (
            ("chat:listSessions", {}),
            ("chat:getSession", {"sessionId": session}),
            ("chat:subscribeToMessages", {"sessionId": session}),
            ("conversations:list", {}),
            ("tasks:list", {}),
        ):
            page.subscribe(path, args)
        page.close()

    return [counted(meter, "a page with five queries, opened and closed", opened)]


def memories(meter: Any) -> list[Use]:
    """A turn remembered and recalled in a space of fifty memories, and a search of them by words."""
    turn = {"space": "home", "conversationId": "conv-m", "agentId": "helper", "userMessage": SAID}
    for number in range(25):
        _post(meter, "memory:remember", **turn, agentResponse=f"an answer of an ordinary length, the {number}th")
    remember = partial(_post, meter, "memory:remember", **turn, agentResponse="an answer that is remembered")
    recall = partial(_post, meter, "memory:recall", kind="action", space="home", query="an ordinary answer")
    search = partial(_post, meter, "memories:search", kind="query", space="home", query="an ordinary answer")
    return [
        counted(meter, "a turn remembered, and embedded behind it", remember),
        counted(meter, "a recall of ten, among fifty memories", recall),
        counted(meter, "a search by words, among fifty memories", search),
    ]


def idle_sockets(meter: Any, ping_s: int) -> Use:
    """A socket that says nothing, for a month: `meter`'s clients are due for a ping after a second.

    Each sweep reads every row; a ping comes every `ping_s` seconds, and looks at the inbox. One of sixty is a visit: not counted.
    """

    def sweep() -> dict[str, float]:
        meter.reset()
        meter.stack.lambdas.call("sweep", {})
        meter.settle()
        return dict(meter.store.rcu)

    nobody = sweep()
    clients = [Client(meter.url, meter.token) for _ in range(SOCKETS)]
    sweep()
    threading.Event().wait(1.5)
    asked = sweep()
    assert (meter.posts, meter.store.wcu) == (SOCKETS, {}), "each is pinged, and nothing is written"
    for client in clients:
        client.close()
    pings, reads = MONTH_S / ping_s, {table: units - nobody.get(table, 0) for table, units in asked.items()}
    rcu = (reads["mailboxes"] * SWEEPS_A_MONTH + reads["inbox"] * pings) / SOCKETS
    units = {"rru": rcu, "message": pings}
    open_socket = PRICES["connection_minute"].dollars * MONTH_S / 60
    return Use("an idle socket, one month", 0, 0, rcu, int(pings), sum(cost(units).values()) + open_socket)


def _user(number: int) -> dict[str, str]:
    return {"participantType": "user", "participantId": f"u{number}"}


def _between(user: str, agent: str) -> dict[str, Any]:
    return {"type": "user-agent", "participants": {"userId": user, "agentId": agent}}


def _say(meter: Any, talk: str, **more: Any) -> None:
    _post(meter, "conversations:addMessage", conversationId=talk, message={"role": "user", "content": SAID}, **more)


def _post(meter: Any, path: str, *, kind: str = "mutation", **args: Any) -> None:
    """A call over HTTP."""
    body = json.dumps({"path": path, "args": args, "format": "json"}).encode()
    headers = {"Authorization": f"Bearer {meter.token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{meter.url}/api/{kind}", body, headers), timeout=30) as response:
        told = json.load(response)
    assert told["status"] == "success", told


def print_uses(uses: list[Use]) -> None:
    """A line for each."""
    print("\nOne of each, counted\n")
    print(f"  {'':46}{'requests':>9}{'WCU':>8}{'RCU':>9}{'posts':>7}{'$ a million':>13}")
    for use in uses:
        print(f"  {use.name:46}{use.requests:9}{use.wcu:8.1f}{use.rcu:9.1f}{use.posts:7}{use.dollars:13.2f}")


def print_idle(use: Use, ping_s: int) -> None:
    """What an idle socket costs."""
    units = f"{use.rcu:,.0f} read and {use.wcu:,.0f} write units"
    print(f"\n  {use.name}: ${use.dollars:.3f} (a ping each {ping_s} s: {use.posts:,} posts; {units})")
