"""The one gate of documents: what passes it to be written is what readers can be given, and both sides ask here.

    document ─ of ─> record ─ check ─> store ─> record ─ document ─> reader

* **Going in** (`of`, `change`, `check`): insert, patch, replace, append, import, a job's arguments. What is refused is a
  `BadValue` with the table, the field and the rule, raised by the very call that brought it; nothing has been written then.
* **Coming out** (`document`): the same conversion to the table's types. What does not pass was stored under an older
  schema, or by hand: a `BadDocument` with its table, id, field and rule. It is never skipped and never mended silently.

The rules are those of values (`plain.py`), the declared types with their constraints, and of a document:

* it nests 32 levels with itself, DynamoDB's limit, and has at most 400 KB with its index entries;
* `_id` is not empty; a field `Annotated[str, Meta(extra={"table": "notes"})]` holds no id of another table (`ids.py`);
* the field that says when it expires holds a moment, in ms, that a calendar has.

Costs one conversion in C and a walk that copying the document takes anyway; no request to the store.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

import msgspec

from chalicelib.data import values
from chalicelib.data.errors import BadDocument, BadValue, LimitExceeded
from chalicelib.data.ids import Look, look_at_ids
from chalicelib.data.plain import Fault, normal
from chalicelib.data.records import Rough, fields, is_field, readable
from chalicelib.data.sizes import item_bytes
from chalicelib.data.store import MAX_ITEM_BYTES, Key
from chalicelib.data.tables import TABLES, Position, Record, Table

T = TypeVar("T", bound=Table)
NESTING = 32
LATEST_MS = 8.64e15
"""The last moment that JavaScript's Date has, in ms since the epoch."""
_SURELY_SMALL = 80_000
"""Bytes of MessagePack that come to less than 400 KB however DynamoDB counts them, with 20 index entries beside them."""
_packed = msgspec.msgpack.Encoder(enc_hook=int).encode
_OVERHEAD = 64
"""Bytes of the engine's own attributes."""
_MISSING = re.compile(r"Object missing required field `(.+)`")


# Going in --------------------------------------------------------------------------------------------------------------


def of(doc: Table) -> Record:
    """The record of a document: plain values, all new. Raises `BadValue`."""
    try:
        return normal(doc, NESTING)  # type: ignore[no-any-return]
    except Fault as fault:
        _refuse(type(doc), fault)


def change(table: type[Table], name: str, value: Any) -> Any:
    """The new value of one field (a wire name); UNSET takes it away. Raises `BadValue`."""
    if value is msgspec.UNSET:
        return value
    try:
        return normal(value, NESTING - 1)
    except Fault as fault:
        _refuse(table, fault.inside(name))


def whole(table: type[Table], record: Record) -> Record:
    """A copy of a record whose parts were not walked yet. Raises `BadValue`."""
    try:
        return normal(dict(record), NESTING)  # type: ignore[no-any-return]
    except Fault as fault:
        _refuse(table, fault)


def check(table: type[T], record: Record) -> T:
    """Whether the table allows this record of plain values. Returns its document. Raises `BadValue`."""
    try:
        found = _converted(table, record)
        if not record["_id"]:
            raise Fault("an id is not empty").inside("_id")
        look = _ids(table)
        if look is not None:
            look(record)
        moment = record.get(table.ttl) if table.ttl else None
        if moment is not None and not moment_ms(moment):
            raise Fault("this is no moment in ms since the epoch").inside(table.ttl)
        if not math.isfinite(record["_creationTime"]):
            raise Fault("this is no moment in ms since the epoch").inside("_creationTime")
        strange = next((name for name in record if not is_field(name)), None)
        if strange is not None:
            raise Fault("a field does not begin with _ nor hold #, and is not named pk, sk or ttl").inside(strange)
    except Fault as fault:
        _refuse(table, fault)
    return found


def moment_ms(value: Any) -> bool:
    """Whether this is a moment in milliseconds since the epoch that a calendar has."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= LATEST_MS


def check_size(table: type[Table], key: Key, record: Record, places: dict[str, Position]) -> None:
    """Refuse a document that would be larger than an item. Raises `LimitExceeded`."""
    if len(_packed(record)) < _SURELY_SMALL:
        return
    size = _OVERHEAD + item_bytes(key.attributes()) + item_bytes(fields(record))
    size += sum(2 * len(name) + 4 + len(place.shard.encode()) + len(place.order.encode()) for name, place in places.items())
    if size > MAX_ITEM_BYTES:
        raise LimitExceeded(
            f"a document of {table.table_name} has {size} bytes; the limit is {MAX_ITEM_BYTES} (400 KB): split it into several "
            "documents"
        )


# Coming out ------------------------------------------------------------------------------------------------------------


def document(table: type[T], record: Record) -> T:
    """A record as a document of its table. Attributes that this code does not know are left out, not lost.

    Raises:
        BadDocument: what is stored is not what the table declares.
    """
    try:
        if isinstance(record, Rough):
            return _converted(table, _read_anyway(table, record))
        return _converted(table, record)
    except Fault as fault:
        raise BadDocument(table.table_name, str(record.get("_id", "")), fault.path, fault.rule) from None


def _read_anyway(table: type[Table], record: Rough) -> Record:
    """A record whose only fault lies in a field that holds what others have said (`extra={"said": True}`): there an object that
    is no value is read as its JSON text. Raises `Fault` for any other."""
    names = _said(table)
    if re.split(r"[.\[]", record.fault.path, maxsplit=1)[0] not in names:
        raise record.fault
    return {name: values.from_item(readable(part) if name in names else part) for name, part in record.items()}


def _converted(table: type[T], record: Record) -> T:
    try:
        found = msgspec.convert(record, table, strict=True, builtin_types=(bytes,), dec_hook=values.decode_hook)
    except msgspec.ValidationError as error:
        raise _fault(str(error)) from None
    for name in ("_id", "_creationTime"):
        if not record.get(name) and record.get(name) != 0:
            raise Fault("the field is missing").inside(name)
    return found


def _fault(told: str) -> Fault:
    """msgspec's sentence as a rule and a path."""
    rule, _, where = told.partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    missing = _MISSING.fullmatch(rule)
    fault = Fault("the required field is missing" if missing else rule[:1].lower() + rule[1:])
    if missing:
        fault.inside(missing[1])
    return fault.inside(path) if path else fault


def _refuse(table: type[Table], fault: Fault) -> NoReturn:
    raise BadValue(table.table_name, fault.path, fault.rule) from None


@lru_cache(maxsize=1024)
def _ids(table: type[Table]) -> Look | None:
    return look_at_ids(table, TABLES.keys)


@lru_cache(maxsize=1024)
def _said(table: type[Table]) -> tuple[str, ...]:
    """The wire names of the fields that are read whatever they hold."""
    info = msgspec.inspect.type_info(table)
    assert isinstance(info, msgspec.inspect.StructType)
    marked = (field for field in info.fields if isinstance(field.type, msgspec.inspect.Metadata))
    return tuple(field.encode_name for field in marked if "said" in (field.type.extra or {}))  # type: ignore[attr-defined]
