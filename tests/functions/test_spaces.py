"""Who may add what to whose space of memory, and who sees it there: one rule for every layer, by enumeration."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain import memory_spaces
from tests.data.mutants import swapped
from tests.functions.conftest import House, Refusal
from tests.functions.rooms import Gateway

SPACES = ("default", "lab", "user:alice", "user:bob", "agent:helper")
OWN = {"alice": "user:alice", "bob": "user:bob", "helper": "agent:helper"}
NAMED = {
    "mutable": ("mutable:set", {"namespace": "n", "value": 1}, "key"),
    "immutable": ("immutable:store", {"type": "t", "data": {}}, "id"),
}
"""Layers in which the writer chooses a name: the function, its arguments, and the name's field."""
OF_THEIR_OWN: dict[str, tuple[str, dict[str, Any], str]] = {
    "memories": ("memories:store", {"source": {"type": "system"}, "generateEmbedding": False}, "content"),
    "facts": ("memory:storeFact", {}, "fact"),
}
"""Layers in which each thing has an id of its own."""
LISTS = {"mutable": "mutable:list", "immutable": "immutable:list", "memories": "memories:list", "facts": "memory:listFacts"}


@pytest.fixture
def callers(gateway: Gateway) -> dict[str, Any]:
    """The org's backend, two users, an agent, and nobody."""
    return {
        "org": gateway.person("backend", roles=("service",)),
        "alice": gateway.person("alice"),
        "bob": gateway.person("bob"),
        "helper": gateway.agent("helper"),
        "nobody": gateway.anybody(),
    }


@pytest.fixture
def gateway(model: Any) -> Gateway:
    return Gateway(model)


def added(person: Any, layer: str, space: str, name: str) -> str:
    """The code of the refusal; empty where it was added."""
    function, more, field = (NAMED | OF_THEIR_OWN)[layer]
    try:
        person.mutation(function, space=space, **{field: name}, **more)
    except Refusal as refused:
        return str(refused.data["code"] if isinstance(refused.data, dict) and "code" in refused.data else refused.tag)
    return ""


def expected(caller: str, layer: str, space: str) -> bool:
    """Whether this caller may add to this space."""
    if caller == "org" or OWN.get(caller) == space:
        return True
    return caller in OWN and layer in OF_THEIR_OWN and space not in OWN.values()


def seen(person: Any, layer: str, space: str) -> int:
    """How many things of a layer somebody sees in a space."""
    more = {"namespace": "n"} if layer == "mutable" else {}
    return len(person.query(LISTS[layer], space=space, **more))


@pytest.mark.parametrize("layer", LISTS)
def test_who_may_add_what_in_whose_space(callers: dict[str, Any], layer: str) -> None:
    for caller, person in callers.items():
        for number, space in enumerate(SPACES):
            code = added(person, layer, space, f"{caller} {number}")
            assert (code == "") == expected(caller, layer, space), (caller, layer, space, code)
            assert code in ("", "Unauthorized" if caller == "nobody" else "FORBIDDEN"), (caller, space, code)


@pytest.mark.parametrize("layer", LISTS)
def test_what_the_orgs_backend_puts_into_a_space_is_seen_by_whose_it_is_and_nobody_else(
    callers: dict[str, Any], layer: str
) -> None:
    for number, space in enumerate(SPACES):
        assert added(callers["org"], layer, space, f"of {number}") == ""
    for caller, person in callers.items():
        found = {space: seen(person, layer, space) for space in SPACES}
        whole = caller == "org"
        assert found == {space: int(whole or OWN.get(caller) == space) for space in SPACES}, caller


@pytest.mark.parametrize("layer", LISTS)
def test_in_a_users_own_space_nothing_is_anothers(callers: dict[str, Any], layer: str) -> None:
    function, more, field = (NAMED | OF_THEIR_OWN)[layer]
    with pytest.raises(Refusal) as refused:
        callers["org"].mutation(function, space="user:alice", userId="bob", **{field: "x"}, **more)
    assert (refused.value.data["code"], refused.value.data["field"]) == ("INVALID_USER_ID", "userId")


@pytest.mark.parametrize("layer", OF_THEIR_OWN)
def test_without_the_rule_others_add_to_a_users_own_space(callers: dict[str, Any], layer: str) -> None:
    """The protective step switched off."""
    with swapped((memory_spaces, "whose", lambda space: None), (memory_spaces, "of_a_user", lambda space, user_id: user_id)):
        assert added(callers["bob"], layer, "user:alice", "x") == ""
    assert added(callers["bob"], layer, "user:alice", "y") == "FORBIDDEN"


def test_another_orgs_namesake_has_a_space_of_its_own(house: House) -> None:
    for org in ("acme", "north"):
        person = house.person("alice", org=org)
        for layer in LISTS:
            assert added(person, layer, "user:alice", "x") == ""
            assert seen(person, layer, "user:alice") == 1
