"""The official PyPI client's scenarios, each in a process of its own: its blocking calls hold the interpreter's lock.

`python scenarios.py <url> <scenario> [argument]`; prints "fine" last. Lines before it are steps for the test that drives it.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from convex import ConvexClient, ConvexError, ConvexInt64
from convex.http_client import ConvexHttpClient


def refused(call: Callable[[], Any]) -> Exception:
    """The error of a call that must fail."""
    try:
        value = call()
    except Exception as error:  # noqa: BLE001 - whatever the client raises is what the scenario looks at
        return error
    raise AssertionError(f"this should have been refused, and gave {value!r}")


def check_data(error: Exception) -> None:
    """A ConvexError with all that JSON has no words for."""
    assert isinstance(error, ConvexError), repr(error)
    data = error.data
    assert (data["code"], data["big"].value, data["raw"], data["far"], data["nothing"]) == (
        "Nope",
        2**62,
        b"\x00\xff",
        math.inf,
        None,
    ), data


def errors(url: str, name: str) -> None:
    """Refusals as data, faults and wrong calls as messages; nothing was written."""
    client = ConvexClient(url)
    check_data(refused(lambda: client.mutation("scenarios:add", {"name": name, "refuse": True})))
    check_data(refused(lambda: client.action("scenarios:relay", {"name": name, "refuse": True})))
    check_data(refused(lambda: client.query("scenarios:strict", {"name": name})))
    assert "boom" in str(refused(lambda: client.mutation("scenarios:crash", {})))
    assert "Could not find public function" in str(refused(lambda: client.query("scenarios:nothingHere")))
    assert client.query("scenarios:get", {"name": name}) == 0.0


def heals(url: str, name: str) -> None:
    """A failed query heals when its data changes."""
    client = ConvexClient(url)
    seen = client.subscribe("scenarios:strict", {"name": name})
    check_data(refused(lambda: next(seen)))
    client.mutation("scenarios:add", {"name": name, "amount": 7})
    assert next(seen) == 7.0


def unreadable(url: str, name: str) -> None:
    """An argument that nests too deep, and an error that ends within an emoji: each is answered, and the client goes on."""
    client = ConvexClient(url)
    deep: Any = 1.0
    for _ in range(100):  # its own limit is 128
        deep = [deep]
    assert "levels" in str(refused(lambda: client.mutation("scenarios:store", {"name": name, "value": deep})))
    assert "levels" in str(refused(lambda: client.query("scenarios:echo", {"value": deep})))
    cut = refused(lambda: client.mutation("scenarios:cut"))
    assert isinstance(cut, ConvexError)
    assert cut.data["message"] == "cut \ufffd"
    assert client.mutation("scenarios:add", {"name": name}) == 1.0


def values(url: str, name: str) -> None:
    """Every value comes back as it went in: by a query, a mutation, the store."""
    client = ConvexClient(url)
    value = {
        "nothing": None,
        "yes": True,
        "text": "añ🙂",
        "whole": 5.0,
        "half": 0.5,
        "far": math.inf,
        "near": -math.inf,
        "big": ConvexInt64(-(2**63)),
        "raw": b"\x00\x01\xff",
        "list": [1.0, ["two", None], {}],
        "nan": math.nan,
        "zero": -0.0,
    }
    ways = {
        "query": client.query("scenarios:echo", {"value": value}),
        "mutation": client.mutation("scenarios:store", {"name": name, "value": value}),
        "stored": client.query("scenarios:stored", {"name": name}),
    }
    for way, told in ways.items():
        assert math.isnan(told.pop("nan")), way
        assert math.copysign(1, told["zero"]) == -1, way
        assert told == {key: part for key, part in value.items() if key != "nan"}, (way, told)


def actions(url: str, name: str) -> None:
    """An action counts and reads."""
    client = ConvexClient(url)
    assert client.action("scenarios:relay", {"name": name, "amount": 4}) == 4.0


def bare(url: str, name: str) -> None:
    """A client without any query: its mutation resolves, quickly."""
    client = ConvexClient(url)
    begun = time.monotonic()
    assert client.mutation("scenarios:add", {"name": name}) == 1.0
    assert time.monotonic() - begun < 1, "a mutation without any query took a second"
    assert client.mutation("scenarios:add", {"name": name}) == 2.0


def signs_in(url: str, token: str) -> None:
    """set_auth and clear_auth, seen by queries, mutations and over HTTP."""
    client = ConvexClient(url)
    assert client.query("scenarios:whoami") is None
    seen = client.subscribe("scenarios:whoami")
    assert next(seen) is None
    client.set_auth(token)
    # Only then a mutation: one sent right behind the token may overtake it on its way in, and run as nobody.
    assert next(seen) == {"subject": "alice", "org": "acme", "token": "concave-dev|alice"}
    assert client.mutation("scenarios:whoamiNow")["subject"] == "alice"
    client.clear_auth()
    while next(seen) is not None:  # this client may tell a value again before the change comes
        pass
    http = ConvexHttpClient(url)
    http.set_auth(token)
    assert http.query("scenarios:whoami")["subject"] == "alice"


def over_http(url: str, name: str) -> None:
    """The HTTP client: values, and errors at status 200."""
    client = ConvexHttpClient(url)
    assert client.mutation("scenarios:add", {"name": name, "amount": 2}) == 2.0
    assert client.query("scenarios:get", {"name": name}) == 2.0
    assert client.action("scenarios:relay", {"name": name}) == 3.0
    value = [1.0, {"half": 0.5, "raw": b"\xff"}, None]
    assert client.query("scenarios:echo", {"value": value}) == value
    error = refused(lambda: client.mutation("scenarios:add", {"name": name, "refuse": True}))
    assert isinstance(error, ConvexError), repr(error)
    assert error.data["code"] == "Nope"
    assert "ArgumentValidationError" in str(refused(lambda: client.query("scenarios:get", {"nam": name})))


def iterators(url: str, name: str) -> None:
    """`async for`, and `watch_all` over two queries."""

    async def live() -> None:
        client = ConvexClient(url)
        seen = client.subscribe("scenarios:get", {"name": name})
        other = client.subscribe("scenarios:get", {"name": f"{name}-other"})
        all_of_them = client.watch_all()
        got = []
        async for value in seen:
            got.append(value)
            if len(got) == 3:
                break
            await asyncio.to_thread(client.mutation, "scenarios:add", {"name": name})
        assert got == [0.0, 1.0, 2.0], got
        async for together in all_of_them:
            if sorted(together.values()) == [0.0, 2.0]:
                break
        other.unsubscribe()

    asyncio.run(asyncio.wait_for(live(), 20))


def follow(url: str, name: str) -> None:
    """Say every value of a tally until it is 3; the test disturbs meanwhile (a reconnect sends `.js` paths)."""
    for value in ConvexClient(url).subscribe("scenarios:get", {"name": name}):
        sys.stdout.write(f"{value}\n")
        sys.stdout.flush()
        if value >= 3:
            break


def reply(url: str, token: str, session_id: str, message_id: str) -> None:
    """Follow a reply through its chunks until the message is complete; the text is the message's."""
    client = ConvexClient(url)
    client.set_auth(token)
    text, after = "", -1.0
    while True:
        args = {"sessionId": session_id, "messageId": message_id}
        pages = client.subscribe("chat:subscribeToChunks", {**args, "after": after})
        page: list[Any] = next(pages)
        messages = client.query("chat:getMessages", {"sessionId": session_id})
        whole = next(each for each in messages if each["messageId"] == message_id)
        if not page and not whole["completed"]:
            page = next(pages)
        pages.unsubscribe()
        text += "".join(chunk["chunk"] for chunk in page)
        after = page[-1]["sequence"] if page else after
        if whole["completed"] and text == whole["content"]:
            break
        assert whole["content"].startswith(text) or not whole["completed"], text


SCENARIOS: dict[str, Callable[..., None]] = {
    each.__name__: each
    for each in (errors, heals, values, actions, bare, signs_in, over_http, unreadable, iterators, follow, reply)
}

if __name__ == "__main__":
    where, which, *rest = sys.argv[1:]
    run: Callable[..., None] = SCENARIOS[which]
    run(where, *(rest or [f"{which}-{uuid.uuid4()}"]))
    sys.stdout.write("fine\n")
    sys.stdout.flush()
    os._exit(0)  # the client's own threads may still run, and abort an interpreter that is being taken down under them
