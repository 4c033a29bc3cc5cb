"""Write the types, or say whether they are fresh.

make codegen                      web/src/generated
make codegen OUT=my-app/generated
make codegen CHECK=1              exit code 1 when a file is not what it would be written as
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from chalicelib.data.tables import TABLES, Table
from chalicelib.run.registry import Function, load
from chalicelib.settings import Settings
from infra.codegen.shapes import NoCounterpart
from infra.codegen.write import files

OUT = Path("web/src/generated")


def main() -> int:
    """Returns the exit code."""
    apps = Settings.from_env().apps
    out = Path(os.environ.get("OUT") or OUT)
    functions = list(load(apps))
    try:
        texts = files(functions, tables_of(functions, apps))
    except NoCounterpart as error:
        sys.stderr.write(f"codegen: {error}\n")
        return 2
    if os.environ.get("CHECK"):
        stale = [name for name, text in texts.items() if not (out / name).exists() or (out / name).read_text() != text]
        if stale:
            sys.stderr.write(f"codegen: {', '.join(str(out / name) for name in stale)} not fresh; run `make codegen`.\n")
        return 1 if stale else 0
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text)
    sys.stdout.write(f"codegen: {len(texts)} files in {out}, {sum(each.public for each in functions)} public functions\n")
    return 0


def tables_of(functions: list[Function[..., object]], apps: tuple[str, ...] | list[str]) -> list[type[Table]]:
    """The tables of these packages: declared in them, or in the built-in schema when the built-in functions are served."""
    roots = {app.partition(".")[0] if app.startswith("chalicelib") else app for app in apps}
    engine = ("chalicelib.data", "chalicelib.run", "chalicelib.live")
    return [
        table
        for table in TABLES.values()
        if not table.__module__.startswith(engine)
        and any(table.__module__ == root or table.__module__.startswith(f"{root}.") for root in roots)
    ]


if __name__ == "__main__":
    sys.exit(main())
