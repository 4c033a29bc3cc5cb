"""Each step that keeps operators and everybody else apart, switched off, is missed by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib import backend
from chalicelib.calls import user_of
from chalicelib.doors import operating
from chalicelib.operating import data
from chalicelib.runtime import asking, executor, operators
from chalicelib.runtime.contexts import Caller, caller_of
from chalicelib.runtime.identity import User
from infra.local.model.server import ScriptedModel
from infra.local.operators import Dashboard
from tests.data.mutants import swapped
from tests.doors import test_operator_keys as keys
from tests.doors import test_operators as claims
from tests.doors import test_revoked_keys as revoking
from tests.doors import test_stage_session as sessions
from tests.functions.conftest import House
from tests.local import test_dashboard_door as links
from tests.support.rest import Names

Off = Callable[[], AbstractContextManager[None]]
_user, _from_json, _still = operators.Operators.user, User.from_json, operators.still
_link = Dashboard.link


def _endless(of: Any, key: str, acting: Any = None) -> User:
    """A key without its end."""
    head, bar, proof = key.partition("|")
    parts = head.split("-")
    if len(parts) == 4 and parts[2] == "1":
        again = operators.mint(claims.SIGNS, parts[1], parts[3])  # type: ignore[arg-type]
        return _user(of, again, acting)
    return _user(of, f"{head}{bar}{proof}", acting)


def _claimed(stored: dict[str, Any]) -> User:
    """A claim of a token is taken for a key."""
    told = _from_json(stored)
    return replace(told, operator=str(stored["claims"].get("operator", told.operator)))


STEPS: Mapping[str, tuple[Callable[[House], Any], Off]] = {
    "a key is compared with its signature": (
        partial(claims.test_what_is_no_key_opens_nothing, header=f"Convex {claims.READ.replace('read', 'edit')}"),
        lambda: swapped((operators, "_signed", lambda publics, head, proof: True)),
    ),
    "a key ends": (
        partial(claims.test_what_is_no_key_opens_nothing, header=f"Convex {operators.mint(claims.SIGNS, 'edit', expires_s=1)}"),
        lambda: swapped((operators.Operators, "user", _endless)),
    ),
    "a revoked name opens nothing": (
        revoking.test_the_keys_of_a_revoked_name_open_nothing,
        lambda: swapped((backend, "revoked", lambda db: {})),
    ),
    "a call that was let in before is looked at again": (
        partial(revoking.test_who_was_let_in_before_does_nothing_more, call=revoking.CALLS[0]),
        lambda: swapped((executor, "still", lambda *who, **how: None)),
    ),
    "so is an action": (
        partial(revoking.test_who_was_let_in_before_does_nothing_more, call=revoking.CALLS[1]),
        lambda: swapped((executor, "still", lambda *who, **how: None)),
    ),
    "a live query ends with its key": (
        revoking.test_a_live_query_is_told_that_its_key_counts_no_more,
        lambda: swapped((asking, "still", lambda *who, **how: None)),
    ),
    "what tells a live query of it is watched": (
        revoking.test_a_live_query_is_told_that_its_key_counts_no_more,
        lambda: swapped((asking, "still", lambda db, user, watched: _still(db, user))),
    ),
    "an operator shares no live value with others": (
        revoking.test_what_an_operator_watches_is_shared_with_nobody,
        lambda: swapped((revoking, "sharing", lambda stored: caller_of(user_of(stored)).org)),
    ),
    "a stage's session is for the dashboard itself": (
        lambda house: sessions.test_a_page_of_somebody_else_gets_no_key(_staged(house), "same-site"),
        lambda: swapped((operating, "OWN_PAGE", frozenset({"same-origin", "same-site"}))),
    ),
    "a server of one machine answers below /_/ itself": (
        lambda house: sessions.test_where_there_is_no_dashboard_of_a_stage_there_is_nothing(house.model, {"ws_endpoint": None}),
        lambda: swapped((operating, "_in_a_stage", lambda backend: None)),
    ),
    "an org is one that a token could name": (
        partial(claims.test_what_is_no_key_opens_nothing, header=claims.as_({"org": "_system"})),
        lambda: swapped((operators, "ORG", operators.re.compile(".*"))),
    ),
    "who is no operator finds no internal function": (
        claims.test_internal_functions_are_open_to_operators_and_to_nobody_else,
        lambda: swapped((Caller, "role", property(lambda caller: "edit"))),
    ),
    "who may only read is no one to change": (
        claims.test_who_may_only_read_changes_nothing,
        lambda: swapped((Caller, "role", property(lambda caller: "edit" if caller.user and caller.user.operator else ""))),
    ),
    "what is changed is written down": (
        claims.test_what_an_operator_changes_is_written_down_in_the_same_commit,
        lambda: swapped((executor, "audited", lambda db, user, path, args, now: None)),
    ),
    "what is written down of operators is nobody's to change": (
        keys.test_nobody_changes_what_is_written_down_of_operators,
        lambda: swapped((data, "_changeable", data.table_of)),
    ),
    "whoever a link lets in is its maker": (
        lambda house: links.test_a_browser_is_out_when_the_name_of_its_links_maker_is_revoked(links.Door(Path("nowhere"))),
        lambda: swapped((Dashboard, "link", lambda of, role, name="", ends=0.0: _link(of, role, ends=ends))),
    ),
    "and stays no longer than the maker's key counts": (
        lambda house: links.test_a_browser_stays_no_longer_than_the_key_that_its_link_was_made_with(links.Door(Path("nowhere"))),
        lambda: swapped((Dashboard, "link", lambda of, role, name="", ends=0.0: _link(of, role, name))),
    ),
    "a claim is no key": (
        lambda house: claims.test_nobody_becomes_an_operator_by_a_claim(),
        lambda: swapped((User, "from_json", staticmethod(_claimed))),
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_without_it_a_test_fails(model: ScriptedModel, step: str) -> None:
    claim, off = STEPS[step]
    claim(_house(model))
    with off(), pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        claim(_house(model))


def _staged(house: House) -> House:
    return House(house.model, stage="dev", ws_endpoint="https://sockets.example")


def _house(model: ScriptedModel) -> House:
    """One that nothing has happened in; a token is `subject@org`."""
    made = House(model)
    made.backend.verifier = Names(made.backend.verifier)  # type: ignore[assignment]
    return made
