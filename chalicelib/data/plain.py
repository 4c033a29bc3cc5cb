"""What a value is, and what None means. Everything that is stored, sent or received is walked here, and nowhere else.

**A value** is None, a boolean, a number, a string, bytes, an array or an object with string keys:

* a string is Unicode: half of a surrogate pair is none;
* an int lies within 2**53, where float64 is exact; a larger one is an `Int64`. An integral float is that int, as in
  JavaScript, so a value read back is the value that was written;
* a key is 1 to 1,024 printable ASCII characters and does not begin with `$`, which marks Convex's special forms;
* an array holds 8,192 entries at most, and 64 objects and arrays may stand in one another.

**None, absent, default.** A struct (a document, an argument, a result) has fields, and each field has one of two kinds:

* *optional*: its default is None or UNSET. Then None **is** absence: it is not stored and not sent, and what is absent is
  read as None. A null that a client sends for it is the same as leaving it out.
* *any other*. Then None is a value, null: stored, sent, and read back as None where the type allows it (`owner: str | None`),
  refused where it does not (`text: str = ""`). What is absent is read as the field's default; without one it is an error.

In a plain dict a None is always null, and UNSET always absence. `present` applies this rule; clients' arguments, results,
`run_mutation`, `run_after`, documents, exports and imports all pass through it. To take a stored field away, so that it
reads as its default again, patch it with `msgspec.UNSET`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec

from chalicelib.data.errors import BadRequest

SAFE = 2**53
MAX_NESTING, MAX_ARRAY, MAX_KEY = 64, 8192, 1024
KEY_RULE = f"a key is 1 to {MAX_KEY} printable ASCII characters without a leading $"


class Int64(int):
    """A 64-bit integer: Convex's int64, JavaScript's BigInt. Arithmetic gives plain ints."""

    def __new__(cls, value: int) -> Int64:
        if not -(2**63) <= value < 2**63:
            raise BadRequest(f"{value} does not fit 64 bits.")
        return super().__new__(cls, value)


class Fault(Exception):
    """A rule that a value breaks, and where: the steps are added while the walk unwinds, so a good value pays nothing."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self._steps: list[str] = []

    def inside(self, step: str | int) -> Fault:
        """The same fault, seen from one level above."""
        self._steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
        return self

    @property
    def path(self) -> str:
        """The way from the top, as in `meta.tags[3]`; empty for the top itself."""
        return "".join(reversed(self._steps)).removeprefix(".")


def is_value(value: Any, levels: int = MAX_NESTING) -> bool:
    """Whether this can be stored, sent and read back as it is: for what somebody else made, a model or a library.

    Args:
        levels: so many objects and arrays may stand in one another; a document's field may hold 31.
    """
    try:
        normal(value, levels)
    except Fault:
        return False
    return True


Leaf = Callable[[Any], Any]
"""What becomes of an Int64, of bytes, and of a float that is no int: they differ between Python, the wire and the store."""


def as_it_is(value: Any) -> Any:
    """The leaf of a walk from Python to Python."""
    return bytes(value) if isinstance(value, bytearray) else value


def normal(value: Any, most: int = MAX_NESTING) -> Any:
    """A Python value as its readers will get it: structs are dicts under wire names, tuples lists, every container new.

    Args:
        most: so many objects and arrays may stand in one another.

    Raises:
        Fault: it is no value.
    """
    return walk(value, as_it_is, most)


def walk(value: Any, leaf: Leaf, most: int = MAX_NESTING) -> Any:
    """A deep copy of a Python value in which `leaf` has exchanged the leaves. Raises `Fault`."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else text(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        if -SAFE <= value <= SAFE:
            return value
        raise Fault(f"the integer {value if abs(value) < 10**40 else 'of over 40 digits'} is beyond 2**53; use Int64")
    if kind is float:
        return int(value) if _is_int(value) else leaf(value)
    if kind is dict:
        return _object(value.items(), leaf, most)
    if kind is list or kind is tuple:
        return _array(value, leaf, most)
    if isinstance(value, msgspec.Struct):
        return _object(present(value), leaf, most)
    return _other(value, leaf, most)


def _other(value: Any, leaf: Leaf, most: int) -> Any:
    """Rarer types: special leaves, and subclasses as what they are at bottom."""
    if isinstance(value, (Int64, bytes, bytearray)):
        return leaf(value)
    if isinstance(value, Enum):
        return walk(value.value, leaf, most)
    if isinstance(value, str):
        return walk(str.__str__(value), leaf, most)
    if isinstance(value, (int, float)):
        return walk(int(value) if isinstance(value, int) else float(value), leaf, most)
    if isinstance(value, dict):
        return _object(value.items(), leaf, most)
    if isinstance(value, (list, tuple)):
        return _array(value, leaf, most)
    raise Fault(f"{type(value).__name__} is not a value")


def _object(pairs: Any, leaf: Leaf, most: int) -> dict[str, Any]:
    if most <= 0:
        raise too_deep()
    made: dict[str, Any] = {}
    name: Any = ""
    try:
        for name, part in pairs:
            if part is not msgspec.UNSET:
                made[name] = walk(part, leaf, most - 1)
            if type(name) is not str or not good_key(name):
                raise Fault(f"{str(name)[:40]!a} is no key: {KEY_RULE}")
    except Fault as fault:
        raise fault.inside(name if isinstance(name, str) and good_key(name) else ascii(name)[:40]) from None
    return made


def _array(entries: list[Any] | tuple[Any, ...], leaf: Leaf, most: int) -> list[Any]:
    if most <= 0:
        raise too_deep()
    if len(entries) > MAX_ARRAY:
        raise too_long(entries)
    made: list[Any] = []
    try:
        for part in entries:
            made.append(walk(part, leaf, most - 1))
    except Fault as fault:
        raise fault.inside(len(made)) from None
    return made


def present(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """The fields of a struct that are there, under their wire names: where None is absence, None is left out."""
    tag, fields = _fields(type(struct))
    if tag is not None:
        yield tag
    for wire, python, optional in fields:
        part = getattr(struct, python)
        if part is not None or not optional:
            yield wire, part


def optional_fields(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The wire names of the fields whose None is absence."""
    return frozenset(wire for wire, _, optional in _fields(kind)[1] if optional)


@lru_cache(maxsize=4096)
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any] | None, tuple[tuple[str, str, bool], ...]]:
    """The tag of a struct of a tagged union, and its fields: wire name, Python name, whether None is absence."""
    config = kind.__struct_config__
    tag = None if config.tag_field is None else (config.tag_field, config.tag)
    fields = msgspec.structs.fields(kind)
    return tag, tuple((each.encode_name, each.name, each.default is None or each.default is msgspec.UNSET) for each in fields)


# The rules, one by one -------------------------------------------------------------------------------------------------


def text(value: str) -> str:
    """A string that is Unicode. Raises `Fault`."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Fault("the string holds half of a surrogate pair, which is not Unicode") from None
    return value


def good_key(name: str) -> bool:
    """Whether this may be a key of an object."""
    return name.isascii() and name.isprintable() and 0 < len(name) <= MAX_KEY and name[0] != "$"


def number(value: int | float) -> int | float:
    """A number of JavaScript as Python has it: an int where it is integral and exact, else a float. Raises `Fault`."""
    if isinstance(value, int):
        if -SAFE <= value <= SAFE:
            return int(value)
        try:
            return float(value)
        except OverflowError:
            raise Fault("the number is beyond float64") from None
    return int(value) if _is_int(value) else value


def _is_int(value: float) -> bool:
    return value.is_integer() and -SAFE <= value <= SAFE and not (value == 0 and math.copysign(1, value) < 0)


def too_deep() -> Fault:
    """Objects and arrays stand in one another too often."""
    return Fault(f"values nest {MAX_NESTING} levels at most, documents fewer")


def too_long(entries: Any) -> Fault:
    """An array has too many entries."""
    return Fault(f"the array has {len(entries)} items; {MAX_ARRAY} is the limit")
