"""The two files: `dataModel.ts` (tables and shapes) and `api.ts` (functions). The same declarations give the same bytes."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable
from typing import Any

from chalicelib.data.tables import TABLES, Table
from chalicelib.run.registry import Function
from infra.codegen.errors import codes_of
from infra.codegen.shapes import Shapes, limits

HEADER = "// Written by `make codegen` from the Python functions and tables. Do not edit: change those, and run it again.\n"
_KINDS = {"query": "Query", "mutation": "Mutation", "action": "Action"}


def files(functions: Iterable[Function[..., Any]], tables: Iterable[type[Table]]) -> dict[str, str]:
    """The texts of the files, by name. Raises `NoCounterpart` with the place of what cannot be said in TypeScript."""
    public = sorted((each for each in functions if each.public), key=lambda each: each.path)
    shapes = Shapes()
    tree = _tree([(function, _signature(function, shapes)) for function in public])
    model = _data_model(sorted(tables, key=lambda each: each.table_name), shapes)
    return {"api.ts": _api(tree, shapes, codes_of(public)), "dataModel.ts": model}


# Functions ------------------------------------------------------------------------------------------------------------


def _signature(function: Function[..., Any], shapes: Shapes) -> str:
    place = f"{function.path} ({function.file.rpartition('/')[2]}:{function.line})"
    hints = typing.get_type_hints(function.handler, include_extras=True)
    members = []
    names = zip(function.args.__struct_fields__, function.args.__struct_encode_fields__, strict=True)
    required = len(function.args.__struct_fields__) - len(function.args.__struct_defaults__)
    for number, (python, wire) in enumerate(names):
        shapes.where = f"{place}, argument {wire}"
        members.append(shapes.member(wire, hints.get(python, Any), optional=number >= required))
    shapes.where = f"{place}, its result"
    args = f"{{ {'; '.join(members)} }}" if members else "Record<string, never>"
    return f"{_KINDS[function.kind]}<{args}, {shapes.of(function.returns)}>"


def _tree(functions: list[tuple[Function[..., Any], str]]) -> dict[str, Any]:
    """Modules as nested dicts: `a/b:fn` is `api.a.b.fn`."""
    root: dict[str, Any] = {}
    for function, signature in functions:
        module, _, name = function.path.partition(":")
        here = root
        for part in module.split("/"):
            here = here.setdefault(part, {})
        here[name] = (function, signature)
    return root


def _api(tree: dict[str, Any], shapes: Shapes, codes: list[str]) -> str:
    body = "\n".join(_module(tree, "  "))
    named = sorted(shapes.structs) + (["Doc"] if "Doc<" in body else [])
    imports = ["anyApi", "type FunctionReference", *(f"type {name}" for name in sorted(shapes.imported))]
    lines = [HEADER, f'import {{ {", ".join(imports)} }} from "convex/server";']
    used = [name for name in sorted(named) if _mentions(body, name)]
    if used:
        lines.append(_wrapped(f'import type {{ {", ".join(used)} }} from "./dataModel";'))
    lines.append("")
    for kind, name in _KINDS.items():
        lines.append(
            f'type {name}<Args extends Record<string, any>, Result> = FunctionReference<"{kind}", "public", Args, Result>;'
        )
    lines += ["", "/** Every public function of the deployment; its comment is its Python docstring. */"]
    lines += ["export interface Api {", body, "}", "", "export const api = anyApi as unknown as Api;", ""]
    return "\n".join(lines) + _errors(codes)


def _module(tree: dict[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for name in sorted(tree):
        found = tree[name]
        if isinstance(found, dict):
            lines += [f"{indent}{name}: {{", *_module(found, indent + "  "), f"{indent}}};"]
            continue
        function, signature = found
        lines += [*_comment(_told(function), indent), *_signed(f"{indent}{name}: {signature};", indent)]
    return lines


def _signed(line: str, indent: str) -> list[str]:
    """A signature, its arguments on lines of their own when it is long."""
    if len(line) <= 120:
        return [line]
    head, _, rest = line.partition("<{ ")
    args, _, tail = rest.partition(" }, ")
    return [
        f"{head}<",
        f"{indent}  {{",
        *(f"{indent}    {arg};" for arg in args.split("; ")),
        f"{indent}  }},",
        f"{indent}  {tail[:-2]}",
        f"{indent}>;",
    ]


def _told(function: Function[..., Any]) -> str:
    """The docstring, and the limits of the arguments."""
    hints = typing.get_type_hints(function.handler, include_extras=True)
    names = zip(function.args.__struct_fields__, function.args.__struct_encode_fields__, strict=True)
    said = [f"@param {wire} {words}" for python, wire in names if (words := limits(hints.get(python, Any)))]
    return "\n".join([function.doc, *said]).strip()


def _errors(codes: list[str]) -> str:
    known = "\n".join(f"  | {json.dumps(code)}" for code in codes)
    union = f"\n{known}\n  | (string & {{}})" if codes else " string"
    return f"""
/** The codes of refusals that the functions' source names; the engine has some of its own. */
export type ErrorCode ={union};

/** The data of a `ConvexError`. */
export interface ErrorData {{
  code: ErrorCode;
  message: string;
}}
"""


# Tables ---------------------------------------------------------------------------------------------------------------


def _data_model(tables: list[type[Table]], shapes: Shapes) -> str:
    documents = {table.table_name: _fields(table, shapes) for table in tables}
    structs: dict[str, list[str]] = {}
    while missing := [name for name in sorted(shapes.structs) if name not in structs]:
        for name in missing:  # a struct may name further structs
            shapes.where = f"the struct {name}"
            structs[name] = _members(shapes, shapes.structs[name])
    lines = [HEADER, 'import type { GenericId } from "convex/values";', ""]
    lines += ["/** The id of a document of a table. */", "export type Id<Name extends TableName> = GenericId<Name>;", ""]
    lines += ["/** Every table, and what its documents hold. */", "export interface Tables {"]
    for name, members in documents.items():
        lines += [*_comment(_doc(TABLES[name]), "  "), f"  {_quoted(name)}: {{", *(f"  {line}" for line in members), "  };"]
    lines += ["}", "", "export type TableName = keyof Tables;", "", "/** A document of a table. */"]
    lines += ["export type Doc<Name extends TableName> = Tables[Name];", ""]
    for name, members in structs.items():
        lines += [*_comment(_doc(shapes.structs[name]), ""), f"export interface {name} {{", *members, "}", ""]
    return "\n".join(lines)


def _fields(table: type[Table], shapes: Shapes) -> list[str]:
    shapes.where = f"the table {table.table_name}"
    own = [f"  _id: Id<{json.dumps(table.table_name)}>;", "  _creationTime: number;"]
    return own + [line for line in _members(shapes, table) if not line.lstrip().startswith(("_id:", "_creationTime:"))]


def _members(shapes: Shapes, struct: Any) -> list[str]:
    return [f"  {text};" + (f" // {said}" if said else "") for text, said in shapes.members(struct)]


def _doc(cls: Any) -> str:
    return (cls.__doc__ or "").strip()


# Text -----------------------------------------------------------------------------------------------------------------


def _comment(text: str, indent: str) -> list[str]:
    lines = [line.strip() for line in text.replace("*/", "*\\/").splitlines()]
    if not text:
        return []
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def _mentions(body: str, name: str) -> bool:
    code = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return re.search(rf"\b{name}\b", code) is not None


def _quoted(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _wrapped(line: str) -> str:
    if len(line) <= 120:
        return line
    head, names, tail = line.partition("{")[0], line[line.index("{") + 1 : line.index("}")], line[line.index("}") :]
    return f"{head}{{\n" + "".join(f"  {name.strip()},\n" for name in names.split(",")) + tail
