"""Where code may stand: wire names in `functions`, how it is done in `domain`, no circle among files, no insiders' codes."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chalicelib.data.errors import NotFound
from chalicelib.runtime import validate
from chalicelib.runtime.registry import Function, load

ROOT = Path(__file__).resolve().parent.parent
CODE = ("chalicelib", "infra")
DECORATORS = {"query", "mutation", "action", "internal_query", "internal_mutation", "internal_action", "sweep"}
BY_PATH = {"run_after": 1, "run_at": 1, "run_query": 0, "run_mutation": 0, "run_action": 0, "call": 1, "repair": 1}
"""Methods that take a function or its path, and the position of that argument."""


def _modules() -> dict[str, Path]:
    paths = [path for room in CODE for path in (ROOT / room).rglob("*.py")]
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


def _imports(tree: ast.AST) -> Iterator[str]:
    """Everything that a file imports, inside functions and for type checkers only, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                yield node.module


def circles(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """Groups of files that import one another, in however many steps."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(arrows[start])
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += arrows.get(one, ())
        return seen

    after = {name: reached(name) for name in arrows}
    found: list[set[str]] = []
    for name in arrows:
        group = {other for other in after[name] if name in after.get(other, ())} | {name}
        if name in after[name] and group not in found:
            found.append(group)
    return found


def _arrows() -> dict[str, set[str]]:
    modules = _modules()
    arrows = {}
    for name, path in modules.items():
        wanted = {each for each in _imports(ast.parse(path.read_text())) if each in modules}
        # `from package import module` names the module; the package itself is then only its folder
        folders = {each for each in wanted if any(other.startswith(f"{each}.") for other in wanted)}
        arrows[name] = wanted - folders - {name}
    return arrows


def _registered(node: ast.stmt) -> bool:
    """Whether a statement defines something that the registry collects."""
    if not isinstance(node, ast.FunctionDef):
        return False
    names = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return any(isinstance(each, ast.Name) and each.id in DECORATORS for each in names)


def test_no_files_import_one_another_in_a_circle() -> None:
    assert circles(_arrows()) == []


def test_a_circle_is_found_however_long_it_is() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_every_module_of_functions_has_a_name_on_the_wire() -> None:
    silent = [
        path.name
        for path in (ROOT / "chalicelib/functions").glob("*.py")
        if path.name != "__init__.py" and not any(_registered(node) for node in ast.parse(path.read_text()).body)
    ]
    assert silent == []


def test_modules_of_functions_hold_nothing_but_functions() -> None:
    """Imports, a docstring, registered functions, and constants at most; helpers and shapes stand in `domain`."""
    thick = [
        f"{path.name}: {node.name}"
        for path in (ROOT / "chalicelib/functions").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not _registered(node)
    ]
    assert thick == []


def test_nothing_in_domain_is_registered_and_nothing_there_imports_a_function() -> None:
    found = []
    for path in (ROOT / "chalicelib/domain").rglob("*.py"):
        tree = ast.parse(path.read_text())
        found += [f"{path.name}: {node.name}" for node in tree.body if isinstance(node, ast.FunctionDef) and _registered(node)]
        found += [f"{path.name}: {each}" for each in _imports(tree) if each.startswith("chalicelib.functions")]
    assert found == []


def test_no_import_stands_inside_a_function_of_the_domain_or_the_core() -> None:
    """Late imports of heavy libraries stand in the rooms that own them; here one would only hide a circle."""
    rooms = ("functions", "domain", "schema", "data", "live", "runtime", "doors")
    hidden = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for room in rooms
        for path in (ROOT / "chalicelib" / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom) and "chalicelib" in ast.unparse(inner)
    ]
    assert hidden == []


def _named_by_path() -> list[tuple[str, str, frozenset[str]]]:
    """(place, path, keywords) of every call that names a function by its path."""
    found = []
    for room in ("domain", "functions"):
        for path in (ROOT / "chalicelib" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BY_PATH):
                    continue
                position = BY_PATH[node.func.attr]
                named = node.args[position] if len(node.args) > position else None
                if isinstance(named, ast.Constant) and isinstance(named.value, str):
                    keywords = frozenset(each.arg for each in node.keywords if each.arg is not None)
                    found.append((f"{path.name}:{node.lineno}", named.value, keywords))
    return found


def test_every_function_that_is_named_by_its_path_is_there_and_takes_these_arguments() -> None:
    registry = load(("chalicelib.functions",))
    wrong = []
    for place, path, keywords in _named_by_path():
        try:
            function: Function[..., object] = registry.get(path)
        except NotFound:
            wrong.append(f"{place}: there is no {path}")
            continue
        unknown = keywords - validate.wire_names(function).keys()
        wrong += [f"{place}: {path} has no argument {name}" for name in sorted(unknown)]
    assert wrong == []
    assert len(_named_by_path()) > 5, "the domain names functions by their paths"


INSIDERS = re.compile(
    r"\b0\d\d-[A-Z]?\d|\b[Ss]eeds? \d|\bseed checklist|\b[Tt]he issue's|\bReview check|\bDESIGN\b|\bprotocol (section \d|\d\.\d)"
)
"""Numbers of documents that are not in the repository."""
HOME_OF_NUMBERS = "tests/acceptance/"


def test_no_insiders_code_stands_outside_the_acceptance_tests() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    kinds = (".py", ".ts", ".tsx", ".js", ".mjs", ".css", ".md", ".json", ".yml", ".toml", "Makefile", ".html")
    found = []
    for name in listed:
        if name.startswith(HOME_OF_NUMBERS) or not name.endswith(kinds) or name == "tests/test_rooms_of_the_house.py":
            continue
        path = ROOT / name
        for number, line in enumerate(path.read_text(errors="replace").splitlines() if path.is_file() else (), 1):
            if INSIDERS.search(line):
                found.append(f"{name}:{number}")
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "(004-U08)",
        "seed 003",
        "Seed 000's engine",
        "Review check 3",
        "DESIGN section 6",
        "protocol 4.2",
        "001-12",
        "protocol section 2",
    ],
)
def test_an_insiders_code_is_recognised(text: str) -> None:
    assert INSIDERS.search(text)


@pytest.mark.parametrize("text", ["RFC 8030 section 5.4", "invariant 8", "2024-10-05", "msg-001-a", "the seed of a random run"])
def test_what_anybody_can_look_up_is_none(text: str) -> None:
    assert not INSIDERS.search(text)
