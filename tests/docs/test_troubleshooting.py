"""Every code that an error can carry has its line on the page about them, and the page names none that there is not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.docs.pages import ROOT

PLACES = {"Refused": 0, "AuthFailed": 1, "Refusal": 1, "BadRequest": 1, "LimitExceeded": 1, "EmbedderFailed": 1, "BadValue": 3}
"""Which argument of an error's class is its code."""
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
CODE = re.compile(r"[A-Z][A-Za-z]+|[A-Z]+(?:_[A-Z]+)+")


def written() -> Iterator[str]:
    """The codes that stand where an error is made: as its argument, or as its class' own."""
    for path in (ROOT / "chalicelib").rglob("*.py"):
        if "push" in path.parts:  # what push services refuse with is told to nobody
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            given = [each.value for each in node.keywords if each.arg in ("tag", "code")]
            if name in PLACES:
                yield from _code([*node.args[PLACES[name] : PLACES[name] + 1], *given])


def _code(given: list[ast.expr]) -> Iterator[str]:
    for each in given:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def generated() -> set[str]:
    """The codes that functions refuse with, as clients have them as a type."""
    return set(re.findall(r'\| "(\w+)"', (ROOT / "web" / "src" / "generated" / "errors.ts").read_text()))


def explained() -> set[str]:
    """The codes in the first columns of the page's tables."""
    columns = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    return {code for column in columns for code in re.findall(r"`([A-Za-z_]+)`", column) if CODE.fullmatch(code)}


def test_every_code_has_its_line() -> None:
    codes = generated() | set(written())
    assert len(codes) > 200
    assert sorted(codes - explained()) == []


def test_no_code_is_explained_that_there_is_not() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    gone = {code for code in explained() if f'"{code}"' not in sources and f"class {code}(" not in sources}
    assert gone - generated() == set()


def test_a_code_is_explained_once() -> None:
    columns = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    codes = [code for column in columns for code in re.findall(r"`([A-Za-z_]+)`", column)]
    assert sorted(code for code in set(codes) if codes.count(code) > 1) == []
