"""Names that clients and stored documents hold: paths and arguments of functions, sweeps, tables, their fields and indexes.

`python -m tests.codegen.surface` shows what the code says now; `python -m tests.codegen.surface accept` writes what was added
into `wire_surface.json`, and refuses when a name is gone or changed: a client, a job that waits, or a stored document has it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

GOLDEN = Path(__file__).parent / "wire_surface.json"
ACCEPT = "python -m tests.codegen.surface accept"

Surface = dict[str, dict[str, Any]]


def surface() -> Surface:
    """What the built-in functions and the engine's tables say. Call it in a process that loaded no other app."""
    import app
    from chalicelib.data.store import TableSpec
    from chalicelib.data.tables import TABLES, all_specs
    from chalicelib.runtime.registry import load

    assert app.app, "what runs in the cloud has every table of the engine"
    registry = load(("chalicelib.functions",))

    def table(spec: TableSpec) -> dict[str, Any]:
        about = {name: True for name in ("sorted", "stream", "ttl") if getattr(spec, name)}
        indexes = {index.name: f"{index.hash} {index.range}" for index in spec.indexes}
        sides = TABLES[spec.name].sides if spec.name in TABLES else {}
        indexes |= {name: side.declared() for name, side in sides.items()}
        return {**about, "indexes": indexes, "fields": _fields(TABLES[spec.name]) if spec.name in TABLES else []}

    return {
        "functions": {
            each.path: {"kind": each.kind, "public": each.public, "arguments": _fields(each.args)} for each in registry
        },
        "sweeps": {f"{each.__module__.rpartition('.')[2]}:{each.__name__}": {} for each in registry.sweeps()},
        "crons": {each.name: {} for each in registry.crons()},
        "tables": {spec.name: table(spec) for spec in all_specs()},
    }


def _fields(struct: type[msgspec.Struct]) -> list[str]:
    """Encoded names in alphabetical order; one that may be left out has a `?`."""
    return sorted(f"{each.encode_name}{'' if each.required else '?'}" for each in msgspec.structs.fields(struct))


def broken(golden: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What of the golden names is gone or means something else, one sentence each."""
    for kind, names in golden.items():
        for name, was in names.items():
            found = now[kind].get(name)
            if found is None:
                yield f"{kind}: {name} is gone"
            else:
                yield from (f"{kind}: {name}: {text}" for text in _changes(was, found))


def added(golden: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What is there beside the golden names."""
    for kind, names in now.items():
        for name, found in names.items():
            was = golden[kind].get(name)
            if was is None:
                yield f"{kind}: {name}"
            else:
                yield from (f"{kind}: {name}: {text}" for text in _additions(was, found))


def _changes(was: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for what in ("kind", "public", "sorted", "stream", "ttl"):
        if was.get(what) != found.get(what):
            yield f"{what} was {was.get(what)} and is {found.get(what)}"
    for what in ("arguments", "fields"):
        names = {each.rstrip("?"): each for each in found.get(what, ())}
        for each in was.get(what, ()):
            if each.rstrip("?") not in names:
                yield f"{each.rstrip('?')} of its {what} is gone"
            elif each.endswith("?") and not names[each.rstrip("?")].endswith("?"):
                yield f"{each.rstrip('?')} of its {what} could be left out"
        known = {each.rstrip("?") for each in was.get(what, ())}
        yield from (f"{name} of its {what} is new, and what is there has none" for name in names
                    if name not in known and not names[name].endswith("?"))  # fmt: skip
    for name, of in was.get("indexes", {}).items():
        if found["indexes"].get(name) != of:
            yield f"the index {name} was of {of}"


def _additions(was: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for what in ("arguments", "fields", "indexes"):
        yield from (f"{each} of its {what}" for each in found.get(what, ()) if each not in was.get(what, ()))


def main(words: list[str]) -> int:
    """Show, or accept. Returns the exit code: 1 when something that is held by others is gone."""
    now = surface()
    if words == ["accept"]:
        gone = list(broken(json.loads(GOLDEN.read_text()), now))
        if gone:
            sys.stderr.write(
                "\n".join([*gone, f"Where this is meant, change {GOLDEN.name} by hand and say so in CHANGELOG.md.\n"])
            )
            return 1
        GOLDEN.write_text(text(now))
    else:
        sys.stdout.write(text(now))
    return 0


def text(found: Surface) -> str:
    """JSON with a line for each name, in alphabetical order: two branches that add names seldom touch the same line."""
    kinds = [
        f"{json.dumps(kind)}: {{\n"
        + ",\n".join(f"{json.dumps(name)}: {json.dumps(names[name])}" for name in sorted(names))
        + "\n}"
        for kind, names in found.items()
    ]
    return "{\n" + ",\n".join(kinds) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
