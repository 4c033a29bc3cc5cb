"""What a query came to, as the executor gives it to those who tell it."""

from __future__ import annotations

from typing import Protocol

from chalicelib.data.reads import ReadSet
from chalicelib.live.messages import Failure


class Value(Protocol):
    """A query's value as the executor gives it."""

    ok: bool
    text: str
    log_lines: list[str]
    reads: ReadSet
    journal: str | None

    @property
    def failure(self) -> Failure | None: ...
    @property
    def private(self) -> bool: ...
