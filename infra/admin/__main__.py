"""The operator's commands. DATA_DIR or STAGE say whose data (`opened.py`); every command prints JSON or lines of it.

python -m infra.admin run chat:listSessions --org acme --as alice
python -m infra.admin data conversations --org acme --limit 20
python -m infra.admin export --out backup.jsonl          STAGE=dev python -m infra.admin import backup.jsonl
python -m infra.admin backup --out backups/monday        python -m infra.admin restore backups/monday
python -m infra.admin check --table notes                python -m infra.admin check --table notes --fix owner=null
python -m infra.admin indexes                            python -m infra.admin indexes --build
python -m infra.admin erase acme --yes acme
python -m infra.admin migrate old.jsonl --org acme --dry-run
STAGE=dev python -m infra.admin env GREETING hello        STAGE=dev python -m infra.admin env
STAGE=dev python -m infra.admin logs --minutes 10 --grep ERROR
STAGE=dev python -m infra.admin replay
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chalicelib.backend import Backend
from chalicelib.data import values
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.data.errors import BadRequest, ConcaveError
from chalicelib.data.records import record
from chalicelib.environment import BadSetting
from chalicelib.operating.transfer import org_of
from chalicelib.runtime import app_environment
from chalicelib.runtime.contexts import caller_of
from chalicelib.runtime.identity import User, service
from chalicelib.runtime.indexes import Indexes
from chalicelib.runtime.logs import Log
from chalicelib.settings import Settings
from infra.admin import upkeep
from infra.admin.opened import opened
from infra.admin.transfer import checked, exported, imported, items


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 1 refused, 2 a wrong setting."""
    asked = _parser().parse_args(arguments)
    try:
        settings = Settings.from_env()
        if asked.command in ("logs", "replay"):
            from infra.admin import cloud

            return cloud.logs(settings, asked) if asked.command == "logs" else cloud.replay(settings, asked)
        if asked.command in ("backup", "restore"):
            return _copied(settings, asked)
        with opened(settings) as backend:
            done: int = globals()[f"_{asked.command}"](backend, asked)
    except BadSetting as error:
        return _fail(str(error), 2)
    except (ConcaveError, OSError) as error:
        return _fail(f"{error}")
    return done


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="infra.admin", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="call a function, internal ones too")
    run.add_argument("path")
    run.add_argument("arguments", nargs="?", default="{}", help="JSON")
    run.add_argument("--org", required=True)
    run.add_argument("--as", dest="subject", help="as this user of the org; otherwise as the service")
    data = commands.add_parser("data", help="documents of a table")
    data.add_argument("table")
    data.add_argument("--org")
    data.add_argument("--limit", type=int, default=20)
    export = commands.add_parser("export", help="all documents, as lines of JSON")
    export.add_argument("--out", type=Path, help="a file; otherwise the terminal")
    export.add_argument("--org")
    export.add_argument("--table", action="append", help="only this one; may be repeated")
    commands.add_parser("import", help="write the documents of an export").add_argument("file", type=Path)
    backup = commands.add_parser("backup", help="copy the data of this machine, also while a server uses it")
    backup.add_argument("--out", type=Path, required=True, help="a new folder")
    commands.add_parser("restore", help="put a backup in the place of the data").add_argument("folder", type=Path)
    check = commands.add_parser("check", help="which stored documents are not what their tables declare; mend them")
    check.add_argument("--table", action="append", help="only this one; may be repeated")
    check.add_argument("--org")
    check.add_argument("--id", help="only this document")
    check.add_argument(
        "--fix", action="append", default=[], metavar="FIELD=VALUE", help="set it in each of them; the value is JSON"
    )
    check.add_argument("--unset", action="append", default=[], metavar="FIELD", help="take it away from each of them")
    check.add_argument("--delete", metavar="ID", help="remove this one of them")
    indexes = commands.add_parser("indexes", help="which indexes are being built; with --build go on, with --audit compare all")
    indexes.add_argument("--build", action="store_true")
    indexes.add_argument("--audit", action="store_true")
    erase = commands.add_parser("erase", help="remove everything of an org, for good")
    erase.add_argument("org")
    erase.add_argument("--yes", metavar="ORG")
    migrate_ = commands.add_parser("migrate", help="conversations of the time before images (session_id → image_id)")
    migrate_.add_argument("file", type=Path)
    migrate_.add_argument("--org", required=True)
    migrate_.add_argument("--dry-run", action="store_true", help="only say what would become of them")
    env = commands.add_parser("env", help="the variables that functions read as ctx.env: list them, or set one")
    env.add_argument("name", nargs="?")
    env.add_argument("value", nargs="?")
    env.add_argument("--unset", action="store_true", help="remove it")
    logs = commands.add_parser("logs", help="what the functions of a stage logged")
    logs.add_argument("--minutes", type=float, default=10)
    logs.add_argument("--grep", default="", help="CloudWatch's filter pattern")
    replay = commands.add_parser("replay", help="hand what is in the failure queue to its function again")
    replay.add_argument("--limit", type=int, default=100)
    return parser


def _run(backend: Backend, asked: argparse.Namespace) -> int:
    try:
        given = values.decode(json.loads(asked.arguments))
    except ValueError as error:
        raise BadRequest(f"The arguments are no JSON: {error}") from None
    function = backend.registry.get(asked.path)
    user = User(asked.subject, "concave:admin", asked.org) if asked.subject else service(asked.org)
    run, caller = backend.executor, caller_of(user)
    log = Log(function.path, caller.org)
    try:
        if function.kind == "mutation":
            told = run.commit(function, given, caller, log=log).text
        elif function.kind == "query":
            found = run.ask(function, given, caller, None, log)
            told = found.text
            if found.error is not None:
                return _fail(found.error.detail)
        else:
            told = values.dumps(values.encode(run.perform(function, given, caller, log)))
    except ConcaveError:
        raise
    except Exception as error:  # noqa: BLE001 - a function may raise anything; the operator is told what
        return _fail(f"{type(error).__name__}: {error}")
    finally:
        for line in log.lines:
            sys.stderr.write(f"{line}\n")
    _say(told)
    return 0


def _data(backend: Backend, asked: argparse.Namespace) -> int:
    if asked.table not in {spec.name for spec in _specs()}:
        raise BadRequest(f"There is no table {asked.table!r}; there are {', '.join(sorted(spec.name for spec in _specs()))}.")
    wanted = (item for item in items(backend.store, asked.table) if asked.org is None or org_of(item) == asked.org)
    for number, item in enumerate(wanted):
        if number == asked.limit:
            break
        _say(json.dumps(values.encode(record(item)), ensure_ascii=False))
    return 0


def _export(backend: Backend, asked: argparse.Namespace) -> int:
    lines = exported(backend.store, asked.org, asked.table)
    if asked.out is None:
        for line in lines:
            _say(line)
        return 0
    count = 0
    with asked.out.open("x", encoding="utf-8") as file:  # never over an older one
        for line in lines:
            file.write(line + "\n")
            count += 1
    _say(json.dumps({"documents": count, "file": str(asked.out)}))
    return 0


def _import(backend: Backend, asked: argparse.Namespace) -> int:
    with asked.file.open(encoding="utf-8") as file:
        checked(file)
        file.seek(0)
        told = imported(backend.store, file, Indexes(backend.executor))
    _say(json.dumps({"written": told.written, "thereAlready": told.there, "unready": told.unready}))
    return 1 if told.unready else 0


def _copied(settings: Settings, asked: argparse.Namespace) -> int:
    """`backup` and `restore`: of a file, not of what a store says."""
    from infra.local.sqlite.backup import backup, restore

    if settings.store != "sqlite":
        raise BadRequest("DynamoDB keeps its own backups (docs/operating.md); these are for a file of this machine.")
    if asked.command == "backup":
        _say(json.dumps({"folder": str(asked.out), "bytes": backup(settings.data_dir, asked.out)}))
    else:
        kept = restore(asked.folder, settings.data_dir)
        _say(json.dumps({"restored": str(asked.folder), "replaced": kept and str(kept)}))
    return 0


def _check(backend: Backend, asked: argparse.Namespace) -> int:
    return _lines(
        upkeep.checked(backend, upkeep.CheckAsked(asked.table, asked.org, asked.id, asked.fix, asked.unset, asked.delete))
    )


def _indexes(backend: Backend, asked: argparse.Namespace) -> int:
    return _lines(upkeep.indexed(backend, upkeep.IndexesAsked(asked.build, asked.audit)))


def _erase(backend: Backend, asked: argparse.Namespace) -> int:
    return _lines(upkeep.erased(backend, upkeep.EraseAsked(asked.org, asked.yes)))


def _lines(found: Iterable[upkeep.Line]) -> int:
    well = True
    for line in found:
        well = well and line.well
        _say(json.dumps(line.told, ensure_ascii=False))
    return 0 if well else 1


def _migrate(backend: Backend, asked: argparse.Namespace) -> int:
    from infra.admin.migrate import migrate  # it brings the chat's tables, which not every deployment has

    with asked.file.open(encoding="utf-8") as file:
        told = migrate(backend.executor, asked.org, file, dry_run=asked.dry_run)
    _say(json.dumps({**told.found, "thereAlready": told.there, "marked": told.marked, "dryRun": asked.dry_run}))
    return 0


def _env(backend: Backend, asked: argparse.Namespace) -> int:
    if asked.name is not None and (asked.unset or asked.value is not None):
        changes = {asked.name: None if asked.unset else asked.value}

        def body(run: Any) -> str:
            app_environment.changed(run.db, changes)
            return "null"

        backend.executor.transact(SYSTEM_ORG, "environment", body)
    found = dict(backend.executor.read(SYSTEM_ORG, app_environment.seen))
    _say(json.dumps(found if asked.name is None else {asked.name: found.get(asked.name)}, ensure_ascii=False))
    return 0


def _specs() -> list[Any]:
    from chalicelib.data.tables import all_specs

    return all_specs()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _fail(text: str, code: int = 1) -> int:
    sys.stderr.write(f"admin: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
