"""Functions are found by path, take what their signature says, and return what it promises (protocol sections 2 and 8)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from chalicelib import Int64, QueryCtx, Table, internal_query, mutation, query
from chalicelib.data.errors import BadRequest, NotFound
from chalicelib.runtime.paths import camel, canonical
from chalicelib.runtime.registry import Registry, load
from chalicelib.runtime.validate import bind, check_return, one_object


class Leaf(Table, name="registryLeaves"):
    colour: str
    veins: int | None = None


@query
def list_leaves(
    ctx: QueryCtx, tree_name: Annotated[str, Meta(max_length=5)], kind: Literal["old", "new"] = "old", big: Int64 | None = None
) -> list[Leaf]:
    return []


@mutation(aliases={"chatSessionId": "sessionId"})
def rename(ctx: Any, session_id: str) -> int:
    return 1


@internal_query
def secret(ctx: QueryCtx) -> None:
    return None


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    for function in (list_leaves, rename, secret):
        made.add(function, "dir/leaves")
    return made


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("messages.js:count", "messages:count"),
        ("messages", "messages:default"),
        ("dir/mod:fn", "dir/mod:fn"),
        ("dir/mod.js:fn", "dir/mod:fn"),
    ],
)
def test_a_path_has_one_canonical_form(said: str, meant: str) -> None:
    assert canonical(said) == meant


def test_names_are_camel_case_on_the_wire(registry: Registry) -> None:
    assert camel("send_message") == "sendMessage"
    assert registry.public("dir/leaves.js:listLeaves", "query") is list_leaves


def test_a_missing_and_an_internal_function_answer_alike(registry: Registry) -> None:
    """Invariant 9; check 24."""
    told = []
    for name in ("secret", "absent"):
        with pytest.raises(NotFound) as refused:
            registry.public(f"dir/leaves:{name}", "query")
        told.append(str(refused.value).replace(name, "X"))
    assert told[0] == told[1]
    assert "Could not find public function for 'dir/leaves:X'" in told[0]


def test_the_wrong_kind_is_named(registry: Registry) -> None:
    with pytest.raises(BadRequest, match=r"Trying to execute dir/leaves:rename as Query, but it is defined as Mutation\."):
        registry.public("dir/leaves:rename", "query")


def test_two_functions_cannot_have_one_path(registry: Registry) -> None:
    def list_leaves(ctx: QueryCtx) -> None:
        return None

    with pytest.raises(TypeError, match="defined twice"):
        registry.add(query(list_leaves), "dir/leaves")


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ({}, "Object is missing the required field `treeName`"),
        ({"treeName": "oak", "extra": 1}, "Object contains extra field `extra` that is not in the validator."),
        ({"treeName": 7}, "Value does not match validator."),
        ({"treeName": "too long"}, "Value does not match validator."),
        ({"treeName": "oak", "kind": "other"}, "Value does not match validator."),
    ],
)
def test_wrong_arguments_are_told_in_convex_words(args: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequest) as refused:
        bind(list_leaves, args)
    assert str(refused.value).startswith("ArgumentValidationError: ")
    assert complaint in str(refused.value)


def test_arguments_arrive_under_python_names() -> None:
    assert bind(list_leaves, {"treeName": "oak", "big": Int64(5)}) == {"tree_name": "oak", "kind": "old", "big": 5}
    assert bind(rename, {"chatSessionId": "s"}) == {"session_id": "s"}


def test_arguments_are_one_object_alone_or_in_a_list() -> None:
    assert one_object([{"a": 1}]) == one_object({"a": 1}) == {"a": 1}
    for wrong in ([1], [{}, {}], "x"):
        with pytest.raises(BadRequest):
            one_object(wrong)


def test_a_result_is_checked_and_encoded() -> None:
    assert check_return(list_leaves, [Leaf(id="l", colour="red")]) == [{"_id": "l", "_creationTime": 0, "colour": "red"}]
    with pytest.raises(BadRequest, match="ReturnsValidationError: "):
        check_return(list_leaves, [{"colour": 7}])


def test_the_built_in_chat_is_an_app_like_any_other() -> None:
    paths = {function.path for function in load(("chalicelib.functions",)) if function.public}
    assert {"chat:startSession", "chat:sendMessage", "chat:subscribeToChunks"} <= paths
    assert not any(path.startswith("runs:") for path in paths)
