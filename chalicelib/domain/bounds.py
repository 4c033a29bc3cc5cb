"""How much one answer holds: with what stands around it, it fits one message of a socket (128 KB at API Gateway).

* **Pages** (messages, chunks) end where the bytes are used up; what is older or later is the next page.
* **Lists** that cannot be paged keep all their entries; where they are too large together, long texts are cut.
* **One thing** that is too large by itself has its longest texts cut.

What is cut says so: `cut` names the fields. It is whole where one thing is asked for, and a part at a time from the functions
that return a `TextPart`; those are meant for HTTP, and work everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

ANSWER = 84 * 1024
"""Bytes of a whole answer as JSON; a socket's message may carry several."""
ONE = 64 * 1024
"""Bytes of one thing."""
LEAST = 700
"""Bytes that every entry of a list has."""
SHORTEST = 64
"""Bytes of what is never cut."""
PART_CHARS = 16_000
"""Characters of one part of a text: at most 96 KB where each is escaped."""


class Cut(Protocol):
    """What may be cut: a struct with a field `cut`."""

    cut: list[str] | None


T = TypeVar("T", bound=Cut)
U = TypeVar("U")


class TextPart(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A part of a long text, from the character `offset` on. `next` is the offset of the part that follows, absent at the end."""

    text: str
    offset: int
    length: int
    """Characters of the whole."""
    next: int | None = None


def size(told: Any) -> int:
    """Bytes of something as JSON."""
    return len(json.dumps(told, ensure_ascii=False, default=_plain).encode("utf-8", "replace"))


def page(told: Iterable[U], most: int = ANSWER) -> list[U]:
    """The first ones that fit together; at least one."""
    kept: list[U] = []
    left = most
    for each in told:
        left -= size(each) + 1
        if kept and left < 0:
            break
        kept.append(each)
    return kept


def listed(told: Sequence[T], most: int = ANSWER) -> list[T]:
    """All of them; where they are too large together each has the same share, and what needs more is cut."""
    if not told or size(told) <= most:
        return list(told)
    return [fitted(each, max(LEAST, most // len(told) - 1)) for each in told]


def fitted(told: T, most: int = ONE) -> T:
    """A struct as it fits: of its largest fields texts keep their beginning, anything else is left out. `cut` names them."""
    shown: Any = told
    cut: set[str] = set()
    names = {each.name: each.encode_name for each in msgspec.structs.fields(shown) if each.name != "cut"}
    while size(shown) > most:
        name = max(names, key=lambda each: size(getattr(shown, each)))
        if size(getattr(shown, name)) <= SHORTEST:
            break  # ids and words of ours stay whole
        shown = msgspec.structs.replace(shown, **{name: _less(getattr(shown, name))})
        cut.add(names[name])
    return msgspec.structs.replace(shown, cut=sorted(cut)) if cut else told


def text_part(value: Any, offset: int) -> TextPart:
    """A part of a text; of anything else, of its JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain)
    end = offset + PART_CHARS
    return TextPart(text=text[offset:end], offset=offset, length=len(text), next=end if end < len(text) else None)


def _less(value: Any) -> Any:
    if isinstance(value, str):
        return value[: len(value) // 2]
    return [] if isinstance(value, list) else None


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else repr(value)
