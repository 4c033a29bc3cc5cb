"""Python annotations as TypeScript: one line each, and an error with its place for what cannot be said."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from chalicelib import Int64, Page, PaginationOptions, QueryCtx, Table, query
from infra.codegen.shapes import NoCounterpart, Shapes, limits
from infra.codegen.write import files


class Leaf(Table, name="codegenLeaves"):
    """A leaf."""

    colour: Literal["green", "red"]
    size: int = 0
    note: str | None = None
    weight: Int64 = Int64(0)


class Twig(msgspec.Struct, rename="camel"):
    leaf_count: int
    last_leaf: Leaf | None = None


@pytest.mark.parametrize(
    ("annotation", "type_"),
    [
        (str, "string"),
        (int, "number"),
        (float, "number"),
        (Int64, "bigint"),
        (bool, "boolean"),
        (bytes, "ArrayBuffer"),
        (None, "null"),
        (Any, "any"),
        (str | None, "string | null"),
        (int | float, "number"),
        (Literal["a", 1, True], '"a" | 1 | true'),
        (list[str], "string[]"),
        (list[str | int], "(string | number)[]"),
        (dict[str, list[int]], "Record<string, number[]>"),
        (tuple[str, int], "[string, number]"),
        (Annotated[str, Meta(max_length=3)], "string"),
        (Leaf, 'Doc<"codegenLeaves">'),
        (Page[Leaf], 'PaginationResult<Doc<"codegenLeaves">>'),
        (PaginationOptions, "PaginationOptions"),
        (Twig, "Twig"),
    ],
)
def test_an_annotation_is_the_type_of_the_same_value_on_the_other_side(annotation: Any, type_: str) -> None:
    assert Shapes().of(annotation) == type_


def test_what_may_be_none_may_be_left_out() -> None:
    assert Shapes().members(Twig) == [("leafCount: number", ""), ('lastLeaf?: Doc<"codegenLeaves">', "")]


def test_limits_are_said_in_words() -> None:
    assert limits(Annotated[str, Meta(min_length=1, max_length=9)]) == "at least 1 long, at most 9 long"
    assert limits(Annotated[int, Meta(ge=0)] | None) == "at least 0"


class Odd:
    """No struct."""


@pytest.mark.parametrize("annotation", [Odd, dict[int, str], list[Odd]])
def test_what_has_no_counterpart_is_an_error_that_names_the_place(annotation: Any) -> None:
    with pytest.raises(NoCounterpart, match="leaves:of, its result"):
        Shapes(where="leaves:of, its result").of(annotation)


@query
def leaves(ctx: QueryCtx, pagination_opts: PaginationOptions, colour: Literal["green", "red"] | None = None) -> Page[Leaf]:
    """The leaves
    of a tree."""
    raise NotImplementedError


@query
def twigs(ctx: QueryCtx) -> list[Twig]:
    raise NotImplementedError


def test_files_are_the_same_whatever_the_order_of_the_functions() -> None:
    for function, path in ((leaves, "forest/tree:leaves"), (twigs, "forest:twigs")):
        function.path = path
    written = files([leaves, twigs], [Leaf])
    assert written == files([twigs, leaves], [Leaf])
    api = " ".join(written["api.ts"].split())
    colours = '{ paginationOpts: PaginationOptions; colour?: "green" | "red"; }'
    assert f'leaves: Query< {colours}, PaginationResult<Doc<"codegenLeaves">> >;' in api
    assert "forest: { tree: {" in api
    assert "twigs: Query<Record<string, never>, Twig[]>;" in api
    assert "/** * The leaves * of a tree. */" in api
    assert 'colour: "green" | "red";' in written["dataModel.ts"]
    assert "weight: bigint;" in written["dataModel.ts"]
    assert "export interface Twig {" in written["dataModel.ts"]
