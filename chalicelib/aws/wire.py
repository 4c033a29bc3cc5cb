"""Items as DynamoDB's JSON ({"S": …}, {"N": …}) and back, with numbers as `rules` normalises them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from chalicelib.aws.rules import normal_float, normal_int, number_from
from chalicelib.data.errors import BadRequest
from chalicelib.data.store import Item

Wire = dict[str, Any]


def to_wire(value: Any) -> Wire:
    """One value as DynamoDB's JSON; raises `BadRequest` for a type or a number that DynamoDB cannot hold."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(normal_int(int(value)))}
    if isinstance(value, float):
        return {"N": repr(normal_float(value))}
    if isinstance(value, bytes | bytearray):
        return {"B": bytes(value)}
    if isinstance(value, dict):
        return {"M": {name: to_wire(entry) for name, entry in value.items()}}
    if isinstance(value, list):
        return {"L": [to_wire(entry) for entry in value]}
    raise BadRequest(f"a document cannot hold a {type(value).__name__}")


def item_to_wire(item: Mapping[str, Any]) -> Wire:
    """A whole item as DynamoDB's JSON."""
    return {name: to_wire(value) for name, value in item.items()}


def from_wire(typed: Mapping[str, Any]) -> Any:
    """The value of DynamoDB's JSON. Bytes may come as bytes (a client's answer) or as base64 text (a Lambda event)."""
    ((kind, value),) = typed.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return number_from(value)
        case "NULL":
            return None
        case "B":
            return b64decode(value) if isinstance(value, str) else bytes(value)
        case "M":
            return {name: from_wire(entry) for name, entry in value.items()}
        case "L":
            return [from_wire(entry) for entry in value]
    raise BadRequest(f"attributes of type {kind} are not part of the store")


def item_from_wire(typed: Mapping[str, Any]) -> Item:
    """The item of DynamoDB's JSON."""
    return {name: from_wire(value) for name, value in typed.items()}
