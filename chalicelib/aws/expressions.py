"""Conditions and updates as DynamoDB's expression text with placeholders.

Every attribute name becomes `#n`, so reserved words and dots in names never matter, and every value becomes `:n`. One
`Names` collects them for one request part. Pure: values stay Python values; the caller serialises them.
"""

from __future__ import annotations

from typing import Any

from chalicelib.data.store import Absent, All, Any_, Condition, Equals, Exists, Has, Lacks, Less, Path, Update


class Placeholders:
    """The names and values of one request part, each under a placeholder (equal names share one)."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self._known: dict[str, str] = {}

    def path(self, path: Path) -> str:
        """The placeholder text of a path: `#0.#1`."""
        return ".".join(self._name(step) for step in path)

    def value(self, value: Any) -> str:
        """A placeholder for a value."""
        holder = f":{len(self.values)}"
        self.values[holder] = value
        return holder

    def _name(self, name: str) -> str:
        holder = self._known.get(name)
        if holder is None:
            holder = self._known[name] = f"#{len(self._known)}"
            self.names[holder] = name
        return holder


def condition_text(condition: Condition, into: Placeholders) -> str:
    """A ConditionExpression. An empty `All` holds and an empty `Any_` does not, as in Python."""
    match condition:
        case Exists():
            return f"attribute_exists({into.path(('pk',))})"
        case Absent():
            return f"attribute_not_exists({into.path(('pk',))})"
        case Has(path):
            return f"attribute_exists({into.path(path)})"
        case Lacks(path):
            return f"attribute_not_exists({into.path(path)})"
        case Equals(path, value):
            return f"{into.path(path)} = {into.value(value)}"
        case Less(path, value):
            return f"{into.path(path)} < {into.value(value)}"
        case All(of):
            return _joined(" AND ", of, into) or _always(into)
        case Any_(of):
            return _joined(" OR ", of, into) or f"(NOT {_always(into)})"


def _joined(word: str, parts: tuple[Condition, ...], into: Placeholders) -> str:
    texts = [condition_text(part, into) for part in parts]
    return f"({word.join(texts)})" if len(texts) > 1 else "".join(texts)


def _always(into: Placeholders) -> str:
    key = into.path(("pk",))
    return f"(attribute_exists({key}) OR attribute_not_exists({key}))"


def update_text(update: Update, into: Placeholders) -> str:
    """An UpdateExpression. `add` is written as SET with if_not_exists, because ADD is documented for top-level names only."""
    sets = [f"{into.path(path)} = {into.value(value)}" for path, value in update.set.items()]
    zero = into.value(0) if update.add else ""
    for path, amount in update.add.items():
        place = into.path(path)
        sets.append(f"{place} = if_not_exists({place}, {zero}) + {into.value(amount)}")
    removes = [into.path(path) for path in update.remove]
    return " ".join(([f"SET {', '.join(sets)}"] if sets else []) + ([f"REMOVE {', '.join(removes)}"] if removes else []))


def update_bytes(update: Update) -> int:
    """The length of an update's expression, which DynamoDB limits to 4 KB."""
    return len(update_text(update, Placeholders()))
