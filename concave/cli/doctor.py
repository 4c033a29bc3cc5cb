"""`concave doctor`: what this machine and the project's server are like, and what to do where something is amiss."""

from __future__ import annotations

import email.utils
import json
import os
import platform
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Literal

import click

from chalicelib.environment import BadSetting
from chalicelib.settings import VERSION, Settings
from concave.cli.project import Project, entered

LEAST_FILES, LEAST_DISK, MOST_SKEW_S = 4_096, 1 << 30, 5
OF_A_PROJECT = ("CONCAVE_APPS", "DATA_DIR", "SITE")
NODE = (20, 19)


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do if it is not well."""

    what: str
    state: Literal["ok", "warning", "wrong"]
    told: str
    todo: str = ""


def _versions(_: Project, __: Settings) -> Iterator[Finding]:
    told = f"concave {VERSION}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    yield Finding("versions", "ok", told)


def _folder(_: Project, settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    there = folder if folder.exists() else folder.parent
    if not os.access(there, os.W_OK):
        yield Finding("data", "wrong", f"{there} cannot be written", "give its owner's rights to whoever serves, or set DATA_DIR")
        return
    free = shutil.disk_usage(there).free
    state: Literal["ok", "warning"] = "ok" if free >= LEAST_DISK else "warning"
    yield Finding("data", state, f"{folder}, {free >> 20} MB are free", "" if state == "ok" else "make room on this disk")
    secret = folder / "operator.key"
    if os.environ.get("OPERATOR_KEY"):
        yield Finding("operators", "ok", "keys are signed with OPERATOR_KEY")
    elif not secret.exists():
        yield Finding("operators", "warning", "there is no key that signs operators' keys", "the first `concave dev` makes it")
    elif secret.stat().st_mode & 0o077:
        yield Finding("operators", "wrong", f"others of this machine may read {secret}", f"chmod 600 {secret}")
    else:
        yield Finding("operators", "ok", f"{secret} is its owner's alone")


def _store(_: Project, settings: Settings) -> Iterator[Finding]:
    if settings.store != "sqlite":
        yield Finding("store", "ok", f"{settings.store}, which the server reaches")
        return
    file = settings.data_dir / "concave.db"
    if not file.exists():
        yield Finding("store", "ok", "sqlite, still empty")
        return
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as store:
            tables = store.execute("select count(*) from sqlite_master where type = 'table'").fetchone()[0]
    except sqlite3.Error as error:
        yield Finding("store", "wrong", f"{file} cannot be read: {error}", "put a copy in its place: `concave restore FOLDER`")
    else:
        yield Finding("store", "ok", f"sqlite, {file.stat().st_size >> 10} KB, {tables} tables")


def _server(_: Project, settings: Settings) -> Iterator[Finding]:
    try:
        port = int((settings.data_dir / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        yield Finding("server", "warning", "it is not running", "`concave dev` starts it")
        yield _port(settings.port)
        return
    url = f"http://127.0.0.1:{port}"
    try:
        with urllib.request.urlopen(f"{url}/version", timeout=5) as answer:  # noqa: S310 - this machine's own
            date = answer.headers.get("date", "")
    except OSError as error:
        yield Finding("server", "wrong", f"{url} does not answer: {error}", "start it again: `concave dev`")
        return
    yield Finding("server", "ok", f"it answers at {url}")
    if date:
        skew = abs(time.time() - email.utils.parsedate_to_datetime(date).timestamp())
        well = skew <= MOST_SKEW_S
        yield Finding("clock", "ok" if well else "warning", f"{skew:.0f} s apart", "" if well else "set this machine's clock")


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding("port", "wrong", f"{port} cannot be taken: {error.strerror}", "end who has it, or say another: PORT=0")
    return Finding("port", "ok", f"{port} is free" if port else "any that is free")


def _page(project: Project, _: Settings) -> Iterator[Finding]:
    if project.page is None:
        return
    if (project.page / "dist" / "index.html").is_file():
        yield Finding("page", "ok", f"it is built in {project.page / 'dist'}")
    else:
        yield Finding(
            "page", "warning", "it is not built", f"npm install --prefix {project.page}; npm run --prefix {project.page} build"
        )
    node = shutil.which("node")
    asked = [node, "--version"] if node else ["true"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - found on PATH
    parts = told.removeprefix("v").split(".")
    good = len(parts) > 1 and all(part.isdigit() for part in parts[:2]) and (int(parts[0]), int(parts[1])) >= NODE
    want = f"install Node {NODE[0]}.{NODE[1]} or newer; only the page needs it"
    yield Finding("node", "ok" if good else "warning", told or "it is not there", "" if good else want)


def _files(_: Project, __: Settings) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    well = soft == resource.RLIM_INFINITY or soft >= LEAST_FILES
    most = hard if hard != resource.RLIM_INFINITY else 65_536
    yield Finding(
        "open files", "ok" if well else "warning", f"{soft} at once; each socket is one", "" if well else f"ulimit -n {most}"
    )


LOOKS: tuple[Callable[[Project, Settings], Iterator[Finding]], ...] = (_versions, _folder, _store, _server, _page, _files)


def findings() -> Iterator[Finding]:
    """Everything that is looked at, in order. Raises `click.ClickException` where there is no project."""
    given = {name for name in OF_A_PROJECT if os.environ.get(name)}
    project = entered()
    yield Finding("project", "ok", f"{project.folder}, apps {', '.join(project.apps)}")
    sources = [f"{name} ({'environment' if name in given else 'project'})" for name in OF_A_PROJECT if name in os.environ]
    try:
        settings = Settings.from_env()
    except BadSetting as error:
        yield Finding("settings", "wrong", str(error), "correct this variable; docs/settings.md has all of them")
        return
    yield Finding("settings", "ok", ", ".join(sources))
    for look in LOOKS:
        yield from look(project, settings)


@click.command(short_help="Look at this machine and the project's server; say what to do where something is amiss.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(as_json: bool) -> None:
    """Look at the project, its settings, its data and its server on this machine. Ends with 1 where something is wrong."""
    wrong = False
    for found in findings():
        wrong = wrong or found.state == "wrong"
        if as_json:
            click.echo(json.dumps(asdict(found), ensure_ascii=False))
            continue
        color = {"ok": "green", "warning": "yellow", "wrong": "red"}[found.state]
        click.echo(f"{click.style(f'{found.state:<8}', fg=color)} {found.what:<10}  {found.told}")
        if found.todo:
            click.echo(f"{'':<21}→ {found.todo}")
    sys.exit(1 if wrong else 0)


COMMANDS = (doctor,)
