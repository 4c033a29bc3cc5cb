"""A server on this machine that speaks as much of Amazon S3 Vectors as is used here: real requests of boto3, real answers."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "vectors"


class S3VectorsServer(ThreadingHTTPServer):
    """The server. `indexes` are the vectors by index and key; `fails`, when set, is answered to everything."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.indexes: dict[str, dict[str, dict[str, Any]]] = {}
        self.sizes: dict[str, int] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.fails = False

    def client(self) -> Any:
        """A real client of boto3 for it."""
        import boto3
        from botocore.config import Config

        url = f"http://127.0.0.1:{self.server_address[1]}"
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "eu-central-1"}
        return boto3.client("s3vectors", endpoint_url=url, config=Config(retries={"max_attempts": 0}), **keys)

    def answer(self, verb: str, body: dict[str, Any]) -> tuple[int, str, dict[str, Any]]:
        """Status, the name of an error, and what is said."""
        self.asked.append((verb, body))
        if self.fails:
            return 503, "ServiceUnavailableException", {"message": "later"}
        if body.get("vectorBucketName") != BUCKET:
            return 404, "NotFoundException", {"message": "there is no such bucket"}
        if verb == "ListIndexes":
            found = [{"indexName": name} for name in sorted(self.indexes) if name.startswith(body.get("prefix", ""))]
            return 200, "", {"indexes": [each | {"vectorBucketName": BUCKET, "creationTime": 0} for each in found]}
        name = body["indexName"]
        if verb == "CreateIndex":
            if name in self.indexes:
                return 409, "ConflictException", {"message": "it is there already"}
            self.indexes[name], self.sizes[name] = {}, body["dimension"]
            return 200, "", {}
        if name not in self.indexes:
            return 404, "NotFoundException", {"message": "there is no such index"}
        return 200, "", getattr(self, f"_{verb}")(name, body)

    def _PutVectors(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        assert 1 <= len(body["vectors"]) <= 500
        for each in body["vectors"]:
            assert len(each["data"]["float32"]) == self.sizes[name]
            self.indexes[name][each["key"]] = each
        return {}

    def _DeleteVectors(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        for key in body["keys"]:
            self.indexes[name].pop(key, None)
        return {}

    def _QueryVectors(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        assert 1 <= body["topK"] <= 100
        wanted = body["queryVector"]["float32"]
        fit = [each for each in self.indexes[name].values() if _fits(each["metadata"], body["filter"])]
        near = sorted((1 - _cosine(each["data"]["float32"], wanted), each["key"]) for each in fit)[: body["topK"]]
        rows = [{"key": key, "distance": distance, "metadata": self.indexes[name][key]["metadata"]} for distance, key in near]
        return {"vectors": rows, "distanceMetric": "cosine"}


def _fits(metadata: dict[str, Any], rule: dict[str, Any]) -> bool:
    if "$and" in rule:
        return all(_fits(metadata, each) for each in rule["$and"])
    ((name, how),) = rule.items()
    value = metadata.get(name)
    return how["$eq"] in value if isinstance(value, list) else how["$eq"] == value


def _cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


class _Handler(BaseHTTPRequestHandler):
    server: S3VectorsServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, error, said = self.server.answer(self.path.strip("/"), body)
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@contextmanager
def serving() -> Iterator[S3VectorsServer]:
    """A server, as long as the context is open."""
    server = S3VectorsServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
