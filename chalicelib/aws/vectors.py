"""Vectors kept in Amazon S3 Vectors, for partitions that are too large to compare in a function (`VECTORS=s3:<bucket>`).

One index of the bucket for each index of a table and number of dimensions, made when its first vectors come. A vector's key is a
digest of its partition and document; partition and filters are metadata that the service filters by before it ranks. What it
answers is a hint: whoever asks looks at the documents.
Sources: "Working with S3 Vectors" in the Amazon S3 user guide: 500 vectors a request, 100 results a query, a vector of an array
matches `$eq` when one entry does, and a write is seen by the next query.
"""

from __future__ import annotations

import hashlib
import importlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from chalicelib.data.errors import StoreFailed

AT_ONCE, MOST_RESULTS = 500, 100


class S3Vectors:
    """The service, as `data/capabilities.py` asks of it.

    Args:
        bucket: the vector bucket; it must exist.
        prefix: goes before the names of indexes, as TABLE_PREFIX goes before those of tables.
        client: makes the client when it is first needed; None: boto3's `s3vectors`.
    """

    def __init__(self, bucket: str, prefix: str = "", client: Callable[[], Any] | None = None) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._make = client or _boto3
        self._made: Any = None

    def put(self, address: str, vectors: Mapping[str, Sequence[Any]]) -> None:
        """Keep vectors by their documents' names: packed bytes and filters. Raises `StoreFailed`."""
        sizes = {len(bytes(data)) // 4 for data, _ in vectors.values()}
        for size in sizes:
            rows = [
                {
                    "key": _key(address, name),
                    "data": {"float32": array("f", bytes(data)).tolist()},
                    "metadata": {"a": _digest(address), "n": name, **({"f": list(filters)} if filters else {})},
                }
                for name, (data, filters) in vectors.items()
                if len(bytes(data)) // 4 == size
            ]
            for start in range(0, len(rows), AT_ONCE):
                self._put(self._index(address, size), size, rows[start : start + AT_ONCE])

    def remove(self, address: str, names: Sequence[str]) -> None:
        """Forget these, whatever dimensions they had. Raises `StoreFailed`."""
        if not names:
            return
        keys = [_key(address, name) for name in names]
        with self._told():
            pages = self._client.get_paginator("list_indexes").paginate(vectorBucketName=self._bucket, prefix=self._base(address))
            indexes = [each["indexName"] for page in pages for each in page["indexes"]]
            for index in indexes:
                for start in range(0, len(keys), AT_ONCE):
                    part = keys[start : start + AT_ONCE]
                    self._client.delete_vectors(vectorBucketName=self._bucket, indexName=index, keys=part)

    def nearest(self, address: str, vector: bytes, limit: int, filters: Sequence[str]) -> list[tuple[str, float]]:
        """The nearest of a partition that have all of these filters, at most 100, best first. Raises `StoreFailed`."""
        rules: list[dict[str, Any]] = [{"a": {"$eq": _digest(address)}}, *({"f": {"$eq": each}} for each in filters)]
        with self._told():
            try:
                found = self._client.query_vectors(
                    vectorBucketName=self._bucket,
                    indexName=self._index(address, len(vector) // 4),
                    topK=min(limit, MOST_RESULTS),
                    queryVector={"float32": array("f", vector).tolist()},
                    filter={"$and": rules} if len(rules) > 1 else rules[0],
                    returnMetadata=True,
                    returnDistance=True,
                )
            except self._client.exceptions.NotFoundException:
                return []
        return [(each["metadata"]["n"], 1 - float(each["distance"])) for each in found["vectors"]]

    # Inside -----------------------------------------------------------------------------------------------------------

    def _put(self, index: str, size: int, rows: list[dict[str, Any]]) -> None:
        with self._told():
            try:
                self._client.put_vectors(vectorBucketName=self._bucket, indexName=index, vectors=rows)
            except self._client.exceptions.NotFoundException:
                self._create(index, size)
                self._client.put_vectors(vectorBucketName=self._bucket, indexName=index, vectors=rows)

    def _create(self, index: str, size: int) -> None:
        try:
            self._client.create_index(
                vectorBucketName=self._bucket,
                indexName=index,
                dataType="float32",
                dimension=size,
                distanceMetric="cosine",
                metadataConfiguration={"nonFilterableMetadataKeys": ["n"]},
            )
        except self._client.exceptions.ConflictException:
            return  # another process has made it meanwhile

    def _base(self, address: str) -> str:
        """How the names of a table's index begin: letters, digits and `-`, and a digest of what it is really called."""
        name = address.split("|")[1]
        plain = "".join(each if each.isalnum() else "-" for each in f"{self._prefix}{name}".lower())[:40].strip("-")
        return f"{plain}-{hashlib.sha256(f'{self._prefix}{name}'.encode()).hexdigest()[:10]}-"

    def _index(self, address: str, size: int) -> str:
        return f"{self._base(address)}{size}"

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made

    @contextmanager
    def _told(self) -> Iterator[None]:
        errors = importlib.import_module("botocore.exceptions")
        try:
            yield
        except (errors.BotoCoreError, errors.ClientError) as error:
            raise StoreFailed(f"S3 Vectors did not answer: {error}") from error


def service_of(vectors: str, prefix: str) -> S3Vectors | None:
    """The service that a setting VECTORS names; None: vectors stay in the store's rows."""
    return S3Vectors(vectors.removeprefix("s3:"), prefix) if vectors.startswith("s3:") else None


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:32]


def _key(address: str, name: str) -> str:
    return hashlib.sha256(f"{address}\x1f{name}".encode()).hexdigest()


def _boto3() -> Any:
    return importlib.import_module("boto3").client("s3vectors")
