"""An endpoint in OpenAI's style: `POST {"input": [texts], "model", "dimensions"}` brings `{"data": [{"index", "embedding"}]}`.

Source: OpenAI, "Create embeddings" (https://platform.openai.com/docs/api-reference/embeddings); many servers speak it, also ones
on one's own machine. The operator names the address, so no list of hosts is asked.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from chalicelib.data.errors import EmbedderFailed
from chalicelib.embedders.vectors import cut, unit

AT_ONCE = 64
"""Texts in one request."""
TIMEOUT_S = 30.0


class Remote:
    """An endpoint.

    Args:
        url: where to post to.
        model: what to ask for; empty: the server knows.
        key: sent as `Authorization: Bearer`, or what reads it when something is asked; None: nothing is sent.
        dimensions: how many numbers a vector must have.
    """

    def __init__(self, url: str, model: str, key: str | Callable[[], str | None] | None, dimensions: int) -> None:
        self._url, self._model, self._key = urlsplit(url), model, key
        self.dimensions = dimensions
        self.name = f"{model or self._url.hostname}-{dimensions}"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length one for each text, in order. Raises `EmbedderFailed`."""
        found: list[list[float]] = []
        for start in range(0, len(texts), AT_ONCE):
            part = [cut(text) for text in texts[start : start + AT_ONCE]]
            rows = self._asked(part)
            if len(rows) != len(part):
                raise EmbedderFailed(f"the embedder answered {len(part)} texts with {len(rows)} vectors")
            found += [unit(row["embedding"], self.dimensions) for row in sorted(rows, key=lambda row: int(row["index"]))]
        return found

    def _asked(self, texts: list[str]) -> list[dict[str, Any]]:
        body = {"input": texts, "dimensions": self.dimensions, "encoding_format": "float"}
        said = json.dumps(body | ({"model": self._model} if self._model else {}))
        key = self._key() if callable(self._key) else self._key
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        secure = self._url.scheme == "https"
        where = (self._url.hostname or "", self._url.port or (443 if secure else 80))
        connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(*where, timeout=TIMEOUT_S)
        try:
            path = f"{self._url.path or '/'}{'?' if self._url.query else ''}{self._url.query}"
            connection.request("POST", path, said, headers)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status != 200:
                raise EmbedderFailed(f"the embedder answered {answer.status}: {data[:200].decode(errors='replace')}")
            rows: list[dict[str, Any]] = json.loads(data)["data"]
            return rows
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise EmbedderFailed(f"the embedder did not answer: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
