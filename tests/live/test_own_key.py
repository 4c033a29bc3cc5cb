"""An idempotency key is its caller's own: who guesses a session id gets no answer of somebody else's (invariants 6 and 9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.calls import own_key
from chalicelib.runtime.identity import User
from tests.live.test_connection import raw, ready, settled
from tests.support.sim import Sim
from tests.support.verdict import rows


def person(subject: str, org: str = "acme", expires_at: int | None = None) -> User:
    return User(subject=subject, issuer="https://issuer.test", org=org, expires_at=expires_at)


def test_two_users_with_one_session_and_request_have_two_commits() -> None:
    ids = {
        Backend._commit_id(json.dumps(who.to_json()), "sync:session:0")
        for who in (person("alice"), person("bob"), person("alice", "other"))
    }
    assert len(ids) == 3


def test_a_refreshed_token_is_the_same_caller() -> None:
    assert own_key(person("alice", expires_at=1), "k") == own_key(person("alice", expires_at=2), "k")
    assert own_key(None, "k") == "k"


@pytest.mark.parametrize(
    "other",
    [
        {"udfPath": "counters:visit", "args": [{"op": "another"}]},
        {"udfPath": "counters:huge", "args": [{"op": "one", "chars": 1}]},
        {"udfPath": "counters:nothing", "args": [{"op": "one"}]},
        {"udfPath": "counters:visit", "args": [{"op": "one", "more": 1}]},
    ],
)
def test_another_call_under_the_session_and_number_of_an_answered_one_is_refused_on_a_socket(sim: Sim, other: Any) -> None:
    """As an Idempotency-Key is over HTTP; the same call gets its first answer."""
    alice = ready(sim)
    settled(alice, alice.call("counters:visit", op="one"))
    alice.drop()
    assert sim.until(lambda: alice.client.connections == 2 and alice.client.in_step, 10_000)
    heard: list[dict[str, Any]] = []
    assert alice.link is not None
    alice.client.receive = lambda text: heard.append(json.loads(text))  # type: ignore[method-assign]
    raw(sim, alice.link.id, json.dumps({"type": "Mutation", "requestId": 0, **other}))
    sim.run(2000)
    (answer,) = [message for message in heard if message["type"] == "MutationResponse"]
    assert answer["success"] is False
    assert [row["op"] for row in rows(sim, "simVisits")] == ["one"]
    assert sim.raised == []


def test_the_same_call_under_its_session_and_number_gets_its_first_answer(sim: Sim) -> None:
    alice = ready(sim)
    settled(alice, alice.call("counters:visit", op="one"))
    alice.drop()
    assert sim.until(lambda: alice.client.connections == 2 and alice.client.in_step, 10_000)
    heard: list[dict[str, Any]] = []
    assert alice.link is not None
    alice.client.receive = lambda text: heard.append(json.loads(text))  # type: ignore[method-assign]
    raw(sim, alice.link.id, '{"type":"Mutation","requestId":0,"udfPath":"counters.js:visit","args":[{"op":"one"}]}')
    sim.run(2000)
    (answer,) = [message for message in heard if message["type"] == "MutationResponse"]
    assert (answer["success"], answer["result"]) == (True, "alice")
    assert [row["op"] for row in rows(sim, "simVisits")] == ["one"]
