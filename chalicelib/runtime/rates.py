"""Calls a second for each caller: token buckets, in the memory of this process.

A bucket holds `burst` tokens and gets `per_second` of them back every second; a call takes one. In the cloud each process
counts for itself, so a caller who is served by several gets as many times the rate: it bounds loops and floods, and is no
quota. What must hold exactly (tokens, documents) is counted in the store.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

KNOWN = 10_000
"""Callers that are remembered; whoever was not seen for longest is forgotten, and has a full bucket again."""
BURST_S = 5
"""A bucket holds so many seconds' tokens."""


@dataclass
class Buckets:
    """One bucket for each key.

    Args:
        per_second: tokens a second; 0 = no limit.
        now_ms: the clock.
    """

    per_second: int
    now_ms: Callable[[], int]
    _held: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: str) -> int:
        """Take a token. Returns 0, or after how many milliseconds there will be one."""
        if not self.per_second:
            return 0
        now, burst = self.now_ms(), float(self.per_second * BURST_S)
        with self._lock:
            left, at = self._held.pop(key, (burst, now))
            left = min(burst, left + max(0, now - at) * self.per_second / 1000)
            taken = left >= 1
            self._held[key] = (left - 1 if taken else left, now)
            if len(self._held) > KNOWN:
                self._held.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - left) * 1000 / self.per_second))
