"""What a call came to: its value or its error, its log lines, and for a query what it read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chalicelib.data import values
from chalicelib.data.reads import ReadSet
from chalicelib.data.receipts import Receipt
from chalicelib.runtime.errors import FunctionError


@dataclass
class Outcome:
    """What a call came to. `text` is the encoded value as JSON; `value` is the same as Python values."""

    ok: bool
    text: str = "null"
    error: FunctionError | None = None
    log_lines: list[str] = field(default_factory=list)
    receipt: Receipt | None = None
    runs: int = 1

    @property
    def value(self) -> Any:
        """The result as Python values."""
        return values.loads(self.text)


@dataclass
class Evaluation(Outcome):
    """A query's outcome with what it read: enough to keep it true."""

    raised: Exception | None = None
    """What the function raised; `error` is how a client hears of it."""
    reads: ReadSet = field(default_factory=ReadSet)
    number: int | None = None
    """The last commit that it has seen, where the store shows one instant."""
    looked: bool = False
    journal: str | None = None
