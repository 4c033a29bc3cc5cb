"""What a query came to, as the executor gives it to those who tell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.data.reads import ReadSet
from chalicelib.live.messages import Failure


@dataclass
class Refusal:
    """A query that is not run: the value of a limit. It watches nothing, so it stays until the client asks anew."""

    failure: Failure | None
    journal: str | None = None
    ok: bool = False
    text: str = "null"
    log_lines: list[str] = field(default_factory=list)
    reads: ReadSet = field(default_factory=ReadSet)
    private: bool = True


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
