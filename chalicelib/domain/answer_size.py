"""How much one answer carries: lists and pages are bounded in bytes, because bytes are what a gateway counts.

A message to a client holds 128 KB (API Gateway).

* **Pages** (messages, chunks) end where the bytes are used up; what is older or later is the next page.
* **Lists** that cannot be paged keep all their entries; where they are too large together, long texts are cut.
* **One thing** that is too large by itself has its longest parts cut.

What is cut says so: `cut` names the fields. It is whole where one thing is asked for, and a part at a time from the functions
that return a `TextPart`; those are meant for HTTP, and work everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

ANSWER_BYTES = 96 * 1024
"""What the documents of one answer may weigh; the rest of 128 KB is for envelopes, log lines and numbers in Convex's format."""

ONE_BYTES = 64 * 1024
"""One thing among others, such as a message of a page."""
LIST_BYTES = 84 * 1024
"""A list that cannot be paged, or a page that a subscription holds: a socket's message may carry several."""
LEAST_BYTES = 700
"""Every entry of a list has so many."""
PART_CHARS = 16_000
"""Characters of one part of a text: at most 96 KB where each is escaped."""


class TextPart(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A part of a long text, from the character `offset` on. `next` is the offset of the part that follows, absent at the end."""

    text: str
    offset: int
    length: int
    """Characters of the whole."""
    next: int | None = None


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


def listed(views: Sequence[T], most: int = LIST_BYTES) -> list[T]:
    """All of them; where they are too large together each has the same share, and what needs more is `shortened`."""
    if not views or weight(views) <= most:
        return list(views)
    return [shortened(each, max(LEAST_BYTES, most // len(views) - 1)) for each in views]


def text_part(value: Any, offset: int) -> TextPart:
    """A part of a text; of anything else, of its JSON."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    end = offset + PART_CHARS
    return TextPart(text=text[offset:end], offset=offset, length=len(text), next=end if end < len(text) else None)


def shortened(view: T, most: int = ONE_BYTES) -> T:
    """A view as it fits: the longest parts first, texts lose their end, everything else is left out. Its field `cut` names
    them, as they are called on the wire; a view that fits is itself."""
    if weight(view) <= most:
        return view
    told = msgspec.structs.replace(view)
    required = {each.name for each in msgspec.structs.fields(told) if each.required}
    names = dict(zip(told.__struct_fields__, told.__struct_encode_fields__, strict=True))
    names.pop("cut")
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
