"""What a mutation came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.data.reads import Touched
from chalicelib.data.receipts import from_row
from chalicelib.data.store import Item
from chalicelib.live.session import Answer, fitted


@dataclass(frozen=True)
class Called:
    """The answer of a mutation that has run, and what its commit has touched."""

    answer: Answer
    commit: str = ""
    """The id of its commits row; empty: it has not committed."""
    touched: Sequence[Touched] = ()


def committed(number: int, commit: Item) -> tuple[Answer, list[Touched]]:
    """The answer that a `commits` row holds, and what it has touched."""
    receipt = from_row(commit)
    return fitted(Answer(number, "Mutation", receipt.result, None, tuple(receipt.log_lines))), receipt.touched
