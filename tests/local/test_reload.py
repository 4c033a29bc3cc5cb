"""Reload on save: fresh code with the same parts, and the old code when the new one is broken."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.reload import KEPT, Reloader

PACKAGE = "reloaded_by_a_test"


class Project:
    """A user's package on disk, loaded as the local server loads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / PACKAGE
        self.folder.mkdir()
        self.write("__init__", "")
        self.served: Any = None
        self.loaded = threading.Semaphore(0)
        self.reloader = Reloader([PACKAGE], self.load)

    def write(self, module: str, text: str) -> Path:
        path = self.folder / f"{module}.py"
        path.write_text(text)
        return path

    def load(self) -> None:
        self.served = importlib.import_module(f"{PACKAGE}.counter")
        self.loaded.release()

    def answer(self) -> Any:
        return self.served.answer()


@pytest.fixture
def project(tmp_path, monkeypatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = dict(sys.modules)
    made = Project(tmp_path)
    made.write("counter", "def answer(): return 1")
    made.load()
    yield made
    made.reloader.stop()
    for name in set(sys.modules) - set(before):
        if name.partition(".")[0] == PACKAGE:
            del sys.modules[name]
    sys.modules.update(before)


def test_a_saved_file_is_served_even_if_size_and_second_of_the_file_are_the_same(project):
    assert project.answer() == 1
    path = project.write("counter", "def answer(): return 2")
    assert project.reloader.reload([path])
    assert project.answer() == 2


def test_a_helper_module_that_was_saved_is_fresh_too(project):
    project.write("helper", "value = 1")
    path = project.write("counter", f"from {PACKAGE} import helper\ndef answer(): return helper.value")
    assert project.reloader.reload([path])
    assert project.reloader.reload([project.write("helper", "value = 2")])
    assert project.answer() == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("def answer(: return 2", "counter.py:1: SyntaxError"),
        ("x = 1\nimport no_such_module", "counter.py:2: ModuleNotFoundError"),
        ("def make():\n    raise ValueError('wrong')\n\nmake()", "counter.py:2: ValueError: wrong"),
        ("import sys\n\nsys.exit('enough')", "counter.py:3: SystemExit: enough"),
        ("raise KeyboardInterrupt", "counter.py:1: KeyboardInterrupt"),
    ],
)
def test_a_broken_file_is_reported_with_its_line_and_the_old_code_stays(project, caplog, text, place):
    caplog.set_level(logging.INFO, logger="concave")
    old = sys.modules[f"{PACKAGE}.counter"]
    path = project.write("counter", text)
    assert project.reloader.reload([path]) is False
    assert project.answer() == 1
    assert sys.modules[f"{PACKAGE}.counter"] is old
    assert place in caplog.text
    assert project.reloader.reload([project.write("counter", "def answer(): return 3")])
    assert project.answer() == 3


def test_a_module_that_was_removed_breaks_its_importer_and_nothing_else(project):
    project.write("helper", "value = 1")
    assert project.reloader.reload([project.write("counter", f"from {PACKAGE} import helper\ndef answer(): return helper.value")])
    (project.folder / "helper.py").unlink()
    assert project.reloader.reload([project.folder / "helper.py"]) is False
    assert project.answer() == 1


def test_the_modules_that_the_parts_are_made_of_are_never_exchanged(project):
    before = {kept: importlib.import_module(kept) for kept in KEPT}
    assert project.reloader.reload([project.write("counter", "def answer(): return 2")])
    assert {name: sys.modules[name] for name in before} == before


def test_the_apps_own_modules_are_exchanged(project):
    import chalicelib.doors.cors as before

    project.write("counter", "import chalicelib.doors.cors\ndef answer(): return chalicelib.doors.cors")
    assert project.reloader.reload([project.folder / "counter.py"])
    assert project.answer() is not before


def test_a_save_is_noticed_also_one_from_before_the_watch_began(project):
    project.loaded.acquire()
    project.write("counter", "def answer(): return 'before the watch'")
    project.reloader.watch()
    assert project.loaded.acquire(timeout=10)
    assert project.answer() == "before the watch"
    project.write("counter", "def answer(): return 5")
    assert project.loaded.acquire(timeout=10)
    assert project.answer() == 5


def test_a_look_reloads_only_if_something_was_saved(project):
    loads: list[bool] = []
    project.reloader = Reloader([PACKAGE], lambda: loads.append(True))
    project.reloader.look()
    assert loads == []
    project.write("other", "x = 1")
    project.reloader.look()
    project.reloader.look()
    assert loads == [True]
    (project.folder / "other.py").unlink()
    project.reloader.look()
    assert loads == [True, True]


def test_what_the_old_code_has_not_used_yet_works_while_the_new_is_imported(project):
    """msgspec looks up a struct's annotations at its first use, in the module of its name."""
    struct = "from __future__ import annotations\nfrom typing import Any\nimport msgspec\n"
    struct += "class Box(msgspec.Struct):\n    content: Any = None\n"
    project.write("counter", struct + "def answer(): return msgspec.convert({'content': 1}, Box).content")
    assert project.reloader.reload([project.folder / "counter.py"])
    old, found = project.served, []
    meanwhile = "import sys\nsys.meanwhile()\ndef answer(): return 2"
    sys.meanwhile = lambda: found.append(old.answer())  # type: ignore[attr-defined]
    try:
        assert project.reloader.reload([project.write("counter", meanwhile)])
    finally:
        del sys.meanwhile  # type: ignore[attr-defined]
    assert (found, project.answer()) == ([1], 2)
