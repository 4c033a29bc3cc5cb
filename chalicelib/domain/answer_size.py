"""How much one answer carries: lists and pages are bounded in bytes, because bytes are what a gateway counts.

A message to a client holds 128 KB. What is more is left for the next call, and the answer says so; a single thing that is too
large is shortened, names what was cut, and can be asked for whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

ANSWER_BYTES = 96 * 1024
"""What the documents of one answer may weigh; the rest of 128 KB is for envelopes, log lines and numbers in Convex's format."""


def weight(value: Any) -> int:
    """Bytes of a value in an answer, its comma included."""
    return len(msgspec.json.encode(value)) + 1


def beginning(views: Iterable[T], most: int = ANSWER_BYTES) -> list[T]:
    """As many of these as fit, and always one, which is `shortened` when it does not fit alone and has a field for that."""
    found: list[T] = []
    room = most
    for each in views:
        room -= weight(each)
        if room < 0:
            return found or [shortened(each, most) if hasattr(each, "cut") else each]
        found.append(each)
    return found


def shortened(view: T, most: int) -> T:
    """A view as it fits: the longest parts first, texts lose their end, everything else is left out. Its field `cut` names
    them, as they are called on the wire."""
    told = msgspec.structs.replace(view)
    required = {each.name for each in msgspec.structs.fields(told) if each.required}
    names = dict(zip(told.__struct_fields__, told.__struct_encode_fields__, strict=True))
    sizes = {name: weight(getattr(told, name)) for name in names}
    cut: list[str] = []
    for name in sorted(sizes, key=lambda each: -sizes[each]):
        over = weight(told) - most
        if over <= 0:
            break
        part = getattr(told, name)
        if isinstance(part, str):
            setattr(told, name, text_of(part, max(0, sizes[name] - over - 100)))
        elif name in required or part is None:
            continue
        else:
            setattr(told, name, _default(told, name))
        cut.append(names[name])
        told.cut = sorted(cut)  # type: ignore[attr-defined]
    return told


def text_of(text: str, most: int) -> str:
    """The beginning of a text that weighs at most so many bytes in an answer."""
    kept = text[: max(0, most - 3)]
    while kept and (size := weight(kept)) > most:
        kept = kept[: min(len(kept) - 1, int(len(kept) * max(0, most - 3) / size))]
    return kept


def _default(view: msgspec.Struct, name: str) -> Any:
    field = next(each for each in msgspec.structs.fields(view) if each.name == name)
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default
