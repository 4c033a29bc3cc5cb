"""The table of rows is whole, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.requirements import MEANINGS
from tests.acceptance.rows import DIFFERENT, ROWS

ROOT = Path(__file__).parents[2]


@cache
def named_in(file: str) -> frozenset[str]:
    """The names of a file's tests."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"))


def test_no_row_is_left_out_and_none_is_made_up() -> None:
    assert len(MEANINGS) == 114
    assert list(ROWS) == list(MEANINGS), "in the order of the requirements"
    assert DIFFERENT.keys() <= ROWS.keys()


@pytest.mark.parametrize("row", MEANINGS)
def test_the_tests_of_a_row_exist(row: str) -> None:
    assert ROWS[row], row
    assert len(set(ROWS[row])) == len(ROWS[row])
    for node in ROWS[row]:
        file, _, test = node.partition("::")
        assert (ROOT / file).is_file(), node
        assert test in named_in(file), node


def test_every_test_of_these_folders_says_its_row_or_is_named_by_one() -> None:
    """What shows no requirement does not belong here."""
    named = {node for nodes in ROWS.values() for node in nodes}
    for file in sorted((ROOT / "tests" / "acceptance").glob("test_*.py")):
        if file == Path(__file__):
            continue
        tree = ast.parse(file.read_text())
        for each in tree.body:
            if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
                said = ast.get_docstring(each) or ""
                place = f"tests/acceptance/{file.name}::{each.name}"
                assert "000-" in said or "001-" in said or place in named, place


ASIDE = r"(?: \([^)]*\))?"
LISTED = re.compile(rf"\b0\d\d-[A-Z]?\d+{ASIDE}(?:(?:, |…| and |: )(?:0\d\d-)?[UE]?\d{{2}}\b{ASIDE})*")
"""Numbers in a row, whose later ones are short: `000-01, 25, U01`, `000-15…20`, `001-04, 05, 06`."""


def numbers_in(text: str) -> set[str]:
    """Every number that a text names, those that are written short and those between two ends too."""
    found = set()
    for listed in LISTED.findall(text):
        group, before = "", 0
        for mark, prefix, kind, digits in re.findall(r"(…|, | and )?(0\d\d-)?([UE]?)(\d{1,2})\b", re.sub(ASIDE, "", listed)):
            group = prefix or group
            begin = before + 1 if mark == "…" else int(digits)
            found |= {f"{group}{kind}{number:02d}" for number in range(begin, int(digits) + 1)}
            before = int(digits)
    return found


def test_every_number_that_stands_here_has_a_meaning_and_every_meaning_is_used() -> None:
    here = Path(__file__).parent
    said = set[str]()
    for file in here.glob("*.py"):
        if file.name not in ("requirements.py", Path(__file__).name):
            said |= numbers_in(file.read_text())
    assert said == MEANINGS.keys()


def test_a_meaning_is_one_sentence() -> None:
    for number, meaning in MEANINGS.items():
        assert re.fullmatch(r"[A-Z`].*[^.]\.", meaning), number
        assert ". " not in meaning, number


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("000-01, 25, U01: twenty", {"000-01", "000-25", "000-U01"}),
        ("(001-17, U03, U10)", {"001-17", "001-U03", "001-U10"}),
        ("000-15…18, U04", {"000-15", "000-16", "000-17", "000-18", "000-U04"}),
        ("000-E02 (`parentImageId`), E04: and", {"000-E02", "000-E04"}),
        ("000-17, 001-U16: every", {"000-17", "001-U16"}),
        ("000-E02, E07 (12): made", {"000-E02", "000-E07"}),
    ],
)
def test_numbers_are_read_as_they_are_written(text: str, numbers: set[str]) -> None:
    assert numbers_in(text) == numbers


def test_the_page_finds_its_server() -> None:
    """000-22: by the address that it came from, and no other."""
    main = (ROOT / "web" / "src" / "main.tsx").read_text()
    assert "new ConvexReactClient(location.origin" in main
    for file in (ROOT / "web" / "src").rglob("*.ts*"):
        text = file.read_text()
        assert "ws://" not in text, file
        assert "new WebSocket(" not in text, file
