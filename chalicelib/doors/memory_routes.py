"""REST for memories and memory: rows of `routes.py`. A space is a part of the path."""

from __future__ import annotations

from chalicelib.doors.route import Route


def _row(method: str, tail: str, function: str, **more: object) -> Route:
    return Route(method, f"/spaces/{{space}}/memories{tail}", f"memories:{function}", "memories", **more)  # type: ignore[arg-type]


def _memory(method: str, tail: str, function: str, **more: object) -> Route:
    return Route(method, f"/spaces/{{space}}{tail}", f"memory:{function}", "memory", **more)  # type: ignore[arg-type]


NO_MEMORY = ("MEMORY_NOT_FOUND", "Memory not found")
NO_VERSION = ("VERSION_NOT_FOUND", "Version not found")
NO_RECEIPT = ("RECEIPT_NOT_FOUND", "Receipt not found")
ONE = "/{memoryId}"

MEMORY = [
    _row("GET", "", "list"),
    _row("POST", "", "store", status=201),
    _row("GET", "/count", "count"),
    _row("GET", "/export", "export", result="bare"),
    _row("POST", "/search", "search"),
    _row("POST", "/update", "updateMany"),
    _row("POST", "/delete", "deleteMany"),
    _row("GET", ONE, "get", missing=NO_MEMORY),
    _row("PATCH", ONE, "update"),
    _row("DELETE", ONE, "delete"),
    _row("POST", f"{ONE}/archive", "archive"),
    _row("POST", f"{ONE}/restore", "restoreFromArchive"),
    _row("GET", f"{ONE}/versions", "getHistory"),
    _row("GET", f"{ONE}/versions/{{version}}", "getVersion", missing=NO_VERSION),
    _row("GET", f"{ONE}/at", "getAtTimestamp", missing=NO_VERSION),
    _memory("POST", "/remember", "remember", status=201),
    _memory("POST", "/recall", "recall"),
    _memory("GET", "/parts/{key}", "getPart", missing=NO_MEMORY),
    _memory("PUT", "/parts/{key}", "rememberPart"),
    _memory("DELETE", "/parts/{key}", "dropPart"),
    _memory("GET", "/recollections/{memoryId}", "get", missing=NO_MEMORY),
    _memory("POST", "/recollections/{memoryId}/forget", "forget"),
    _memory("GET", "/facts", "listFacts"),
    _memory("POST", "/facts", "storeFact", status=201),
    _memory("GET", "/facts/count", "countFacts"),
    _memory("GET", "/facts/{factId}", "getFact", missing=("FACT_NOT_FOUND", "Fact not found")),
    _memory("DELETE", "/facts/{factId}", "deleteFact"),
    _memory("GET", "/facts/{factId}/history", "getFactHistory"),
    _memory("GET", "/retention", "getRetention", missing=("RETENTION_NOT_FOUND", "Kept for ever")),
    _memory("PUT", "/retention", "setRetention"),
    Route("POST", "/spaces/erase", "memory:erase", "memory"),
    Route("GET", "/spaces/erasures/{receiptId}", "memory:getErasure", "memory", missing=NO_RECEIPT),
]
