"""The codes that functions refuse with, read from their source: `raise Refused("Code", …)`."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from chalicelib.run.registry import Function


def codes_of(functions: Iterable[Function[..., object]]) -> list[str]:
    """The literal codes in the files beside these functions (helpers of a package refuse as well), sorted."""
    folders = {Path(function.file).parent for function in functions}
    files = {path for folder in folders for path in folder.glob("*.py")}
    found: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _is_refusal(node.func) and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    found.add(code.value)
    return sorted(found)


def _is_refusal(called: ast.expr) -> bool:
    return (isinstance(called, ast.Name) and called.id == "Refused") or (
        isinstance(called, ast.Attribute) and called.attr == "Refused"
    )
