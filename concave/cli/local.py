"""Commands that work on this machine: serve a project, write its types, list its functions, copy its data."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from concave.cli.project import Project, entered


@click.command(short_help="Serve the project; reload what is saved and write its types.")
@click.option("--port", type=click.IntRange(0, 65535), help="Where to listen; 0 takes any free port. Default: 3210, or PORT.")
@click.option("--no-types", is_flag=True, help="Write no TypeScript types on save.")
def dev(port: int | None, no_types: bool) -> None:
    """Serve the project on this machine; a saved file is reloaded, and its types are written.

    Data stays in the project's folder .concave. Ctrl-C stops.
    """
    project = entered()
    if port is not None:
        os.environ["PORT"] = str(port)
    from infra.local import __main__ as development
    from infra.local.running import end

    end(development.main(project.page, None if no_types else _types(project)))


@click.command(short_help="Serve others from this machine.")
def serve() -> None:
    """Serve others from this machine until SIGTERM. Settings come from the environment (docs/self-hosting.md)."""
    entered()
    from infra.local import serve as production
    from infra.local.running import end

    end(production.main())


@click.command(short_help="Write the TypeScript types of functions and tables.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder; otherwise the project's `types`.")
@click.option("--check", is_flag=True, help="Write nothing; fail when a file is stale.")
def codegen(out: Path | None, check: bool) -> None:
    """Write the TypeScript types of the project's functions and tables."""
    project = entered()
    folder = out or project.types
    if folder is None:
        raise click.UsageError('Say where: --out FOLDER, or types = "FOLDER" under [tool.concave].')
    from infra.codegen.__main__ import written

    sys.exit(written(folder, check=check))


@click.command(short_help="List every function: path, kind, file and line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def functions(as_json: bool) -> None:
    """List every function: path, kind, file and line."""
    entered()
    from infra import functions as listing

    sys.exit(listing.main(as_json=as_json))


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
    short_help="Operator's commands on the data (concave admin --help).",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def admin(arguments: tuple[str, ...]) -> None:
    """Operator's commands on the data: run, data, export, import, check, indexes, erase (`concave admin --help`).

    On this machine the server must be stopped; with STAGE they work on a stage's tables.
    """
    _operate(*arguments)


@click.command(short_help="Copy the data, also while a server uses it.")
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Copy the project's data into a new FOLDER, also while a server uses it."""
    _operate("backup", "--out", str(folder))


@click.command(short_help="Put a copy in the place of the data.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.confirmation_option(prompt="Put this copy in the place of the project's data?")
def restore(folder: Path) -> None:
    """Put a copy that `concave backup` made in the place of the project's data. The server must be stopped."""
    _operate("restore", str(folder))


def _operate(*arguments: str) -> None:
    entered()
    from infra.admin.__main__ import main

    sys.exit(main(arguments))


def _types(project: Project) -> Callable[[], None] | None:
    """Writes the project's types; called when its code was loaded."""
    if project.types is None:
        return None
    folder = project.types

    def write() -> None:
        for name in [each for each in sys.modules if each.startswith("infra.codegen")]:
            del sys.modules[name]  # it knows the classes of the code that was there before
        from infra.codegen.__main__ import written

        written(folder, quiet=True)

    return write


COMMANDS = (dev, serve, codegen, functions, admin, backup, restore)
