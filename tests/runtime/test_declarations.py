"""What cannot work as it is written is refused when the app is loaded: one sentence, with the line to change."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from chalicelib.data.declared import ENGINE_TABLES, WORDS
from chalicelib.data.tables import SYSTEM_SPECS, TABLES, Table, all_specs
from chalicelib.runtime import crons, jobs
from chalicelib.runtime.canary import Canary
from chalicelib.runtime.paths import like
from chalicelib.runtime.rate_limits import Bucket

HEAD = """\
from __future__ import annotations
from dataclasses import dataclass
from datetime import datetime
import decimal, uuid
import msgspec
from chalicelib import *
"""
LINES = HEAD.count("\n")
NOTE = 'class Note(Table, name="notes"):\n    owner: str\n    text: str\n    tags: list[str]\n'


def refusal(folder: Path, source: str, *, apps: str = "users_app", code: str = "") -> str:
    """What loading this app says, in a process of its own; empty when it says nothing."""
    (folder / "users_app.py").write_text(source)
    load = f"from chalicelib.runtime.registry import load\nload({apps.split(',')!r})\n{code}"
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": f"{root}:{folder}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", load], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("chalicelib.data.errors.WrongDeclaration: "), done.stderr
    return last.partition(": ")[2]


def cases() -> dict[str, tuple[str, int, str]]:
    """Name → (source, line, words) of each part of the text beside this file; line 0: it cannot be said."""
    found = {}
    for part in (Path(__file__).parent / "wrong_declarations.txt").read_text().split("## ")[1:]:
        name, expected, source = part.split("\n", 2)
        line, words = re.fullmatch(r"# line (\d+): (.*)", expected).groups()  # type: ignore[union-attr]
        found[name] = (source.rstrip("\n"), int(line), words)
    return found


WRONG = cases()


@pytest.mark.parametrize("case", WRONG)
def test_it_is_refused_in_one_sentence_with_its_line(case: str, tmp_path: Path) -> None:
    source, line, words = WRONG[case]
    told = refusal(tmp_path, HEAD + source + "\n")
    assert words in told
    if line:
        assert told.startswith(f"{tmp_path}/users_app.py:{LINES + line}: "), told


@pytest.mark.parametrize("word", sorted(WORDS))
def test_a_field_or_index_named_like_a_word_of_table_is_refused(word: str, tmp_path: Path) -> None:
    for body in (f"{word}: str", f'a: str\n    {word} = Index("a")'):
        told = refusal(tmp_path, f'{HEAD}class Line(Table, name="lines"):\n    {body}\n')
        assert f"{word} is a word of Table" in told


@pytest.mark.parametrize("name", sorted(ENGINE_TABLES))
def test_a_table_of_the_engine_is_no_name_for_a_users(name: str, tmp_path: Path) -> None:
    assert f"{name} is a table of the engine" in refusal(tmp_path, f'{HEAD}class Mine(Table, name="{name}"):\n    a: str\n')


def test_the_words_and_tables_that_are_taken_are_those_that_there_are() -> None:
    own = {each.name for each in SYSTEM_SPECS} | {
        jobs.Job.table_name,
        crons.CronState.table_name,
        Canary.table_name,
        Bucket.table_name,
    }
    assert own == ENGINE_TABLES
    public = {name for name in {*vars(Table), *Table.__annotations__} if not name.startswith("_")}
    assert public - {"id", "creation_time", "log"} | {"log"} == WORDS
    assert {spec.name for spec in all_specs()} >= ENGINE_TABLES & TABLES.keys()


def test_what_is_right_is_accepted(tmp_path: Path) -> None:
    right = f"""{HEAD}{NOTE}    place: Inner | None = None
    by_city = Index("owner", order=("place.city", "creation_time"))
class Inner(msgspec.Struct):
    city: str
    next: "Inner | None" = None
class Log(Table, name="log_lines", key=("page", "number"), ttl="until"):
    page: str
    number: int
    until: float
@query
def find(ctx: QueryCtx, tags: set[str], big: Int64, d: dict[str, Note], n: Note | None = None) -> Page[Note]: ...
@mutation
def _add(_ctx, anything) -> tuple[int, str]: ...
c = Crons()
c.hourly("x", _add, minute=1, anything=1)
"""
    assert refusal(tmp_path, textwrap.dedent(right)) == ""


def test_an_app_that_is_not_there_is_named_with_the_one_that_is(tmp_path: Path) -> None:
    told = refusal(tmp_path, HEAD, apps="user_app")
    assert told == "CONCAVE_APPS: there is no package user_app (did you mean users_app?)."


def test_make_functions_says_what_is_wrong_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "users_app.py").write_text(f"{HEAD}@query\nasync def find(ctx: QueryCtx) -> None: ...\n")
    environment = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}", "CONCAVE_APPS": "users_app", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "infra.functions"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"functions: {tmp_path}/users_app.py:{LINES + 1}: find is async")
    assert len(done.stderr.splitlines()) == 1


KNOWN = ["notes:listNotes", "notes:add", "notes/archive:put", "tasks:stopRun", "chat:default"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("notes:list_notes", "notes:listNotes"),
        ("notes:listnotes", "notes:listNotes"),
        ("notes:listNote", "notes:listNotes"),
        ("note:listNotes", "notes:listNotes"),
        ("api.notes:add", "notes:add"),
        ("notes/archives:put", "notes/archive:put"),
        ("Tasks:StopRun", "tasks:stopRun"),
        ("notes:remove", ""),
        ("quite:different", ""),
        ("", ""),
        (":", ""),
    ],
)
def test_a_path_that_is_like_another_is_recognised(asked: str, meant: str) -> None:
    assert like(asked, KNOWN) == (f" (did you mean {meant}?)" if meant else "")
