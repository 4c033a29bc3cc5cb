"""What the pages name is there: files, links, settings, limits; and README stays a page that is read at once."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

import chalicelib.settings as settings
from tests.docs.pages import CHECKED, ROOT, WALKED, anchors, links, paths

TEXT = {name: (ROOT / name).read_text() for name in CHECKED}
ROOMS = [ROOT, ROOT / "chalicelib", ROOT / "chalicelib" / "domain", ROOT / "tests", ROOT / "web", ROOT / "docs"]
"""Where a path on a page may begin."""
LATER = ("web/dist", "backups/", "myapp/", "client/", "build/", ".concave/", "dist/")
"""Beginnings of what commands make."""


def missing_paths(text: str) -> list[str]:
    """Paths on a page that are not in the project."""
    return [each for each in paths(text) if not each.startswith(LATER) and not any(_there(room, each) for room in ROOMS)]


def _there(room: Path, named: str) -> bool:
    path, _, name = named.partition("::")
    found = list(room.glob(path.removesuffix("/"))) if "*" in path else [room / path]
    return any(one.exists() and (not name or re.search(rf"\b{name}\b", one.read_text()) is not None) for one in found)


def missing_links(page: str, text: str) -> list[str]:
    """Links of a page that lead nowhere; those to other sites are not followed."""
    wrong = []
    for link in links(text):
        target, _, heading = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = (ROOT / page).parent / target if target else ROOT / page
        if not file.exists() or (heading and heading not in anchors(file.read_text())):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", CHECKED)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    assert missing_paths(TEXT[page]) == []


@pytest.mark.parametrize("page", CHECKED)
def test_every_link_leads_somewhere(page: str) -> None:
    assert missing_links(page, TEXT[page]) == []


def test_what_is_not_there_is_noticed() -> None:
    text = "`chalicelib/nothing.py`, `data/commit.py::nothing_of_that_name`, `nowhere/`, `data/commit.py`"
    assert missing_paths(text) == ["chalicelib/nothing.py", "data/commit.py::nothing_of_that_name", "nowhere/"]
    text = "[a](none.md), [b](docs/README.md#none), [c](#none), [d](docs/README.md#the-documentation)"
    assert missing_links("README.md", text) == ["none.md", "docs/README.md#none", "#none"]


def test_readme_is_read_in_a_few_minutes() -> None:
    assert len(TEXT["README.md"].split()) <= 900


def test_every_page_is_in_the_index_and_in_readme() -> None:
    pages = [Path(name).name for name in WALKED if name.startswith("docs/") and name != "docs/README.md"]
    index = [link for link in links(TEXT["docs/README.md"]) if link in pages]
    assert sorted(index) == sorted(pages)
    assert [link for link in links(TEXT["README.md"]) if link.startswith("docs/") and link.endswith(".md")] == [
        f"docs/{name}" for name in index
    ]
    for page, following in pairwise(index):
        assert f"]({following})" in TEXT[f"docs/{page}"].rstrip().splitlines()[-1], f"{page} ends with a link to {following}"


@pytest.mark.parametrize("page", CHECKED)
def test_a_command_names_a_python_that_every_machine_has(page: str) -> None:
    """A machine may have `python3` alone; `.venv/bin/python` is there after `make`."""
    assert re.findall(r"(?<!-m)(?:^|[`=\s])(?:python|pip|pytest)\b.*", _typed(TEXT[page]), re.MULTILINE) == []


def _typed(text: str) -> str:
    return "\n".join([*re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), *re.findall(r"`[^`\n]+`", text)])


def _rows(text: str) -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| `?([A-Z][A-Z_]+(?:<NAME>)?)`? \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    return {name: (default, meaning) for name, default, meaning in rows}


def test_the_page_of_settings_says_what_the_settings_say() -> None:
    page, _, local = TEXT["docs/settings.md"].partition("## The local server")
    assert _rows(page) == _rows(settings.__doc__ or "")
    source = "".join(path.read_text() for path in (ROOT / "infra" / "local").rglob("*.py"))
    assert [name for name in _rows(local) if f'"{name}"' not in source] == []


def test_every_metric_is_named_where_operators_look() -> None:
    code = "".join(each.read_text() for each in (ROOT / "chalicelib").rglob("*.py"))
    told = (ROOT / "docs" / "operating.md").read_text()
    assert {name for name in re.findall(r'measure\("(\w+)"', code) if f"`{name}`" not in told} == set()
