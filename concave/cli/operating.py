"""Commands on a server that runs: call functions, read documents and logs, set variables, bring data in and out.

They go through one door with an operator's key (docs/operators.md). With STAGE, or where no server runs, `concave admin` works on
the tables themselves.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from concave.cli.door import Door, opened
from concave.cli.project import entered

BATCH, BATCH_BYTES = 20, 700_000
"""Documents, and bytes, of one call of an import."""
DEPLOYMENT = "_system"
"""Whose documents those of the deployment itself are, in an export."""


def at_the_door(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--url` and `--key` to a command."""
    command = click.option("--key", help="An operator's key; otherwise CONCAVE_ADMIN_KEY, or this machine's own.")(command)
    return click.option("--url", help="The server; otherwise CONCAVE_URL, or this project's on this machine.")(command)


def _door(url: str | None, key: str | None) -> Door:
    return opened(url, key, data_folder())


def data_folder() -> Path:
    """Where the server on this machine keeps its data: the project's, or DATA_DIR. Raises `click.ClickException`."""
    if "DATA_DIR" not in os.environ and not (os.environ.get("CONCAVE_URL")):
        entered()
    return Path(os.environ.get("DATA_DIR", ".concave"))


def _say(value: Any, *, lines: bool = False) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if lines else 2))


@click.command(short_help="Call a function of the running server, internal ones too.")
@click.argument("path")
@click.argument("arguments", default="{}")
@click.option("--org", help="In whose data.")
@click.option("--as", "subject", help="As this user of the org; otherwise as the service.")
@at_the_door
def run(path: str, arguments: str, org: str | None, subject: str | None, url: str | None, key: str | None) -> None:
    """Call the function at PATH (`notes:add`) with ARGUMENTS, a JSON object, and print what it returns."""
    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="ARGUMENTS") from None
    if not isinstance(given, dict):
        raise click.BadParameter('a JSON object, such as \'{"title": "x"}\'.', param_hint="ARGUMENTS")
    _say(_door(url, key).call(path, given, org, subject))


@click.command(short_help="List tables, or the documents of one.")
@click.argument("table", required=False)
@click.option("--org", help="Whose documents.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--order", default="desc", show_default=True, type=click.Choice(["asc", "desc"]))
@at_the_door
def data(table: str | None, org: str | None, limit: int, order: str, url: str | None, key: str | None) -> None:
    """List the tables, or the documents that an org has in TABLE, one JSON object a line."""
    door = _door(url, key)
    if table is None:
        for each in door.pages("_system/cli/tables", {}, None, 10_000):
            click.echo(each["name"])
        return
    for each in door.pages("_system/cli/tableData", {"table": table, "order": order}, org, limit):
        _say(each, lines=True)


@click.command(short_help="Show calls as they happen, with what they said and why they failed.")
@click.option("--history", default=20, show_default=True, type=click.IntRange(0, 10_000), help="So many calls of before, too.")
@click.option("--request-id", help="Only the call of this Request ID, as a client has seen it; then end.")
@click.option("--no-follow", is_flag=True, help="End when those of before are shown.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@at_the_door
def logs(history: int, request_id: str | None, no_follow: bool, as_json: bool, url: str | None, key: str | None) -> None:
    """Show the calls of the running server until Ctrl-C."""
    door = _door(url, key)
    entries, cursor = door.logs(0, request_id or "")
    if request_id is not None:
        entries = [each for each in entries if each["requestId"] == request_id]
        if not entries:
            raise click.ClickException(f"No call that is kept has the Request ID {request_id}.")
        history, no_follow = len(entries), True
    _show(entries[-history:] if history else [], as_json=as_json)
    while not no_follow:
        entries, cursor = door.logs(cursor)
        _show(entries, as_json=as_json)


def _show(entries: list[dict[str, Any]], *, as_json: bool) -> None:
    from datetime import datetime

    for each in entries:
        if as_json:
            _say(each, lines=True)
            continue
        when = datetime.fromtimestamp(each["timestamp"]).strftime("%H:%M:%S.%f")[:-3]
        head = (
            f"{when}  {each['udfType']:<8}  {each['identifier']:<40}  {each['executionTime'] * 1000:8.1f} ms  {each['requestId']}"
        )
        click.echo(click.style(head, fg="red") if each["error"] else head)
        for line in each["logLines"]:
            click.echo(f"              {line}")
        if each["error"]:
            click.echo(click.style("              " + each["error"].replace("\n", "\n              "), fg="red"))


@click.group(short_help="The app's variables, which functions read as ctx.env.")
def env() -> None:
    """List, get, set and unset the variables that functions read as `ctx.env`."""


@env.command("list")
@at_the_door
def env_list(url: str | None, key: str | None) -> None:
    """All variables, as NAME=value."""
    found = _door(url, key).call("_system/cli/queryEnvironmentVariables", {})
    if not found:
        click.echo("There are no variables yet: concave env set NAME VALUE", err=True)
    for each in found:
        click.echo(f"{each['name']}={each['value']}")


@env.command("get")
@click.argument("name")
@at_the_door
def env_get(name: str, url: str | None, key: str | None) -> None:
    """The value of one variable."""
    found = _door(url, key).call("_system/cli/queryEnvironmentVariables:get", {"name": name})
    if found is None:
        raise click.ClickException(f"There is no variable {name}.")
    click.echo(found["value"])


@env.command("set")
@click.argument("name")
@click.argument("value", required=False)
@at_the_door
def env_set(name: str, value: str | None, url: str | None, key: str | None) -> None:
    """Set a variable; without VALUE it is asked for, or read from standard input, and stays out of the shell's history."""
    if value is None:
        value = click.prompt(name, hide_input=True) if sys.stdin.isatty() else _stdin()
    _door(url, key).request("POST", "/api/update_environment_variables", {"changes": [{"name": name, "value": value}]})


@env.command("unset")
@click.argument("name")
@at_the_door
def env_unset(name: str, url: str | None, key: str | None) -> None:
    """Remove a variable."""
    _door(url, key).request("POST", "/api/update_environment_variables", {"changes": [{"name": name, "value": None}]})


def _stdin() -> str:
    return sys.stdin.read().rstrip("\n")


@click.command("import", short_help="Bring the documents of an export into the running server.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--org", help="Into this org, instead of those that the file names.")
@at_the_door
def import_(file: Path, org: str | None, url: str | None, key: str | None) -> None:
    """Write the documents of FILE, lines of `concave export`. What is there already stays; whoever watches is told."""
    door, written, there, left_out = _door(url, key), 0, 0, 0
    with (
        file.open(encoding="utf-8") as source,
        click.progressbar(length=file.stat().st_size, label="import", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar,
    ):
        for table, whose, documents, size in _batches(source):
            if whose == DEPLOYMENT:
                new, known = (0, 0) if org is not None else _variables(door, table, documents)
                left_out += len(documents) - new - known
            else:
                new = int(door.call("_system/transfer:write", {"table": table, "documents": documents}, org or whose))
                known = len(documents) - new
            written, there = written + new, there + known
            bar.update(size)
    _say({"written": written, "thereAlready": there, **({"leftOut": left_out} if left_out else {})})


def _variables(door: Door, table: str, documents: list[Any]) -> tuple[int, int]:
    """Set the app's variables that an export names and the server does not have. What else belongs to a deployment stays its own.

    Returns how many documents were new, and how many there already.
    """
    if table != "appEnvironment":
        return 0, 0
    found = {each["name"] for each in door.call("_system/cli/queryEnvironmentVariables", {})}
    told = {name: value for document in documents for name, value in document["variables"].items()}
    missing = [{"name": name, "value": value} for name, value in told.items() if name not in found]
    if missing:
        door.request("POST", "/api/update_environment_variables", {"changes": missing})
    return (len(documents), 0) if missing else (0, len(documents))


def _batches(lines: Any) -> Iterator[tuple[str, str, list[Any], int]]:
    """Documents that one call takes: of one table and one org."""
    held: list[Any] = []
    place, size = ("", ""), 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            here = (told["table"], told["org"])
            document = told["document"]
        except (ValueError, KeyError, TypeError):
            raise click.ClickException(f"Line {number} is none of an export.") from None
        if held and (here != place or len(held) == BATCH or size + len(line) > BATCH_BYTES):
            yield (*place, held, size)
            held, size = [], 0
        place = here
        held.append(document)
        size += len(line.encode())
    if held:
        yield (*place, held, size)


@click.command(short_help="Write all documents into a file, at one instant, also while a server uses them.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--org", help="Only this org's.")
@click.option("--table", "tables", multiple=True, help="Only this one; may be repeated.")
@at_the_door
def export(file: Path, org: str | None, tables: tuple[str, ...], url: str | None, key: str | None) -> None:
    """Write the project's documents into FILE as lines of JSON. With STAGE: a stage's. With --url, or CONCAVE_URL: those of a
    server elsewhere, page by page; what is written meanwhile is in it or not."""
    import tempfile

    from infra.admin.__main__ import main

    if file.exists():
        raise click.ClickException(f"{file} is there already; an export is written over nothing.")
    if url or os.environ.get("CONCAVE_URL"):
        _say({"documents": _pages(_door(url, key), file, org, tables), "file": str(file)})
        return
    entered()
    words = [
        "export",
        "--out",
        str(file),
        *(["--org", org] if org else []),
        *(part for name in tables for part in ("--table", name)),
    ]
    if os.environ.get("STAGE") or os.environ.get("STORE") == "dynamodb":
        sys.exit(main(words))
    from infra.local.sqlite.backup import backup

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        backup(data_folder(), copy)
        os.environ["DATA_DIR"] = str(copy)
        sys.exit(main(words))


def _pages(door: Door, file: Path, org: str | None, tables: tuple[str, ...]) -> int:
    """Write what a server elsewhere gives out. Returns how many documents."""
    many = 0
    with file.open("x", encoding="utf-8") as lines:
        for table in tables or door.call("_system/transfer:tables", {}):
            after: str | None = None
            while True:
                page = door.call("_system/transfer:read", {"table": table, "after": after, "org": org})
                lines.writelines(f"{line}\n" for line in page["lines"])
                many += len(page["lines"])
                after = page["after"]
                if after is None:
                    break
    return many


COMMANDS = (run, data, logs, env, export, import_)
