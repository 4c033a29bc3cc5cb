"""Words hashed into signed buckets ("feature hashing", Weinberger et al., ICML 2009): no model, no download, the same everywhere.

It knows words, not meanings: texts are near when they share words, or three letters in a row of them. For tests, and where
nothing else can be installed.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence

from chalicelib.words import indexed_words

_PART = 0.3
"""What three letters of a word weigh beside the word."""


class Hashing:
    """Hashed words.

    Args:
        dimensions: how many buckets.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.name = f"hashing-{dimensions}"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length one for each text. A text without a word points in a direction of its own."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> list[float]:
        buckets = [0.0] * self.dimensions
        for word, often in (Counter(indexed_words(text)) or {"": 1}).items():
            for part, weight in _parts(word):
                digest = int.from_bytes(hashlib.blake2b(part.encode(), digest_size=8).digest(), "big")
                buckets[digest % self.dimensions] += (1 if digest >> 63 else -1) * weight * math.sqrt(often)
        length = math.hypot(*buckets)
        if length == 0:  # everything cancelled out: as if nothing had been said
            return [1.0, *[0.0] * (self.dimensions - 1)]
        return [each / length for each in buckets]


def _parts(word: str) -> Iterator[tuple[str, float]]:
    yield word, 1.0
    edged = f"<{word}>"
    for at in range(len(edged) - 2):
        yield f"#{edged[at : at + 3]}", _PART
