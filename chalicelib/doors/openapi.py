"""The OpenAPI 3.1 document, printed from the rows of `routes.py` and the functions' signatures: nothing is written twice."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chalicelib.doors.route import Route
from chalicelib.doors.routes import ROUTES
from chalicelib.runtime.registry import Function, Registry
from chalicelib.settings import VERSION

REF = "#/components/schemas/{name}"
ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "A stable word to match on."},
        "message": {"type": "string", "description": "A sentence for people."},
    },
}
FAILURES = {
    "400": "The request is wrong; `code` and `message` say how.",
    "401": "No token, or one that is not accepted.",
    "404": "Not there, or not yours.",
    "default": "Any other refusal: 403 not allowed, 409 a state that forbids it, 413 too large, 429 too much.",
}


def document(registry: Registry) -> dict[str, Any]:
    """The whole document."""
    rows = [(row, registry.get(row.function)) for row in ROUTES]
    kinds: list[Any] = []
    for row, function in rows:
        kinds += [each.type for each in _fields(row, function)] + [_returns(function)]
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=_unknown, ref_template=REF)
    told = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for row, function in rows:
        inputs = [(each, next(told)) for each in _fields(row, function)]
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, function, inputs, next(told))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Concave",
            "version": VERSION,
            "description": "Sessions, conversations and agents over REST. The same functions answer on every door.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _fields(row: Route, function: Function[..., Any]) -> list[Any]:
    """The arguments that callers give; those of the row itself are not theirs."""
    return [each for each in msgspec.structs.fields(function.args) if each.encode_name not in {*row.fixed, *row.hidden}]


def _returns(function: Function[..., Any]) -> Any:
    return Any if function.returns is None else function.returns


def _unknown(kind: type) -> dict[str, Any]:
    return {}


def _operation(row: Route, function: Function[..., Any], inputs: list[tuple[Any, Any]], result: Any) -> dict[str, Any]:
    summary, _, description = function.doc.partition("\n")
    operation: dict[str, Any] = {
        "operationId": "_".join([row.method.lower(), *re.findall(r"\w+", row.path)]),
        "tags": [row.tag],
        "summary": summary,
        "parameters": [_parameter(row, each, schema) for each, schema in inputs if _is_parameter(row, each)],
        "responses": {str(row.status): _content("What the function returns.", _envelope(row, result)), **_failures()},
    }
    if description.strip():
        operation["description"] = description.strip()
    if row.has_body:
        operation["requestBody"] = _body(row, [pair for pair in inputs if not _is_parameter(row, pair[0])])
    return operation


def _is_parameter(row: Route, each: Any) -> bool:
    return each.encode_name in row.places or not row.has_body


def _parameter(row: Route, each: Any, schema: Any) -> dict[str, Any]:
    in_path = each.encode_name in row.places
    if in_path:
        schema = {**schema, "minLength": max(1, schema.get("minLength", 1))}
    return {
        "name": each.encode_name if in_path else _outside(row, each.encode_name),
        "in": "path" if in_path else "query",
        "required": in_path or each.required,
        "schema": schema if in_path or each.required else _without_null(schema),
    }


def _without_null(schema: Any) -> Any:
    """A query string has no null: what is optional is left out."""
    kept = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    return kept[0] if len(kept) == 1 else {"anyOf": kept} if kept else schema


def _body(row: Route, inputs: list[tuple[Any, Any]]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {_outside(row, each.encode_name): schema for each, schema in inputs},
        "required": [_outside(row, each.encode_name) for each, _ in inputs if each.required],
        "additionalProperties": False,
    }
    return {"required": bool(schema["required"]), "content": {"application/json": {"schema": schema}}}


def _outside(row: Route, argument: str) -> str:
    """What this door calls an argument."""
    return next((name for name, inside in row.names.items() if inside == argument), argument)


def _envelope(row: Route, result: Any) -> Any:
    if row.result != "data":
        return result
    return {"type": "object", "required": ["data"], "properties": {"data": result}}


def _content(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _failures() -> dict[str, Any]:
    return {status: _content(text, {"$ref": REF.format(name="Error")}) for status, text in FAILURES.items()}
