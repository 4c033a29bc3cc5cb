"""The table of rows is whole, and every test that it names is there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.rows import ALL, DIFFERENT, ROWS

ROOT = Path(__file__).parents[2]


@cache
def named_in(file: str) -> frozenset[str]:
    """The names of a file's tests."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"))


def test_no_row_is_left_out_and_none_is_made_up() -> None:
    assert len(ALL) == 103
    assert sorted(ROWS) == sorted(ALL)
    assert list(ROWS) == ALL, "in the documents' order"
    assert DIFFERENT.keys() <= ROWS.keys()


@pytest.mark.parametrize("row", ALL)
def test_the_tests_of_a_row_exist(row: str) -> None:
    assert ROWS[row], row
    assert len(set(ROWS[row])) == len(ROWS[row])
    for node in ROWS[row]:
        file, _, test = node.partition("::")
        assert (ROOT / file).is_file(), node
        assert test in named_in(file), node


def test_every_test_of_these_folders_says_its_row_or_is_named_by_one() -> None:
    """What shows nothing of a seed does not belong here."""
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


def test_the_page_finds_its_server() -> None:
    """000-22: by the address that it came from, and no other."""
    main = (ROOT / "web" / "src" / "main.tsx").read_text()
    assert "new ConvexReactClient(location.origin" in main
    for file in (ROOT / "web" / "src").rglob("*.ts*"):
        text = file.read_text()
        assert "ws://" not in text, file
        assert "new WebSocket(" not in text, file
