"""A project: a folder whose pyproject.toml has `[tool.concave]`, and what that says.

    [tool.concave]
    apps = ["myapp"]                  # packages of tables and functions
    chat = true                       # serve the built-in chat beside them
    types = "page/src/generated"      # where TypeScript types are written on save
    page = "page"                     # the page: its package.json, and what its build puts into dist/

What the environment says goes before what the project says, so that one project runs in many places.
"""

from __future__ import annotations

import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

CHAT = "chalicelib.functions"
KNOWN: dict[str, type] = {"apps": list, "chat": bool, "types": str, "page": str}


@dataclass(frozen=True)
class Project:
    """A folder with an app. Paths are absolute; `types` and `page` may be missing."""

    folder: Path
    apps: tuple[str, ...]
    types: Path | None = None
    page: Path | None = None

    def enter(self) -> None:
        """Make this the process' project: its packages can be imported, and settings that nobody has given are its own."""
        if str(self.folder) not in sys.path:
            sys.path.append(str(self.folder))  # behind our own, so that a folder `app` or `infra` hides nothing of ours
        os.environ.setdefault("CONCAVE_APPS", ",".join(self.apps))
        os.environ.setdefault("DATA_DIR", str(self.folder / ".concave"))
        if self.page is not None:
            os.environ.setdefault("SITE", str(self.page / "dist"))


def find(start: Path) -> Project | None:
    """The project that a folder is in, looking upwards; None where there is none.

    Raises:
        click.ClickException: its `[tool.concave]` says something that cannot be.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            found = _read(file)
            if found is not None:
                return found
    return None


def entered() -> Project:
    """The project of the current folder, entered. Raises `click.ClickException` where there is none."""
    project = find(Path.cwd())
    if project is None:
        raise click.ClickException(
            "There is no project here: no pyproject.toml with [tool.concave] in this folder or above it. "
            "`concave new NAME` makes one."
        )
    project.enter()
    return project


def _read(file: Path) -> Project | None:
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("concave")
    except tomllib.TOMLDecodeError as error:
        raise click.ClickException(f"{file}: {error}") from error
    if told is None:
        return None
    _check(file, told)
    apps = (*((CHAT,) if told.get("chat") else ()), *told.get("apps", ()))
    if not apps:
        raise click.ClickException(f'{file}: [tool.concave] names no package: apps = ["myapp"], or chat = true.')
    below = {name: file.parent / told[name] if name in told else None for name in ("types", "page")}
    return Project(file.parent, apps, **below)


def _check(file: Path, told: dict[str, Any]) -> None:
    for name, value in told.items():
        if name not in KNOWN:
            raise click.ClickException(f"{file}: [tool.concave] has no `{name}`; there are {', '.join(KNOWN)}.")
        if not isinstance(value, KNOWN[name]) or (name == "apps" and not _names(value)):
            kind = "a list of names" if name == "apps" else "true or false" if KNOWN[name] is bool else "a text"
            raise click.ClickException(f"{file}: [tool.concave] `{name}` must be {kind}.")


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
