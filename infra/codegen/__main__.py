"""`make codegen`: write the types of CONCAVE_APPS to `web/src/generated`, or to OUT; with CHECK=1 only say what is stale."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from chalicelib.data.errors import WrongDeclaration
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.codegen.files import generate
from infra.codegen.shapes import CannotSay

DEFAULT = Path("web/src/generated")


def main() -> int:
    """Returns the exit code: 1 when something cannot be said in TypeScript, or when CHECK finds a stale file."""
    return written(Path(os.environ.get("OUT") or DEFAULT), check=bool(os.environ.get("CHECK")))


def written(out: Path, *, check: bool = False, quiet: bool = False) -> int:
    """Write the types of CONCAVE_APPS into a folder.

    Args:
        check: write nothing, and say what is stale.
        quiet: say nothing of files that are as they were.

    Returns:
        The exit code: 1 when something cannot be said in TypeScript, or when a checked file is stale.
    """
    try:
        apps = Settings.from_env().apps
        files = generate(apps)
    except (CannotSay, BadSetting, WrongDeclaration) as error:
        sys.stderr.write(f"codegen: {error}\n")
        return 1
    stale = [name for name, text in files.items() if not _same(out / name, text)]
    if check:
        for name in stale:
            sys.stderr.write(f"codegen: {out / name} is not what the functions say; run `{_command(apps, out)}`\n")
        return 1 if stale else 0
    out.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (out / name).write_text(files[name], encoding="utf-8")
    if stale or not quiet:
        sys.stdout.write(f"{', '.join(stale)} written to {out}\n" if stale else f"{out} is up to date\n")
        sys.stdout.flush()  # who saves a file is waiting for it
    return 0


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _command(apps: tuple[str, ...], out: Path) -> str:
    chosen = f"CONCAVE_APPS={','.join(apps)} " if os.environ.get("CONCAVE_APPS") else ""
    return f"{chosen}make codegen" + (f" OUT={out}" if out != DEFAULT else "")


if __name__ == "__main__":
    sys.exit(main())
