"""No circle among the files of web/src. Import statements are read as text, so this needs no Node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

SOURCES = Path(__file__).parent.parent / "web" / "src"
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']*)["']""")


def imports(folder: Path) -> dict[str, set[str]]:
    """The files of a folder and below, each with those that it imports; types and imports on demand count too."""
    files = {path.relative_to(folder).as_posix() for ending in ("ts", "tsx") for path in folder.rglob(f"*.{ending}")}
    found = {}
    for name in files:
        directory = (folder / name).parent
        targets = {(directory / each).resolve() for each in IMPORT.findall((folder / name).read_text(encoding="utf-8"))}
        known = {path.relative_to(folder.resolve()).as_posix() for path in targets if path.is_relative_to(folder.resolve())}
        candidates = {each + ending for each in known for ending in ("", ".ts", ".tsx", "/index.ts", "/index.tsx")}
        found[name] = candidates & files
    return found


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The names of one circle, the first one again at its end; empty when there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for each in sorted(graph.get(name, ())):
            if found := walk(each, [*path, name]):
                return found
        done.add(name)
        return []

    return next(filter(None, (walk(name, []) for name in sorted(graph))), [])


def test_the_files_of_the_page_import_each_other_in_no_circle() -> None:
    graph = imports(SOURCES)
    assert graph["main.tsx"] >= {"App.tsx"}, "the imports are found"
    assert circle(graph) == []


def test_a_circle_is_found_whatever_kind_of_import_makes_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "Form.tsx").write_text('import type {\n  View,\n} from "./List";\nimport "./style.css";')
    (tmp_path / "List.tsx").write_text('import { useState } from "react";\nexport * from "./lib/open";')
    (tmp_path / "lib" / "open.ts").write_text('const form = () => import("../Form");')
    (tmp_path / "App.tsx").write_text('import { List } from "./List";')
    assert circle(imports(tmp_path)) == ["List.tsx", "lib/open.ts", "Form.tsx", "List.tsx"]


def test_two_ways_to_one_file_are_no_circle() -> None:
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []
    assert circle({"a": {"b"}, "b": {"b"}}) == ["b", "b"]
