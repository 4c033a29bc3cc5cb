"""The official npm client's side of the sync protocol, without a socket: a model that enforces what Convex's clients enforce.

Frames to send are collected in `outbox`; messages come in through `receive`. Whatever breaks a rule of Convex's clients
raises `Broken`, which names the rule. The real client would hang, show a write twice, or reject a value; a test must see it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LARGEST_POST = 128 * 1024
LOG_LINE = re.compile(r"^\[(LOG|DEBUG|INFO|WARN|ERROR)\] ", re.DOTALL)
_ABSENT = object()


class Broken(AssertionError):
    """The server broke a rule that clients rely on."""


def ts_of(text: str) -> int:
    """A timestamp from the wire."""
    raw = base64.b64decode(text, validate=True)
    if len(raw) != 8:
        raise Broken(f"a ts of {len(raw)} bytes")
    return int.from_bytes(raw, "little")


def ts_text(ts: int) -> str:
    """A timestamp for the wire."""
    return base64.b64encode(ts.to_bytes(8, "little")).decode()


@dataclass(frozen=True)
class Version:
    """A state version as the client holds it."""

    query_set: int = 0
    identity: int = 0
    ts: int = 0

    @classmethod
    def of(cls, wire: dict[str, Any]) -> Version:
        """From the wire."""
        return cls(wire["querySet"], wire["identity"], ts_of(wire["ts"]))


@dataclass
class Result:
    """What a query came to: a value, or an error (with data only if the function threw a ConvexError)."""

    value: Any = None
    error: str | None = None
    data: Any = _ABSENT

    @property
    def has_data(self) -> bool:
        """Whether it is a ConvexError."""
        return self.data is not _ABSENT


@dataclass
class Query:
    """A live query."""

    id: int
    path: str
    args: dict[str, Any]
    added_in: int = 0
    journal: str | None = None
    shown: Result | None = None
    """What the screen shows; outlives a reconnect."""

    @property
    def key(self) -> str:
        """Equal for equal queries."""
        return f"{self.path} {json.dumps(self.args, sort_keys=True)}"


@dataclass
class Request:
    """A mutation or action."""

    id: int
    kind: str
    path: str
    args: dict[str, Any]
    first_connection: int
    """The count of the connection on which it was first sent."""
    state: str = "requested"
    """requested · completed (a success that waits for its Transition) · resolved · failed."""
    ts: int = 0
    result: Any = None
    error: Result | None = None

    @property
    def settled(self) -> bool:
        """Whether its promise is."""
        return self.state in ("resolved", "failed")


@dataclass
class Client:
    """One client object (one tab). `open` begins a connection, `closed` ends it."""

    session: str
    token: str | None = None
    on_value: Callable[[Query], None] = lambda query: None
    """Called when a query's value was replaced."""
    on_settled: Callable[[Request], None] = lambda request: None
    """Called when a promise settles, after the Transition's values were taken in."""
    outbox: list[str] = field(default_factory=list)
    queries: dict[int, Query] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    """What this connection has told."""
    version: Version = Version()
    connections: int = 0
    connected: bool = False
    observed: int = 0
    received: list[str] = field(default_factory=list)
    """The types of this connection's messages, in order."""
    auth_errors: list[dict[str, Any]] = field(default_factory=list)
    close_reason: str = "InitialConnect"
    _query_set: int = 0
    _identity: int = 0
    _next_query: int = 0
    _next_request: int = 0
    _answered: set[int] = field(default_factory=set)
    _ever: set[int] = field(default_factory=set)

    # The connection ------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """The socket opened: Connect, Authenticate, the whole query set, then what is in flight."""
        self.version, self.results, self.received = Version(), {}, []
        self._answered, self._ever = set(), set(self.queries)
        self._query_set = self._identity = 0
        self.connected = True
        connect: dict[str, Any] = {
            "type": "Connect",
            "sessionId": self.session,
            "connectionCount": self.connections,
            "lastCloseReason": self.close_reason,
            "clientTs": 0,
        }
        if self.observed:
            connect["maxObservedTimestamp"] = ts_text(self.observed)
        self.connections += 1
        self._send(connect)
        if self.token is not None:
            self.authenticate(self.token)
        self._modify([self._add(query) for query in self.queries.values()])
        for request in self.requests.values():
            if request.kind == "Mutation" and not request.settled:
                self._send(self._call(request))  # also those completed: they wait for a Transition past their ts
            elif request.kind == "Action" and not request.settled:
                self._settle(request, "failed", Result(error="Connection lost while action was in flight"))

    def closed(self, reason: str = "closed with code 1000") -> None:
        """The socket is gone."""
        self.connected, self.close_reason = False, reason
        self.outbox.clear()

    # What a user does ----------------------------------------------------------------------------------------------------

    def subscribe(self, path: str, args: dict[str, Any] | None = None) -> int:
        """Begin a live query; returns its id."""
        query = Query(self._next_query, path, args or {})
        self._next_query += 1
        self.queries[query.id] = query
        if self.connected:
            self._ever.add(query.id)
            self._modify([self._add(query)])
        return query.id

    def unsubscribe(self, query_id: int) -> None:
        """End a live query."""
        del self.queries[query_id]
        self.results.pop(query_id, None)
        if self.connected:
            self._modify([{"type": "Remove", "queryId": query_id}])

    def mutate(self, path: str, args: dict[str, Any] | None = None) -> Request:
        """Call a mutation."""
        return self._request("Mutation", path, args or {})

    def act(self, path: str, args: dict[str, Any] | None = None) -> Request:
        """Call an action."""
        return self._request("Action", path, args or {})

    def authenticate(self, token: str | None) -> None:
        """Become somebody else, or nobody."""
        self.token = token
        if self.connected:
            who = {"tokenType": "None"} if token is None else {"tokenType": "User", "value": token}
            self._send({"type": "Authenticate", "baseVersion": self._identity, **who})
            self._identity += 1

    def value(self, query_id: int) -> Any:
        """What a query shows; fails when that is an error or nothing."""
        result = self.results[query_id]
        assert result.error is None, result.error
        return result.value

    @property
    def waiting(self) -> list[Request]:
        """Calls whose promise is open."""
        return [request for request in self.requests.values() if not request.settled]

    @property
    def in_step(self) -> bool:
        """Whether the server has confirmed everything that was sent about queries and identity."""
        return self.connected and self.version.query_set == self._query_set and self.version.identity == self._identity

    # Messages ------------------------------------------------------------------------------------------------------------

    def receive(self, text: str) -> None:
        """Take in one message. Raises `Broken`."""
        if len(text.encode()) > LARGEST_POST:
            raise Broken(f"a message of {len(text.encode())} bytes")
        message = json.loads(text, parse_constant=_no_constant)
        if not self.connected:
            raise Broken("a message on a closed connection")
        if self.auth_errors and self.auth_errors[-1]["connection"] == self.connections:
            raise Broken(f"{message['type']} after AuthError: the connection must be closed")
        self.received.append(message["type"])
        match message["type"]:
            case "Transition":
                self._transition(message)
            case "MutationResponse":
                self._answer("Mutation", message)
            case "ActionResponse":
                self._answer("Action", message)
            case "AuthError":
                assert isinstance(message["error"], str)
                assert isinstance(message["authUpdateAttempted"], bool)
                if message["baseVersion"] + 1 < self._identity and not message["authUpdateAttempted"]:
                    raise Broken("a stale AuthError: the client ignores it and would wait for ever")
                self.auth_errors.append({**message, "connection": self.connections})
            case "Ping":
                assert message == {"type": "Ping"}
            case other:
                raise Broken(f"{other}: {text[:200]}")

    def _transition(self, message: dict[str, Any]) -> None:
        start, end = Version.of(message["startVersion"]), Version.of(message["endVersion"])
        if start != self.version:
            raise Broken(f"invalid start version {start}, the client is at {self.version}")
        if end.query_set < start.query_set or end.identity < start.identity or end.ts < start.ts:
            raise Broken(f"a Transition goes backwards: {start} to {end}")
        if end.query_set > self._query_set or end.identity > self._identity:
            raise Broken(f"a Transition to {end}, but the client has only said {self._query_set}, {self._identity}")
        changed = [self._modification(each) for each in message["modifications"]]
        self.version = end
        self.observed = max(self.observed, end.ts)
        for updated in changed:
            if updated is not None:
                self.on_value(updated)
        for request in self.requests.values():
            if request.state == "completed" and end.ts >= request.ts:
                self._settle(request, "resolved", None)

    def _modification(self, wire: dict[str, Any]) -> Query | None:
        query_id = wire["queryId"]
        if query_id not in self._ever:
            raise Broken(f"{wire['type']} for query {query_id}, which this connection never had")
        if wire["type"] == "QueryRemoved":
            if query_id in self.queries:
                raise Broken(f"QueryRemoved for the live query {query_id}")
            return None
        _check_logs(wire)
        if wire["journal"] is not None and not isinstance(wire["journal"], str):
            raise Broken("a journal is a string or null")
        query = self.queries.get(query_id)
        if wire["type"] == "QueryUpdated":
            result = Result(wire["value"])
        elif wire["type"] == "QueryFailed":
            result = _failure(wire, "errorMessage")
        else:
            raise Broken(wire["type"])
        if query is None:
            return None
        query.journal = wire["journal"]
        self.results[query_id] = query.shown = result
        return query

    def _answer(self, kind: str, wire: dict[str, Any]) -> None:
        number = wire["requestId"]
        request = self.requests.get(number)
        if request is None or request.kind != kind:
            raise Broken(f"{kind}Response to a request that was never made: {number}")
        _check_logs(wire)
        if number in self._answered:
            raise Broken(f"request {number} is answered twice on one connection (Rust clients reconnect)")
        self._answered.add(number)
        if wire["success"] is True:
            self._success(request, wire)
        elif request.state != "requested":
            raise Broken(f"request {number} failed after it had succeeded")
        else:
            self._settle(request, "failed", _failure(wire, "result"))

    def _success(self, request: Request, wire: dict[str, Any]) -> None:
        if "errorData" in wire or "result" not in wire:
            raise Broken("a success with errorData, or without a result")
        if request.kind == "Action":
            if "ts" in wire:
                raise Broken("an ActionResponse has no ts")
            request.result = wire["result"]
            self._settle(request, "resolved", None)
            return
        ts = ts_of(wire["ts"])
        if ts <= self.version.ts:
            raise Broken(f"the answer to {request.id} (ts {ts}) comes after a Transition to {self.version.ts}")
        if self.version.query_set == 0 and self._query_set == 0:
            raise Broken("a success before the first ModifyQuerySet was even sent")
        self.observed = max(self.observed, ts)
        if request.state == "requested":  # npm ignores a second answer, and keeps waiting for the first one's ts
            request.state, request.ts, request.result = "completed", ts, wire["result"]

    def _settle(self, request: Request, state: str, error: Result | None) -> None:
        request.state, request.error = state, error
        self.on_settled(request)

    # Frames --------------------------------------------------------------------------------------------------------------

    def _send(self, frame: dict[str, Any]) -> None:
        self.outbox.append(json.dumps(frame))

    def _request(self, kind: str, path: str, args: dict[str, Any]) -> Request:
        request = Request(self._next_request, kind, path, args, self.connections)
        self._next_request += 1
        self.requests[request.id] = request
        if self.connected:
            self._send(self._call(request))
        else:
            request.first_connection += 1
        return request

    @staticmethod
    def _call(request: Request) -> dict[str, Any]:
        return {"type": request.kind, "requestId": request.id, "udfPath": request.path, "args": [request.args]}

    def _add(self, query: Query) -> dict[str, Any]:
        query.added_in = self._query_set + 1
        added = {"type": "Add", "queryId": query.id, "udfPath": query.path, "args": [query.args]}
        return {**added, "journal": query.journal} if query.shown is not None else added

    def _modify(self, modifications: list[dict[str, Any]]) -> None:
        base = self._query_set
        self._query_set += 1
        self._send({"type": "ModifyQuerySet", "baseVersion": base, "newVersion": base + 1, "modifications": modifications})


def _failure(wire: dict[str, Any], key: str) -> Result:
    if not isinstance(wire[key], str):
        raise Broken(f"{key} is a string")
    return Result(error=wire[key], data=wire.get("errorData", _ABSENT))


def _check_logs(wire: dict[str, Any]) -> None:
    lines = wire["logLines"]
    if not isinstance(lines, list) or not all(isinstance(line, str) and LOG_LINE.match(line) for line in lines):
        raise Broken(f"logLines: {lines!r}")


def _no_constant(name: str) -> None:
    raise Broken(f"{name} is not JSON")
