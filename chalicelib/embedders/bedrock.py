"""Amazon Bedrock: Titan Text Embeddings V2 and Cohere Embed, by InvokeModel.

Source: "Inference request parameters and response fields for foundation models" in the Amazon Bedrock user guide. boto3 is
imported when the first text is embedded.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.data.errors import EmbedderFailed
from chalicelib.embedders.vectors import cut, unit

COHERE_AT_ONCE = 96
"""Texts that Cohere's model takes in one request; Titan's takes one."""
MODELS = ("amazon.titan-embed-text-v2", "cohere.embed")
"""How the names begin of the models whose requests are known here; before them may stand a region group such as `eu.`."""


class Bedrock:
    """A model of Bedrock.

    Args:
        model: its id, such as `amazon.titan-embed-text-v2:0`.
        client: makes the client when it is first needed; None: boto3's `bedrock-runtime`.
    """

    def __init__(self, model: str, dimensions: int, client: Callable[[], Any] | None = None) -> None:
        self._model, self.dimensions = model, dimensions
        self._make = client or _boto3
        self._client: Any = None
        self.name = f"{model}-{dimensions}"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length one for each text, in order. Raises `EmbedderFailed`."""
        given = [cut(text) for text in texts]
        if "cohere." in self._model:
            found = [row for at in range(0, len(given), COHERE_AT_ONCE) for row in self._cohere(given[at : at + COHERE_AT_ONCE])]
        else:
            found = [self._titan(text) for text in given]
        if len(found) != len(given):
            raise EmbedderFailed(f"the embedder answered {len(given)} texts with {len(found)} vectors")
        return [unit(row, self.dimensions) for row in found]

    def _titan(self, text: str) -> Any:
        return self._invoked({"inputText": text, "dimensions": self.dimensions, "normalize": True}).get("embedding")

    def _cohere(self, texts: list[str]) -> list[Any]:
        body = {"texts": texts, "input_type": "search_document", "truncate": "END", "embedding_types": ["float"]}
        found = self._invoked(body if "v3" in self._model else {**body, "output_dimension": self.dimensions}).get(
            "embeddings", []
        )
        return list(found.get("float", []) if isinstance(found, dict) else found)

    def _invoked(self, body: dict[str, Any]) -> dict[str, Any]:
        errors = importlib.import_module("botocore.exceptions")
        if self._client is None:
            self._client = self._make()
        try:
            answer = self._client.invoke_model(modelId=self._model, body=json.dumps(body), contentType="application/json")
            found: dict[str, Any] = json.loads(answer["body"].read())
        except (errors.BotoCoreError, errors.ClientError, ValueError) as error:
            raise EmbedderFailed(f"Bedrock did not answer: {error}") from error
        return found


def _boto3() -> Any:
    return importlib.import_module("boto3").client("bedrock-runtime")
