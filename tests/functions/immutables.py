"""Calling the immutable store in this process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.conftest import Person, Refusal

WRITES = ("store", "purge", "purgeVersions")
ACTIONS = ("purgeMany",)
HERE = {"type": "policy", "id": "refund"}


def call(person: Person, function: str, **args: Any) -> Any:
    kind = "mutation" if function in WRITES else "action" if function in ACTIONS else "query"
    return getattr(person, kind)(f"immutable:{function}", **args)


def keep(person: Person, data: Any, id: str = "refund", type: str = "policy", **more: Any) -> Any:
    return call(person, "store", type=type, id=id, data=data, **more)


def code(person: Person, function: str, **args: Any) -> tuple[str, str | None]:
    """The code and the field of a refusal."""
    with pytest.raises(Refusal) as refused:
        call(person, function, **args)
    return refused.value.data["code"], refused.value.data.get("field")


def numbers(found: list[Any]) -> list[int]:
    return [each["version"] for each in found]


def ids(found: list[Any]) -> list[str]:
    return [each["id"] for each in found]


def outcome(person: Person, function: str, args: dict[str, Any]) -> Any:
    """What a function answers, or the data of its refusal."""
    try:
        return call(person, function, **args)
    except Refusal as refused:
        return refused.data
