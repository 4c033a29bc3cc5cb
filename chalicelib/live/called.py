"""What a mutation came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.data.reads import Touched
from chalicelib.live.session import Answer


@dataclass(frozen=True)
class Called:
    """The answer of a mutation that has run, and what its commit has touched."""

    answer: Answer
    commit: str = ""
    """The id of its commits row; empty: it has not committed."""
    touched: Sequence[Touched] = ()
