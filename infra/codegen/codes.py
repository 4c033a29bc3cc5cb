"""Which codes the functions of an app refuse with: `Refused("TooLate", …)`, read from their source.

A code is followed to where it is written: a constant, either branch of a condition, a variable, a value of a module's dict, or
the argument of a function that passes it on (`refused("TOO_LATE")` where `def refused(code): return Refused(code, …)`). What
cannot be followed is named, and the union of codes is left open.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from chalicelib.data.errors import Refused

Def = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Codes:
    """The codes that were found, and in which functions one could not be followed."""

    known: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Passes:
    """A function that passes an argument on as a code."""

    handler: Any
    position: int
    argument: str


def codes_of(modules: Sequence[ModuleType]) -> Codes:
    """All codes that these modules refuse with."""
    sources = [_Source(module) for module in modules]
    passes: list[_Passes] = [_Passes(Refused, 0, "tag")]
    done = 0
    found = Codes()
    while done < len(passes):  # whoever passes a code on may be called by another one that does
        wanted, done = passes[done], done + 1
        for source in sources:
            for call, inside in source.calls(wanted.handler):
                source.follow(_argument(call, wanted), inside, found, passes)
    return found


def _argument(call: ast.Call, wanted: _Passes) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == wanted.argument:
            return keyword.value
    if len(call.args) > wanted.position:
        return call.args[wanted.position]
    parameter = inspect.signature(wanted.handler).parameters.get(wanted.argument)
    return ast.Constant(parameter.default) if parameter is not None and isinstance(parameter.default, str) else None


class _Source:
    """The source of a module, and what its names mean."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self._tree = ast.parse(Path(module.__file__).read_bytes() if module.__file__ else "")  # a bare folder has no file
        self._local: dict[str, Any] = {}  # imported within functions
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    if (value := _imported(node.module, alias.name)) is not None:
                        self._local[alias.asname or alias.name] = value

    def calls(self, handler: Any) -> Iterator[tuple[ast.Call, tuple[ast.AST, ...]]]:
        """Every call of something, with the classes and functions that it stands in."""
        yield from self._calls(self._tree, (), handler)

    def _calls(self, node: ast.AST, inside: tuple[ast.AST, ...], handler: Any) -> Iterator[Any]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and (self._value(child.func) is handler or self._is_super(child, inside, handler)):
                yield child, inside
            around = (*inside, child) if isinstance(child, Def | ast.ClassDef) else inside
            yield from self._calls(child, around, handler)

    def _is_super(self, call: ast.Call, inside: tuple[ast.AST, ...], handler: Any) -> bool:
        """`super().__init__(…)` in a class whose base this is."""
        classes = [node for node in inside if isinstance(node, ast.ClassDef)]
        asks = isinstance(call.func, ast.Attribute) and call.func.attr == "__init__" and isinstance(call.func.value, ast.Call)
        return asks and bool(classes) and any(self._value(base) is handler for base in classes[-1].bases)

    def _value(self, node: ast.AST) -> Any:
        """What a name or a dotted name is when the module is loaded; None for anything else."""
        if isinstance(node, ast.Name):
            value = vars(self.module).get(node.id, self._local.get(node.id))
        elif isinstance(node, ast.Attribute):
            value = getattr(self._value(node.value), node.attr, None)
        else:
            return None
        return inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value

    def follow(self, node: ast.AST | None, inside: tuple[ast.AST, ...], found: Codes, passes: list[_Passes]) -> None:
        """Find out what a code can be."""
        function = next((each for each in reversed(inside) if isinstance(each, Def)), None)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.known |= {node.value} - {""}  # which stands for none
        elif isinstance(node, ast.IfExp):
            self.follow(node.body, inside, found, passes)
            self.follow(node.orelse, inside, found, passes)
        elif isinstance(node, ast.BoolOp):
            for part in node.values:
                self.follow(part, inside, found, passes)
        elif isinstance(node, ast.Name) and function and (number := _parameter(function, node.id)) is not None:
            self._passed_on(function, number, node.id, inside, found, passes)
        elif isinstance(node, ast.Name) and function and (values := list(_assigned(function, node.id))):
            for value in values:
                self.follow(value, inside, found, passes)
        elif (values_of := self._constants(node, inside, found, passes)) is not None:
            found.known |= values_of
        else:
            found.unknown.add(".".join([self.module.__name__, *(each.name for each in inside if isinstance(each, Def))]))

    def _passed_on(self, function: Def, number: int, name: str, inside: Any, found: Codes, passes: list[_Passes]) -> None:
        handler = vars(self.module).get(function.name)
        handler = inspect.unwrap(handler) if callable(handler) else None
        if handler is None or any(isinstance(each, ast.ClassDef) for each in inside):
            found.unknown.add(f"{self.module.__name__}.{function.name}")
            return
        passed = _Passes(handler, number, name)
        if passed not in passes:
            passes.append(passed)

    def _constants(self, node: ast.AST | None, inside: Any, found: Codes, passes: list[_Passes]) -> set[str] | None:
        """A module's constant, or the values of a module's dict: `CODES[field]`, `CODES.get(field, "OTHER")`."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            if len(node.args) > 1:
                self.follow(node.args[1], inside, found, passes)
            value = self._value(node.func.value)
        else:
            value = self._value(node.value if isinstance(node, ast.Subscript) else node) if node is not None else None
        if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
            return set(value.values())
        return {value} if isinstance(value, str) else None


def _imported(module: str, name: str) -> Any:
    try:
        loaded = importlib.import_module(module)
        return getattr(loaded, name) if hasattr(loaded, name) else importlib.import_module(f"{module}.{name}")
    except ImportError:  # only for type checkers, or optional: then it raises no code either
        return None


def _parameter(function: Def, name: str) -> int | None:
    """The position of a parameter; one that is named only is beyond every position."""
    positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    if name in positional:
        return positional.index(name)
    return 10_000 if name in [each.arg for each in function.args.kwonlyargs] else None


def _assigned(function: Def, name: str) -> Iterable[ast.expr]:
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets) and node.value:  # type: ignore[attr-defined]
            yield node.value  # type: ignore[attr-defined]
