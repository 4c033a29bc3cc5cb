"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_S, LONGEST_S = 1.0, 30.0


def pauses(first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> Iterator[float]:
    """Pauses in seconds without end: each is drawn from the upper half of a span that doubles until it is the longest."""
    span = first_s
    while True:
        yield random.uniform(span / 2, span)
        span = min(longest_s, span * 2)
