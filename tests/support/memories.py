"""Calling `memories:*` and `memory:*` in tests."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.schema import DIMENSIONS
from tests.functions.conftest import Person, Refusal

SYSTEM = {"type": "system"}


def axis(*parts: float) -> list[float]:
    """A vector with these first numbers."""
    return [*parts, *[0.0] * (DIMENSIONS - len(parts))]


def keep(person: Person, content: str, space: str = "home", **more: Any) -> str:
    """Store a memory. Returns its id."""
    more.setdefault("source", SYSTEM)
    return str(person.mutation("memories:store", space=space, content=content, **more)["memoryId"])


def ids(found: list[Any]) -> list[str]:
    return [each["memoryId"] for each in found]


def code(person: Person, call: str, path: str, **args: Any) -> tuple[str, str | None]:
    """The code and the field of a refusal."""
    with pytest.raises(Refusal) as refused:
        getattr(person, call)(path, **args)
    return refused.value.data["code"], refused.value.data.get("field")


def remembered(person: Any, content: str) -> str:
    """A memory in the space that calls are made up with."""
    return str(person.mutation("memories:store", space="x", content=content, source={"type": "system"})["memoryId"])


def of_a_fact(person: Any, fact: str) -> str:
    """A fact in that space."""
    return str(person.mutation("memory:storeFact", space="x", fact=fact)["fact"]["factId"])
