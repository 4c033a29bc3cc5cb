"""Calling the mutable store in this process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.conftest import Person, Refusal

WRITES = ("set", "update", "increment", "decrement", "delete", "purge", "transaction")
ACTIONS = ("purgeNamespace", "purgeMany")
HERE = {"namespace": "shop", "key": "widgets"}


def call(person: Person, function: str, **args: Any) -> Any:
    kind = "mutation" if function in WRITES else "action" if function in ACTIONS else "query"
    return getattr(person, kind)(f"mutable:{function}", **args)


def put(person: Person, key: str, value: Any = 1, namespace: str = "shop", **more: Any) -> Any:
    return call(person, "set", namespace=namespace, key=key, value=value, **more)


def code(person: Person, function: str, **args: Any) -> tuple[str, str | None]:
    """The code and the field of a refusal."""
    with pytest.raises(Refusal) as refused:
        call(person, function, **args)
    return refused.value.data["code"], refused.value.data.get("field")


def keys(found: list[Any]) -> list[str]:
    return [each["key"] for each in found]


def outcome(person: Person, function: str, args: dict[str, Any]) -> Any:
    """What a function answers, or the data of its refusal."""
    try:
        return call(person, function, **args)
    except Refusal as refused:
        return refused.data
