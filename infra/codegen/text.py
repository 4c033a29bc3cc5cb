"""Comments, identifiers and lines of TypeScript."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

WIDTH = 120
"""Lines are kept shorter than this where a type can be broken."""


def comment(doc: str, indent: str = "") -> str:
    """A doc comment with its newline, or nothing for an empty text. What could end the comment is taken apart."""
    lines = [line.rstrip() for line in doc.replace("*/", "*\\/").strip().splitlines()]
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"


def renamed(doc: str, names: Mapping[str, str]) -> str:
    """A docstring with its arguments under their names on the wire. Names of one word may be any word, and stay."""
    for python, wire in names.items():
        if "_" in python:
            doc = re.sub(rf"\b{python}\b", wire, doc)
    return doc


def name(text: str) -> str:
    """A property's name: quoted where TypeScript wants it."""
    return text if re.fullmatch(r"[A-Za-z_$][\w$]*", text, re.ASCII) else json.dumps(text)


def literal(value: Any) -> str:
    """A literal type."""
    return "null" if value is None else json.dumps(value, ensure_ascii=False)


def union(parts: Iterable[str]) -> str:
    """A union: each member once, null last."""
    members = list(dict.fromkeys(parts))
    if "any" in members:
        return "any"
    return " | ".join(sorted(members, key=lambda member: member == "null")) or "never"


def array(item: str) -> str:
    """A list of something."""
    return f"({item})[]" if " | " in item or " & " in item else f"{item}[]"


def fields(parts: Mapping[str, tuple[str, str]], indent: str, room: int = 0) -> str:
    """An object type of `name?: type` with its comment each: on one line where there are no comments and it fits.

    Args:
        parts: for each property, as it is written, its type and its comment.
        indent: of the line on which it begins.
        room: characters that the rest of that line takes.
    """
    if not parts:
        return "{}"
    if not any(doc for _, doc in parts.values()):
        line = "{ " + "; ".join(f"{property}: {kind}" for property, (kind, _) in parts.items()) + " }"
        if len(line) + room + len(indent) < WIDTH:
            return line
    inner = indent + "  "
    body = "".join(comment(doc, inner) + f"{inner}{property}: {kind};\n" for property, (kind, doc) in parts.items())
    return "{\n" + body + indent + "}"


def class_doc(cls: Any) -> str:
    """A class' own docstring; not the one that its base wrote, nor the one that a tool made."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def field_docs(cls: Any) -> dict[str, str]:
    """The docstrings that stand below the fields of a class and of its bases, by Python name."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ == "msgspec" or base is object:
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError):  # made at run time: there is no source that could say more
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, doc in itertools.pairwise(body):
            told = isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant) and isinstance(doc.value.value, str)
            if told and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found[field.target.id] = inspect.cleandoc(doc.value.value)  # type: ignore[attr-defined]
    return found


def source_of(cls: Any) -> str:
    """file:line of a class, for messages."""
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):  # made at run time
        return f"{cls.__module__}.{cls.__qualname__}"
