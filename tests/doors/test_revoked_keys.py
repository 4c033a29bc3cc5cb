"""A revoked name: its keys open nothing, and who is in already is out, at once and without a deployment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.calls import sharing
from chalicelib.data.errors import BadRequest, Conflict, LimitExceeded, StoreFailed
from chalicelib.live.messages import Authenticate
from chalicelib.runtime import operators
from chalicelib.runtime.identity import User
from chalicelib.runtime.keys import AuthFailed
from chalicelib.runtime.operators import mint
from tests.doors.test_operators import ALICE, as_, call
from tests.functions.conftest import SIGNS, House, Person, Refusal

EVE = mint(SIGNS, "edit", "eve")


def test_the_keys_of_a_revoked_name_open_nothing(house: House) -> None:
    assert call(house, "tasks:list", {}, as_(ALICE, EVE))[1]["status"] == "success"
    house.operator().action("_system/keys:revoke", name="eve")
    for key in (EVE, mint(SIGNS, "read", "eve"), mint(SIGNS, "edit", "eve", 99_999_999_999)):
        status, told = call(house, "tasks:list", {}, as_(ALICE, key))
        assert (status, told["code"]) == (401, "Unauthenticated")
        assert "count no more" in told["message"]
    assert call(house, "tasks:list", {}, as_(ALICE, mint(SIGNS, "edit", "evelyn")))[1]["status"] == "success"
    with pytest.raises(AuthFailed, match="no operator's key"):  # who forges a name is not told that it is off
        house.backend.operators.user(EVE[:-1] + "0")


CALLS: tuple[Callable[[Person], Any], ...] = (
    lambda eve: eve.mutation("tasks:create", title="x"),
    lambda eve: eve.action("_system/overview:orgs"),
)


@pytest.mark.parametrize("call", CALLS)
def test_who_was_let_in_before_does_nothing_more(house: House, call: Callable[[Person], Any]) -> None:
    """A socket is asked for its key once, and calls for hours."""
    eve = house.operator("alice", name="eve")
    house.operator().action("_system/keys:revoke", name="eve")
    with pytest.raises(Refusal, match="count no more"):
        call(eve)
    assert house.person("alice").query("tasks:list") == []


def test_a_live_query_is_told_that_its_key_counts_no_more(house: House) -> None:
    eve = house.operator("alice", name="eve").user
    seen = house.backend.executor.evaluate("tasks:list", {}, eve)
    assert seen.ok
    assert operators._KEYS in seen.reads.versions, "its revocation is a change that this query is told of"
    house.operator().action("_system/keys:revoke", name="eve")
    again = house.backend.executor.evaluate("tasks:list", {}, eve)
    assert again.error is not None
    assert again.error.tag == "RevokedKey"


def test_what_users_watch_does_not_depend_on_the_keys_of_operators(house: House) -> None:
    seen = house.backend.executor.evaluate("tasks:list", {}, User("alice", "https://test", "acme"))
    assert operators._KEYS not in seen.reads.versions


def test_what_an_operator_watches_is_shared_with_nobody(house: House) -> None:
    def stored(user: User) -> str:
        return json.dumps(user.to_json())

    alice = stored(User("alice", "https://test", "acme"))
    eve, bob = (stored(house.operator("alice", name=name).user) for name in ("eve", "bob"))  # type: ignore[arg-type]
    assert len({sharing(each) for each in (alice, eve, bob)}) == 3
    assert sharing(alice) == sharing(stored(User("bob", "https://test", "acme"))) == "acme"


def test_a_name_counts_again_and_both_are_written_down(house: House) -> None:
    house.operator().action("_system/keys:revoke", name="eve")
    assert list(house.operator(role="read").query("_system/keys:revoked")) == ["eve"]
    house.operator().action("_system/keys:restore", name="eve")
    assert call(house, "tasks:list", {}, as_(ALICE, EVE))[1]["status"] == "success"
    told = [(act["path"], json.loads(act["args"])) for act in house.operator().action("_system/audit:deployment")]
    assert told == [("_system/keys:restore", {"name": "eve"}), ("_system/keys:revoke", {"name": "eve"})]


@pytest.mark.parametrize("trouble", [StoreFailed("away"), Conflict()])
def test_where_nobody_can_say_who_is_revoked_nobody_is_let_in(house: House, trouble: Exception) -> None:
    def asked() -> list[str]:
        raise trouble

    house.backend.operators = replace(house.backend.operators, off=asked)
    status, told = call(house, "tasks:list", {}, as_(ALICE, EVE))
    assert (status, told["code"]) == (503, "IssuerUnavailable")
    assert house.backend._identify(Authenticate(base_version=0, token_type="Admin", value=EVE)).error


def test_who_may_only_read_revokes_nobody(house: House) -> None:
    with pytest.raises(Refusal, match="only queries"):
        house.operator(role="read").action("_system/keys:revoke", name="eve")
    assert house.operator().query("_system/keys:revoked") == {}


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 41, "a|b"])
def test_what_is_no_name_is_refused(house: House, name: str) -> None:
    with pytest.raises(Refusal, match="1 to 40 letters"):
        house.operator().action("_system/keys:revoke", name=name)


def test_a_thousand_names_are_the_most(house: House) -> None:
    def body(run: Any) -> str:
        for number in range(operators.MOST_REVOKED):
            operators.revoke(run.db, f"n{number}", 1.0)
        with pytest.raises(LimitExceeded, match="1000 names"):
            operators.revoke(run.db, "one.more", 1.0)
        with pytest.raises(BadRequest):
            operators.revoke(run.db, "no name", None)
        operators.revoke(run.db, "n0", None)
        operators.revoke(run.db, "one.more", 1.0)
        return "null"

    house.backend.executor.transact(operators.SYSTEM_ORG, "test", body)
