"""Under which names the built-in chat stands in a deployment: its documented ones, or, with CHAT_MOUNT, names of its own.

With `CHAT_MOUNT=chat` its functions are `chat/tasks:create` on the wire and its tables `chat_tasks` in the store, so that an app
may have a module and a table `tasks` beside them. Choose it before the first deployment: tables of other names are other tables.
The names that code says (`rooms:send`, a job that waits) go on to mean the built-in functions where the app has no such name.
"""

from __future__ import annotations

import os

MOUNT = os.environ.get("CHAT_MOUNT", "").strip()
"""The mount of this process; empty: none."""
PACKAGE = "chalicelib."
ENGINE = ("chalicelib.data.", "chalicelib.live.", "chalicelib.runtime.")
WAY_OUT = "Set CHAT_MOUNT=chat: then the built-in chat's functions are chat/… and its tables chat_…; or rename yours"


def of_the_chat(module: str) -> bool:
    """Whether a module is a part of the built-in chat."""
    return module.startswith(PACKAGE) and not module.startswith(ENGINE)


def table(name: str, module: str) -> str:
    """The name in the store of a table that a module declares."""
    return f"{MOUNT}_{name}" if MOUNT and of_the_chat(module) else name


def path(name: str) -> str:
    """The path on the wire of a built-in function or module."""
    return f"{MOUNT}/{name}" if MOUNT and not name.startswith(f"{MOUNT}/") else name
