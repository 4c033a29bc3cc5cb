"""What a worker's process is started with, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from concave_worker.agents.history import History
from concave_worker.sessions import Make


class Exit(IntEnum):
    """How a process of this package ends."""

    OK = 0
    ERROR = 1
    USAGE = 2
    REVOKED = 3
    REPLACED = 4


@dataclass(frozen=True)
class Setup:
    """What a process is started with.

    `agents` are told to the backend: [{kind, version?}], the first answers sessions that name none.
    """

    url: str
    secret: Callable[[], str]
    make: Make
    directories: Sequence[Path]
    agents: Sequence[dict[str, str]]
    parallel: int = 4
    histories: Callable[[], Sequence[History]] | None = None
    """Makes the programs whose sessions are brought together with the chat's; None: that is not done."""
