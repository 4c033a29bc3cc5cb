"""`wordllama` (PyPI): a small static model that travels in its own package, so that nothing is downloaded when it runs.

The mean of its tokens' vectors, in numpy: some 0.1 ms a sentence, half a second to load, 80 MB of memory. English; for other
languages take another embedder. It is imported when the first text is embedded, and nowhere else.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalicelib.data.errors import EmbedderFailed

DIMENSIONS = 256
"""What the model in the package has."""


def installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("wordllama") is not None


class WordLlama:
    """The model of the package."""

    name = f"wordllama-{DIMENSIONS}"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length one for each text. Raises `EmbedderFailed` where the package is not installed."""
        model = self._loaded()
        found = model.embed([text or " " for text in texts], norm=True)
        made: list[list[float]] = found.astype(float).tolist()
        return [vector if any(vector) and all(part == part for part in vector) else _NOWHERE for vector in made]

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                if not installed():
                    raise EmbedderFailed("EMBEDDER=wordllama: the package wordllama is not installed")
                package = importlib.import_module("wordllama")
                self._model = package.WordLlama.load(cache_dir=str(Path(str(package.__file__)).parent))
            return self._model


_NOWHERE = [1.0, *[0.0] * (DIMENSIONS - 1)]
"""Where a text points that has no token."""
