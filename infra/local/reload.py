"""Reload on save: the app's modules are imported afresh while sockets, store, timers and pumps stay.

What stays are the *parts*: objects made of modules that are never reloaded (`KEPT`), because a fresh class would not be the
class of the objects that already exist. Everything else of `app`, `chalicelib`, `concave` and the packages of CONCAVE_APPS is
taken out of `sys.modules` and imported again; only when that has worked, and a backend could be built of it, do new invocations
get the new code. Otherwise the old modules are put back as they were, and the error is reported with file and line.
Invocations that run meanwhile finish on the code they began with.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from chalicelib.data.errors import SchemaRefused, WrongDeclaration
from infra.local.console import HOME, shorter

log = logging.getLogger("concave.reload")

KEPT = (
    "chalicelib.aws",
    "chalicelib.data.errors",
    "chalicelib.data.store",
    "chalicelib.data.trace",
    "chalicelib.live",
    "chalicelib.runtime.ports",
    "chalicelib.environment",
    "chalicelib.settings",
    "concave.cli",
)
"""The modules that the parts are made of: the ports, their errors, the adapters, the settings; and what keeps the sockets."""

LOOK_MS = 1000
"""Look at the files' dates at least this often."""


class Reloader:
    """Exchanges code.

    Args:
        packages: names of the packages of functions (CONCAVE_APPS).
        load: imports the app and builds its backend from the parts; raises if it is broken. Called with fresh modules.
    """

    def __init__(self, packages: Sequence[str], load: Callable[[], None]) -> None:
        self._roots = ("app", "chalicelib", "concave", *(name.partition(".")[0] for name in packages))
        self._load = load
        self._seen = self._dates()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def folders(self) -> list[Path]:
        """What is watched: every folder (or file) that one of the modules comes from."""
        found = {HOME / "app.py", HOME / "chalicelib"}
        for root in set(self._roots) - {"app", "chalicelib", "concave"}:
            spec = importlib.util.find_spec(root)
            found |= {Path(place) for place in (spec.submodule_search_locations or [spec.origin or ""])} if spec else set()
        return sorted(path for path in found if path.exists())

    def watch(self) -> None:
        """Begin to watch, in a thread of its own."""
        self._thread = threading.Thread(target=self._watch, name="reload", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(0.5)

    def _watch(self) -> None:
        """The system's events say when to look, and the files' dates what has changed: so a save is noticed also where
        events do not come (before the watch began, on some shared folders), only a moment later."""
        from watchfiles import PythonFilter, watch

        options: dict[str, Any] = {"debounce": 200, "step": 50, "rust_timeout": LOOK_MS, "yield_on_timeout": True}
        for _ in watch(*self.folders(), watch_filter=PythonFilter(), stop_event=self._stop, **options):
            self.look()

    def look(self) -> None:
        """Reload what was saved since the last look."""
        now = self._dates()
        changed = {Path(path) for path, _ in now.items() ^ self._seen.items()}
        self._seen = now
        if changed:
            self.reload(changed)

    def _dates(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for place in self.folders():
            for path in [str(place)] if place.is_file() else _modules(str(place)):
                try:
                    about = os.stat(path)  # by text: a path object of each of some hundred files costs twice its date
                except FileNotFoundError:  # an editor is replacing it: the next look sees the new one
                    continue
                found[path] = (about.st_mtime_ns, about.st_size)
        return found

    def reload(self, changed: Iterable[Path]) -> bool:
        """Exchange the code after these files changed. Returns False, and leaves the old code, if the new is broken."""
        changed = sorted({path.resolve() for path in changed})
        started = time.perf_counter()
        names = ", ".join(shorter(str(path)) for path in changed)
        old = self._take_out(resolved=True)
        try:
            for path in changed:
                _check(path)
            importlib.invalidate_caches()
            self._load()
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 (a module may raise anything; it is reported)
            self._take_out()
            sys.modules.update(old)
            log.error("%s is broken; the old code stays: %s", names, describe(error, changed))
            return False
        log.info("reloaded", extra={"path": names, "ms": (time.perf_counter() - started) * 1000})
        kept = [shorter(str(path)) for path in changed if _kept_file(path)]
        if kept:
            log.warning("%s takes effect when the server is started again", ", ".join(kept))
        return True

    def _take_out(self, *, resolved: bool = False) -> dict[str, ModuleType]:
        """Remove the app's modules from `sys.modules`, except the kept ones. Returns them.

        Args:
            resolved: they serve on: what their types mean must not be looked up when they are gone.
        """
        mine = {name: module for name, module in sys.modules.copy().items() if name.partition(".")[0] in self._roots}
        taken = {name: module for name, module in mine.items() if not _kept(name)}
        for module in list(taken.values()) if resolved else ():
            _resolve(module)
        for name in taken:
            del sys.modules[name]
        return taken


def _modules(folder: str) -> Iterator[str]:
    """The paths of the Python files below a folder. One that goes away meanwhile has none."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _modules(entry.path)
        elif entry.name.endswith(".py"):
            yield entry.path


def _resolve(module: ModuleType) -> None:
    """Have msgspec look up the annotations of a module's structs, which it else does at a struct's first use, by its module."""
    for each in list(vars(module).values()):
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == module.__name__:
            try:
                msgspec.json.Decoder(each)
            except (NameError, TypeError, ValueError) as error:
                log.debug("%s has no decoder: %s", each.__qualname__, error)  # and had none before: nothing is lost


def describe(error: BaseException, changed: Sequence[Path] = ()) -> str:
    """`file:line: Error: text`: the place in a changed file if the trace passes one, else where it was raised."""
    if isinstance(error, WrongDeclaration):
        file, _, line = error.place.rpartition(":")
        return f"{shorter(file)}:{line}: {error.sentence}" if file else str(error)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shorter(error.filename)}:{error.lineno}: {type(error).__name__}: {error.msg}"
    if isinstance(error, SchemaRefused):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if Path(frame.filename).resolve() in changed]
    place = (mine or list(frames))[-1]
    return f"{shorter(place.filename)}:{place.lineno}: {type(error).__name__}: {error}"


def _check(path: Path) -> None:
    """Compile a changed file, so that the usual mistake is found before anything is imported; forget its bytecode, whose
    date (in whole seconds) may be that of the new source too."""
    if path.suffix != ".py":
        return
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    if path.exists():
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def _kept(name: str) -> bool:
    return any(name == kept or name.startswith(f"{kept}.") for kept in KEPT)


def _kept_file(path: Path) -> bool:
    try:
        parts = path.with_suffix("").relative_to(HOME).parts
    except ValueError:  # a user's package
        return False
    return _kept(".".join(parts))
