"""An idempotency key is its caller's own: who guesses a session id gets no answer of somebody else's (invariants 6 and 9)."""

from __future__ import annotations

import json

from chalicelib.backend import Backend, own_key
from chalicelib.runtime.identity import User


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
