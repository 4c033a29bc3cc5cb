"""Vectors as bytes, and how near they are: with numpy where it is installed, else in plain Python, to the same ranks."""

from __future__ import annotations

import heapq
import importlib
import importlib.util
import math
from array import array
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter, mul
from typing import Any


def packed(vector: Sequence[float]) -> bytes:
    """A vector at unit length, as float32 in the machine's order (little-endian wherever this runs)."""
    length = math.hypot(*vector)
    return array("f", [part / length for part in vector]).tobytes()


def unpacked(data: bytes) -> list[float]:
    """The numbers of a packed vector."""
    found = array("f")
    found.frombytes(data)
    return found.tolist()


@lru_cache(maxsize=1)
def numpy() -> Any:
    """numpy, imported when the first vectors are compared; None where it is not installed."""
    return importlib.import_module("numpy") if importlib.util.find_spec("numpy") else None


def matrix(rows: Sequence[bytes]) -> Any:
    """Packed vectors as what `likeness` compares: an array of rows, or the vectors one by one."""
    np = numpy()
    if np is None:
        return [array("f", unpacked(row)) for row in rows]
    return np.frombuffer(b"".join(rows), dtype=np.float32).reshape(len(rows), -1) if rows else np.empty((0, 0), np.float32)


def likeness(rows: Any, vector: bytes) -> Any:
    """The cosine of each row with a packed vector, from -1 to 1, in the order of the rows."""
    np = numpy()
    if np is None:
        wanted = array("f", unpacked(vector))
        return [sum(map(mul, row, wanted)) for row in rows]
    return rows @ np.frombuffer(vector, dtype=np.float32) if len(rows) else []


def chosen(scores: Any, among: Sequence[int]) -> Any:
    """The scores at some positions."""
    np = numpy()
    return [scores[at] for at in among] if np is None else scores[np.asarray(among)]


def joined(parts: Sequence[Any]) -> Any:
    """Scores one behind the other."""
    np = numpy()
    return [score for part in parts for score in part] if np is None or not parts else np.concatenate(parts)


def best(scores: Any, most: int) -> list[tuple[int, float]]:
    """The greatest of some scores, each with its position, in no order."""
    np = numpy()
    if np is None or len(scores) <= most:
        return heapq.nlargest(most, ((at, float(score)) for at, score in enumerate(scores)), key=itemgetter(1))
    return [(int(at), float(scores[at])) for at in np.argpartition(scores, -most)[-most:]]
