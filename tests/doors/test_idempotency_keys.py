"""The HTTP door's Idempotency-Key: whose it is, what it may look like, and where it is refused."""

import pytest

from chalicelib.runtime.registry import Function
from tests.doors.test_http import Backend, go, post, refused


def test_an_idempotency_key_becomes_the_callers_own() -> None:
    b = Backend()
    body = {"path": "m:f", "args": {}}
    post(b, "/api/mutation", body, authorization="Bearer alice's", idempotency_key="k-1")
    b.registry.add(Function(go, "mutation", True, {}), "m")
    post(b, "/api/run/m/go", {}, authorization="Bearer alice's", idempotency_key="k-1")
    assert [call[4] for call in b.executor.calls] == ["http|https://issuer.test|alice|k-1"] * 2


@pytest.mark.parametrize("key", ["", "a|b", "a b", "é", "x" * 201])
def test_a_malformed_idempotency_key_is_refused(key: str) -> None:
    b = Backend()
    response = post(b, "/api/mutation", {"path": "m:f", "args": {}}, authorization="Bearer alice's", idempotency_key=key)
    assert refused(response) == (400, "BadIdempotencyKey")
    assert b.executor.calls == []


def test_a_long_idempotency_key_is_taken_from_a_caller_without_a_token() -> None:
    b, key = Backend(), "6f1f3a52-7d0b-4c7e-9a51-0c2f8d1f7f60:0"
    post(b, "/api/mutation", {"path": "m:f", "args": {}}, idempotency_key=key)
    assert [call[4] for call in b.executor.calls] == [f"http||{key}"]


def test_an_idempotency_key_that_could_not_be_kept_is_refused() -> None:
    body = {"path": "m:f", "args": {}}
    assert refused(post(Backend(), "/api/mutation", body, idempotency_key="k")) == (400, "BadIdempotencyKey")
    signed = {"authorization": "Bearer alice's", "idempotency_key": "k"}
    assert refused(post(Backend(), "/api/action", body, **signed)) == (400, "BadIdempotencyKey")
    assert post(Backend(), "/api/query", body, **signed).status == 200
