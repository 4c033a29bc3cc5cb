"""What every embedder asks of texts and answers."""

from __future__ import annotations

import math
from typing import Any

from chalicelib.data.errors import EmbedderFailed

MOST_CHARACTERS = 20_000
"""What a model is given of a text: some 5,000 tokens, within the 8,192 that models take."""


def cut(text: str) -> str:
    """A text as a model takes it: neither too long nor empty."""
    return text[:MOST_CHARACTERS].strip() or "."


def unit(vector: Any, dimensions: int) -> list[float]:
    """A vector at length one. Raises `EmbedderFailed` for one that is none, or has another number of dimensions."""
    if not isinstance(vector, list) or len(vector) != dimensions:
        told = len(vector) if isinstance(vector, list) else type(vector).__name__
        raise EmbedderFailed(f"the embedder answered a vector of {told} dimensions; EMBEDDER_DIMENSIONS is {dimensions}")
    if not all(type(part) in (int, float) and math.isfinite(part) for part in vector):
        raise EmbedderFailed("the embedder answered a vector with a part that is no number")
    length = math.hypot(*vector)
    if length == 0:
        raise EmbedderFailed("the embedder answered a vector without a direction")
    return [part / length for part in vector]
