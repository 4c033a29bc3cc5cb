"""Lists that transactions append to and read: a key's list is one document, or rows of an index when its name begins with "i"."""

from typing import Any

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query


class Whole(Table, name="wholeLists"):
    """A list in one document; the key is its id."""

    values: list[int]


class Element(Table, name="listElements"):
    """One element of a list that is a range of an index."""

    name: str
    place: int
    value: int

    by_name = Index("name", order="place")


def _read(ctx: QueryCtx | MutationCtx, key: str) -> list[int]:
    if key.startswith("i"):
        return [each.value for each in ctx.db.query(Element.by_name(key)).take(500)]
    whole = ctx.db.get(Whole, key)
    return whole.values if whole else []


def _append(ctx: MutationCtx, key: str, value: int) -> None:
    if key.startswith("i"):
        ctx.db.insert(Element(name=key, place=len(_read(ctx, key)), value=value))
        return
    whole = ctx.db.get(Whole, key)
    if whole is None:
        ctx.db.insert(Whole(id=key, values=[value]))
    else:
        ctx.db.patch(whole, values=[*whole.values, value])


@mutation
def transact(ctx: MutationCtx, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do steps in order: `{key, value}` appends, `{key}` reads. Returns them, with the list (`saw`) of each that reads."""
    told = []
    for step in steps:
        key, value = str(step["key"]), step.get("value")
        if value is None:
            told.append({"key": key, "saw": list(_read(ctx, key))})
        else:
            _append(ctx, key, int(value))
            told.append({"key": key, "value": value})
    return told


@query
def look(ctx: QueryCtx, keys: list[str]) -> list[dict[str, Any]]:
    """The lists of some keys, as they were at one moment."""
    return [{"key": key, "saw": list(_read(ctx, key))} for key in keys]
