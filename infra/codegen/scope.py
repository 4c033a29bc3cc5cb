"""What belongs to an app: its modules, those of its own package that it imports, and the tables that are declared in them.

Only what the apps can see counts, not what else this process has imported, so the output is the same in every process.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

from chalicelib.data.tables import TABLES, Table

ENGINE = ("chalicelib.data", "chalicelib.runtime", "chalicelib.live", "chalicelib.doors", "chalicelib.aws", "chalicelib.llm")


def modules_of(apps: Sequence[str]) -> list[ModuleType]:
    """The modules of the apps and of their packages, by name. The apps are loaded already (`registry.load`)."""
    waiting = [name for name in sys.modules.copy() if any(name == app or name.startswith(f"{app}.") for app in apps)]
    roots = {app.partition(".")[0] for app in apps}
    found: dict[str, ModuleType] = {}
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in roots or name.startswith(ENGINE) or name not in sys.modules:
            continue
        found[name] = sys.modules[name]
        for value in list(vars(found[name]).values()):
            origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(origin, str):
                waiting.append(origin)
    return [found[name] for name in sorted(found)]


def tables_of(modules: Sequence[ModuleType]) -> list[type[Table]]:
    """The tables that these modules declare, by name."""
    names = {module.__name__ for module in modules}
    return [table for _, table in sorted(TABLES.items()) if table.__module__ in names]
