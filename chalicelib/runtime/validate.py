"""Arguments in, results out: checked against the signature, with Convex's words for what is wrong."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from chalicelib.data import values
from chalicelib.data.errors import BadRequest
from chalicelib.data.ids import Look, look_at_ids
from chalicelib.data.plain import Fault
from chalicelib.data.tables import TABLES
from chalicelib.runtime.registry import Function


def one_object(args: Any) -> dict[str, Any]:
    """The arguments object: clients send it alone or in a list of one."""
    if isinstance(args, list) and len(args) == 1:
        args = args[0]
    if args is None or args == []:
        return {}
    if not isinstance(args, dict):
        raise BadRequest("ArgumentValidationError: args is one object.", "ArgumentValidationError")
    return args


def bind(function: Function[..., Any], args: dict[str, Any]) -> dict[str, Any]:
    """Decoded arguments → keyword arguments. Raises `BadRequest` that starts with `ArgumentValidationError: `."""
    aliases: dict[str, str] = function.options.get("aliases", {})
    named = {aliases.get(name, name): part for name, part in args.items()}
    try:
        bound = msgspec.convert(named, function.args, strict=True, builtin_types=(bytes,), dec_hook=values.decode_hook)
    except msgspec.ValidationError as error:
        explain = function.options.get("explain")
        if explain is not None:  # a door whose document names a code for each wrong argument
            raise explain(str(error)) from error
        raise BadRequest(f"ArgumentValidationError: {_convex_words(str(error))}", "ArgumentValidationError") from error
    except UnicodeEncodeError as error:  # a text that is half of a surrogate pair, in place of one of a few words
        values.encode(args)  # which says where
        raise BadRequest("ArgumentValidationError: A text is no Unicode.", "ArgumentValidationError") from error
    _look_at_ids(function.args, named)
    return {name: getattr(bound, name) for name in bound.__struct_fields__}


def _look_at_ids(kind: type, named: dict[str, Any]) -> None:
    look = _ids(kind)
    try:
        if look is not None:
            look(named)
    except Fault as fault:
        told = f"Value does not match validator. {fault.rule[:1].upper()}{fault.rule[1:]}.\nPath: .{fault.path}"
        raise BadRequest(f"ArgumentValidationError: {told}", "ArgumentValidationError") from None


@lru_cache(maxsize=4096)
def _ids(kind: type) -> Look | None:
    return look_at_ids(kind, TABLES.keys)


def check_return(function: Function[..., Any], result: Any) -> Any:
    """A result → Convex JSON, checked against the annotation. Raises `BadRequest` that starts with `ReturnsValidationError: `."""
    if function.returns in (Any, None, type(None)):
        return values.encode(result)
    encoded, plain = values.encode_and_see(result)
    try:
        msgspec.convert(plain, function.returns, strict=True, builtin_types=(bytes,), dec_hook=values.decode_hook)
    except msgspec.ValidationError as error:
        raise BadRequest(f"ReturnsValidationError: {_convex_words(str(error))}", "ReturnsValidationError") from error
    return encoded


def wire_names(function: Function[..., Any]) -> dict[str, str]:
    """Python argument names → wire names."""
    return dict(zip(function.args.__struct_fields__, function.args.__struct_encode_fields__, strict=True))


def _convex_words(text: str) -> str:
    """msgspec's sentence in Convex's words, with the path on a line of its own."""
    message, _, where = text.partition(" - at `$")
    path = where.rstrip("`")
    missing = re.match(r"Object missing required field `(.+)`", message)
    extra = re.match(r"Object contains unknown field `(.+)`", message)
    if missing:
        message = f"Object is missing the required field `{missing[1]}`. Consider giving the argument a default."
    elif extra:
        message = f"Object contains extra field `{extra[1]}` that is not in the validator."
    else:
        message = f"Value does not match validator. {message}."
    return f"{message}\nPath: {path}" if path else message
