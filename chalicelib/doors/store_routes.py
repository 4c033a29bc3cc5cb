"""REST for the mutable and the immutable store: rows of `routes.py`. A space is a part of the path."""

from __future__ import annotations

from chalicelib.doors.route import Route

SPACE = "/spaces/{space}"
NO_KEY = ("MUTABLE_KEY_NOT_FOUND", "There is no such key in this namespace")
KEY = "/{namespace}/keys/{key}"
NO_ENTRY = ("IMMUTABLE_ENTRY_NOT_FOUND", "There is no record of this type and id")
NO_VERSION = ("VERSION_NOT_FOUND", "There is no such version")
ENTRY = "/{type}/entries/{id}"


def _mutable(method: str, tail: str, function: str, **more: object) -> Route:
    return Route(method, f"{SPACE}/mutable{tail}", f"mutable:{function}", "mutable", **more)  # type: ignore[arg-type]


def _immutable(method: str, tail: str, function: str, **more: object) -> Route:
    return Route(method, f"{SPACE}/immutable{tail}", f"immutable:{function}", "immutable", **more)  # type: ignore[arg-type]


STORES = [
    _mutable("POST", "", "transaction"),
    _mutable("GET", "/{namespace}/keys", "list"),
    _mutable("DELETE", "/{namespace}/keys", "purgeNamespace"),
    _mutable("GET", "/{namespace}/count", "count"),
    _mutable("POST", "/{namespace}/purge", "purgeMany"),
    _mutable("GET", KEY, "getRecord", missing=NO_KEY),
    _mutable("PUT", KEY, "set"),
    _mutable("PATCH", KEY, "update"),
    _mutable("DELETE", KEY, "delete"),
    _mutable("POST", f"{KEY}/increment", "increment"),
    _mutable("POST", f"{KEY}/decrement", "decrement"),
    _immutable("GET", "", "list"),
    _immutable("GET", "/count", "count"),
    _immutable("POST", "/search", "search"),
    _immutable("POST", "/purge", "purgeMany"),
    _immutable("GET", ENTRY, "get", missing=NO_ENTRY),
    _immutable("POST", ENTRY, "store", status=201),
    _immutable("DELETE", ENTRY, "purge"),
    _immutable("GET", f"{ENTRY}/versions", "getHistory"),
    _immutable("GET", f"{ENTRY}/versions/{{version}}", "getVersion", missing=NO_VERSION),
    _immutable("GET", f"{ENTRY}/at", "getAtTimestamp", missing=NO_VERSION),
    _immutable("POST", f"{ENTRY}/purge-versions", "purgeVersions"),
]
