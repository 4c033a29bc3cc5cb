"""Upkeep of the data: check, indexes, erase. A server that runs does it on the data that it has open; where none runs, and with
STAGE, this process does it itself."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from concave.cli.door import opened, running
from concave.cli.operating import at_the_door, data_folder
from concave.cli.project import entered

WAIT_S = 3600
"""So long a command of a large deployment may take."""


def _done(url: str | None, key: str | None, command: str, arguments: dict[str, Any], words: list[str]) -> None:
    folder = data_folder()
    elsewhere = bool(url or os.environ.get("CONCAVE_URL"))
    if os.environ.get("STAGE") or not (elsewhere or running(folder)):
        from infra.admin.__main__ import main

        entered()
        sys.exit(main([command, *words]))
    told = opened(url, key, folder).request("POST", "/_/admin", {"command": command, "arguments": arguments}, timeout_s=WAIT_S)
    for line in told["lines"]:
        click.echo(json.dumps(line, ensure_ascii=False))
    sys.exit(0 if told["well"] else 1)


@click.command(short_help="Which stored documents are not what their tables declare; mend them.")
@click.option("--table", "tables", multiple=True, help="Only this one; may be repeated.")
@click.option("--org", help="Only this org's.")
@click.option("--id", "id_", help="Only this document.")
@click.option("--fix", multiple=True, metavar="FIELD=VALUE", help="Set it in each of them; the value is JSON.")
@click.option("--unset", multiple=True, metavar="FIELD", help="Take it away from each of them.")
@click.option("--delete", metavar="ID", help="Remove this one of them.")
@at_the_door
def check(
    tables: tuple[str, ...],
    org: str | None,
    id_: str | None,
    fix: tuple[str, ...],
    unset: tuple[str, ...],
    delete: str | None,
    url: str | None,
    key: str | None,
) -> None:
    """Find stored documents that their tables do not allow, one JSON object a line, and mend them where that is asked for.

    Ends with 1 while any is left.
    """
    arguments = {"table": list(tables) or None, "org": org, "id": id_, "fix": fix, "unset": unset, "delete": delete}
    named = (("--org", org), ("--id", id_), ("--delete", delete))
    words = [part for name, value in named if value is not None for part in (name, value)]
    words += [
        part for name, values in (("--table", tables), ("--fix", fix), ("--unset", unset)) for v in values for part in (name, v)
    ]
    _done(url, key, "check", arguments, words)


@click.command(short_help="Which indexes are being built; build them, or compare all with their tables.")
@click.option("--build", is_flag=True, help="Go on with those that are not ready.")
@click.option("--audit", is_flag=True, help="Compare every index with its table.")
@at_the_door
def indexes(build: bool, audit: bool, url: str | None, key: str | None) -> None:
    """Name the indexes that are being built, one JSON object a line. Nothing is printed where all of them are ready."""
    if build and audit:
        raise click.UsageError("--build compares what it has built; say one of --build and --audit.")
    words = ["--build"] * build + ["--audit"] * audit
    _done(url, key, "indexes", {"build": build, "audit": audit}, words)


@click.command(short_help="Remove everything of an org, for good.")
@click.argument("org")
@click.option("--yes", metavar="ORG", help="The org once more; otherwise it is asked for.")
@at_the_door
def erase(org: str, yes: str | None, url: str | None, key: str | None) -> None:
    """Remove everything that any table holds of ORG, and say what was removed. This cannot be undone.

    Whoever of the org is connected is disconnected, and comes back to an empty one. Ends with 1 if something is left.
    """
    if yes is None and sys.stdin.isatty():
        yes = click.prompt(f"This cannot be undone. To erase {org}, write its name once more")
    _done(url, key, "erase", {"org": org, "yes": yes}, [org, *(["--yes", yes] if yes is not None else [])])


COMMANDS = (check, indexes, erase)
