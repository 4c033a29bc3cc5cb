"""Whether functions and tables can work as they are written: checked when an app is loaded, with the line to change.

What passes here has a validator, a wire form and a context; what does not would fail obscurely at the first call, or silently.
"""

from __future__ import annotations

import importlib
import inspect
import os
import traceback
import typing
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import msgspec

from chalicelib.data.declared import nearest
from chalicelib.data.errors import WrongDeclaration
from chalicelib.data.tables import Table
from chalicelib.runtime.wire_types import check_type

CONTEXTS = {"query": "QueryCtx", "mutation": "MutationCtx", "action": "ActionCtx"}


OPTIONS = frozenset({"aliases", "anonymous", "explain", "names", "reads", "runner", "timeout_s"})
"""What a decorator of functions takes as a keyword. `reads`: an action that changes nothing, for operators who may only read."""


def check_options(handler: Any, kind: str, options: Mapping[str, Any]) -> None:
    """Whether a decorator's keywords mean anything. Raises `WrongDeclaration`."""
    for name in sorted(options.keys() - OPTIONS):
        place = f"{handler.__code__.co_filename}:{handler.__code__.co_firstlineno}"
        called = "; a function is called on the wire as it is in Python (`def list_` is `list`)"
        hint = called if name == "name" else nearest(name, OPTIONS)
        raise WrongDeclaration(place, f"{handler.__name__}: a {kind} has no option {name}{hint}.")


def check_shape(handler: Any, kind: str) -> None:
    """Whether a decorated thing is a plain function. Raises `WrongDeclaration`."""
    code = getattr(handler, "__code__", None)
    if code is None:
        told = f"{handler!r} is decorated as a {kind}, which only a function can be."
        raise WrongDeclaration(_place_of(handler), told)
    if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
        raise WrongDeclaration(_place_of(handler), f"{handler.__name__} is async; a {kind} is a plain `def`, and simply waits.")
    if inspect.isgeneratorfunction(handler):
        raise WrongDeclaration(_place_of(handler), f"{handler.__name__} yields; a {kind} returns its result at once.")


def _place_of(handler: Any) -> str:
    code = getattr(inspect.unwrap(handler) if callable(handler) else handler, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "a decorator"


def hints_of(handler: Callable[..., Any], path: str, place: str) -> dict[str, Any]:
    """The annotations of a function. Raises `WrongDeclaration` for a name that means nothing in its module."""
    try:
        return typing.get_type_hints(handler, include_extras=True)
    except NameError as error:
        told = f"{path} is annotated with {error.name}, which its module does not have at run time: import it there."
        raise WrongDeclaration(place, told) from error
    except TypeError as error:
        raise WrongDeclaration(place, f"{path} has an annotation that is no type: {error}.") from error


def check_context(parameters: list[inspect.Parameter], hints: dict[str, Any], path: str, kind: str, place: str) -> None:
    """Whether the first parameter takes the context. Raises `WrongDeclaration`."""
    wanted = CONTEXTS[kind]
    first = parameters[0] if parameters else None
    named = getattr(hints.get(first.name), "__name__", "") if first is not None else ""
    if first is None or first.kind is first.KEYWORD_ONLY or not (first.name.strip("_") in ("ctx", "") or named.endswith("Ctx")):
        found = "it has no parameters" if first is None else f"{first.name} comes first"
        raise WrongDeclaration(place, f"{path} takes no ctx: a {kind}'s first parameter is `ctx: {wanted}`, and {found}.")
    if named in CONTEXTS.values() and named != wanted:
        raise WrongDeclaration(place, f"{path} is a {kind}, whose ctx is a {wanted}, not a {named}.")


def check_table(table: type[Table]) -> None:
    """Whether a table's fields have a wire form and its indexes reach what is there. Raises `WrongDeclaration`."""
    place = str(getattr(table, "__place__", table.__module__))
    for field in _fields_of(table, place):
        check_type(field.type, f"{table.__name__}.{field.name}", place, "out")
    for index in table.indexes.values():
        for path in (*index.partition, *index.order):
            _check_path(table, path.split("."), f"the index {table.table_name}.{index.name}", index.place)
    for side in table.sides.values():
        for path in (side.field, *side.partition, *side.filter):
            _check_path(table, path.split("."), f"the index {side.fullname}", side.place)
        side.check_field()


def _fields_of(table: type[msgspec.Struct], place: str) -> tuple[msgspec.structs.FieldInfo, ...]:
    try:
        return msgspec.structs.fields(table)
    except NameError as error:
        told = (
            f"{table.__name__} has a field of the type {error.name}, which its module does not have at run time: import it there."
        )
        raise WrongDeclaration(place, told) from error


def _check_path(table: type[msgspec.Struct], steps: list[str], what: str, place: str) -> None:
    """Whether a dotted path leads somewhere, as far as structs say."""
    kind: Any = table
    for number, step in enumerate(steps):
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        if step not in fields:
            way = ".".join(steps[: number + 1])
            raise WrongDeclaration(place, f"{what} names {way}, which is not there{nearest(step, fields)}.")
        kind = _only(fields[step])


def _only(annotation: Any) -> Any:
    """The one type of an annotation beside None, or nothing that can be said."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _only(typing.get_args(annotation)[0])
    parts = [each for each in typing.get_args(annotation) if each is not type(None)]
    return parts[0] if len(parts) == 1 and typing.get_origin(annotation) not in (list, dict, tuple) else annotation


def check_cron(cron: Any) -> None:
    """Whether a cron's arguments are its function's. Raises `WrongDeclaration`."""
    fields = {field.name: field for field in msgspec.structs.fields(cron.function.args)}
    for name in sorted(cron.args.keys() - fields.keys()):
        told = f"the cron {cron.name!r} gives {cron.function.path} an argument {name}, which it has not{nearest(name, fields)}."
        raise WrongDeclaration(cron.place, told)
    for name, field in fields.items():
        if field.required and name not in cron.args:
            raise WrongDeclaration(cron.place, f"the cron {cron.name!r} gives {cron.function.path} no argument {name}.")


def imported(name: str, setting: str = "") -> ModuleType:
    """A module of an app. Raises `WrongDeclaration` with the line at which it cannot be imported."""
    try:
        return importlib.import_module(name)
    except WrongDeclaration:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")) and setting:
            near = nearest(name.partition(".")[0], _modules_here())
            raise WrongDeclaration(setting, f"there is no package {error.name}{near}.") from error
        raise _broken(name, error) from error
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise _broken(name, error) from error


def _broken(name: str, error: BaseException) -> WrongDeclaration:
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}:{error.lineno}"
    else:
        frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<frozen")]
        theirs = [each for each in frames if not each.filename.endswith("importlib/__init__.py") and each.filename != __file__]
        place = f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else name
    return WrongDeclaration(place, f"{type(error).__name__}: {_first_line(error)} ({name} cannot be imported)")


def _first_line(error: BaseException) -> str:
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return said.partition("\n")[0].rstrip(".")


def _modules_here() -> list[str]:
    """Names of modules and packages in the working directory."""
    return [each.removesuffix(".py") for each in os.listdir() if each.endswith(".py") or os.path.isdir(each)]
