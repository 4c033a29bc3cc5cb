"""An app with one of everything that an annotation can say; its types stand in `golden`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

import msgspec
from msgspec import Meta

from chalicelib import (
    ActionCtx,
    Index,
    Int64,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Refused,
    Search,
    Table,
    Vector,
    action,
    internal_mutation,
    mutation,
    query,
)

T = TypeVar("T")
SheetId = Annotated[str, Meta(extra={"table": "sheets"})]
LATE = "TooLate"
BY_FIELD = {"mark": "BadMark", "size": "BadSize"}


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Corner(msgspec.Struct, rename="camel", kw_only=True):
    """Where something is. */ does not end this comment."""

    from_left: float
    from_top: float = 0.0
    label: str | None = None
    """What people call it."""


class Outline(msgspec.Struct, rename="camel", kw_only=True):
    """Refers to something with two sides, and to itself."""

    corners: list[Corner]
    inner: Outline | None = None


class Box(msgspec.Struct, Generic[T]):
    content: T
    spare: list[T | None] = []


class Origin(TypedDict, total=False):
    app: str


class Sheet(Table, name="sheets"):
    """A sheet of paper."""

    owner: str
    colour: Colour = Colour.RED
    """As it was bought."""
    size: tuple[float, float]
    copies: Int64
    scan: bytes | None = None
    notes: dict[str, str | None] = {}  # noqa: RUF012 - msgspec copies it for each document
    outline: Outline | None = None
    kind: Literal["a", "b c", 3, True] | None = None
    look: list[float] | None = None

    by_owner = Index("owner")
    by_text = Search("owner", partition=("colour",), filter=("kind",))
    by_look = Vector("look", dimensions=3)


def refused(code: str, **details: Any) -> Refused:
    return Refused(code, "no", **details)


class Torn(Refused):
    def __init__(self) -> None:
        super().__init__("Torn", "The sheet is torn.")


@query
def get(ctx: QueryCtx, sheet_id: SheetId) -> Sheet | None:
    """A sheet.

    Args:
        sheet_id: whose it is does not matter.
    """
    raise Torn if sheet_id else refused("Nothing" if ctx.user else "Nobody")


@query
def pages(ctx: QueryCtx, pagination_opts: PaginationOptions, owner: str | None = None) -> Page[Sheet]:
    raise Refused(LATE, "late")


@mutation
def add(
    ctx: MutationCtx,
    owner: Annotated[str, Meta(min_length=1, max_length=80, description="A person.")],
    colours: Annotated[list[Colour], Meta(max_length=3)],
    share: Annotated[float, Meta(gt=0, le=1)] = 0.5,
    copies: Int64 | None = None,
    scan: bytes | None = None,
    either: int | str | None = 7,
    nothing: str | None = None,
    must: str | None = "x",
    anything: Any = None,
    outline: Outline | None = None,
    box: Box[Corner] | None = None,
    origin: Origin | None = None,
    code_2d: Annotated[str, Meta(pattern="^[a-z]+$")] = "a",
) -> SheetId:
    code = BY_FIELD[owner]
    if not ctx.user:
        code = "Stranger"
    raise Refused(tag=code, message="no", field=BY_FIELD.get(owner, "Other"))


@mutation
def nothing(ctx: MutationCtx) -> None: ...


@action
def shapes(ctx: ActionCtx, required: str | None) -> Box[list[Outline]]: ...


@action
def untyped(ctx: ActionCtx, things, limit: int = 3):  # type: ignore[no-untyped-def]
    return things


@internal_mutation
def hidden(ctx: MutationCtx, at: float) -> None: ...
