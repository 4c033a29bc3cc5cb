"""The words of Convex's sync protocol, and nothing else (protocol sections 2 to 4): frames in, messages out.

Unknown keys are ignored, unknown types refused. Outgoing messages are built as JSON text, because query values are
already encoded when they get here and are not parsed again.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

LARGEST_POST = 128 * 1024
"""API Gateway takes no larger message to a client."""
SPLIT_AT = 110 * 1024
"""Where a Transition is split: room for its frame and for wide characters."""
PING = '{"type":"Ping"}'


class BadFrame(Exception):
    """A frame that no Convex client sends. The connection is closed."""


class Add(msgspec.Struct, tag="Add", rename="camel"):
    """Subscribe to a query."""

    query_id: int
    udf_path: str
    args: list[Any]
    journal: str | None = None
    component_path: str | None = None


class Remove(msgspec.Struct, tag="Remove", rename="camel"):
    """Unsubscribe."""

    query_id: int


class Connect(msgspec.Struct, tag="Connect", rename="camel"):
    """The first frame of most connections; it can be missing (protocol section 3)."""

    session_id: str
    connection_count: int = 0
    last_close_reason: str | None = None
    max_observed_timestamp: str | None = None
    client_ts: float = 0


class ModifyQuerySet(msgspec.Struct, tag="ModifyQuerySet", rename="camel"):
    """Change the set of live queries from one version to the next."""

    base_version: int
    new_version: int
    modifications: list[Add | Remove]


class Mutation(msgspec.Struct, tag="Mutation", rename="camel"):
    """Call a mutation; answered once, before the Transition that shows its effect."""

    request_id: int
    udf_path: str
    args: list[Any]
    component_path: str | None = None


class Action(msgspec.Struct, tag="Action", rename="camel"):
    """Call an action."""

    request_id: int
    udf_path: str
    args: list[Any]
    component_path: str | None = None


class Authenticate(msgspec.Struct, tag="Authenticate", rename="camel"):
    """Change the connection's identity from one version to the next."""

    base_version: int
    token_type: Literal["User", "Admin", "None"]
    value: str | None = None


class Event(msgspec.Struct, tag="Event", rename="camel"):
    """Telemetry; ignored."""

    event_type: str = ""


Frame = Connect | ModifyQuerySet | Mutation | Action | Authenticate | Event
_decoder = msgspec.json.Decoder(Frame)


def read_frame(body: str) -> Frame:
    """A client's frame. Raises `BadFrame`."""
    try:
        return _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BadFrame(str(error)) from error


def write_ts(ts: int) -> str:
    """A timestamp on the wire: base64 of 8 little-endian bytes."""
    return base64.b64encode(ts.to_bytes(8, "little")).decode()


def read_ts(text: str) -> int:
    """A timestamp from the wire. Raises `BadFrame`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadFrame("maxObservedTimestamp is not base64") from error
    value = int.from_bytes(raw, "little")
    if len(raw) != 8 or value >= 2**63:
        raise BadFrame("maxObservedTimestamp is not a timestamp")
    return value


@dataclass(frozen=True, order=True)
class Version:
    """A state version: each Transition leads from one to the next without a gap."""

    query_set: int
    identity: int
    ts: int

    def text(self) -> str:
        """As JSON."""
        return f'{{"querySet":{self.query_set},"identity":{self.identity},"ts":"{write_ts(self.ts)}"}}'


@dataclass(frozen=True)
class Failure:
    """An error as a message carries it; `data` only when the function threw a ConvexError (JSON text)."""

    message: str
    data: str | None = None


def _failure(failure: Failure, key: str) -> str:
    data = "" if failure.data is None else f',"errorData":{failure.data}'
    return f'"{key}":{json.dumps(failure.message)}{data}'


def query_updated(query_id: int, value: str, log_lines: list[str], journal: str | None) -> str:
    """A modification: a query's new value (JSON text)."""
    return f'{{"type":"QueryUpdated","queryId":{query_id},"value":{value},"logLines":{json.dumps(log_lines)},"journal":{json.dumps(journal)}}}'


def query_failed(query_id: int, failure: Failure, log_lines: list[str], journal: str | None) -> str:
    """A modification: a query that now fails."""
    return (
        f'{{"type":"QueryFailed","queryId":{query_id},{_failure(failure, "errorMessage")},'
        f'"logLines":{json.dumps(log_lines)},"journal":{json.dumps(journal)}}}'
    )


def query_removed(query_id: int) -> str:
    """A modification: a query that is no longer in the set."""
    return f'{{"type":"QueryRemoved","queryId":{query_id}}}'


def transitions(start: Version, end: Version, modifications: list[str]) -> list[str]:
    """One logical Transition as messages that each fit a post: all but the last end where they start (protocol 4.1 rule 2)."""
    parts: list[list[str]] = [[]]
    size = 0
    for modification in modifications:
        weight = len(modification.encode())
        if size and size + weight > SPLIT_AT:
            parts.append([])
            size = 0
        parts[-1].append(modification)
        size += weight
    ends = [start] * (len(parts) - 1) + [end]
    return [
        f'{{"type":"Transition","startVersion":{start.text()},"endVersion":{until.text()},"modifications":[{",".join(part)}]}}'
        for part, until in zip(parts, ends, strict=True)
    ]


def mutation_response(request_id: int, result: str, ts: int, log_lines: list[str]) -> str:
    """The answer of a mutation that committed."""
    head = f'{{"type":"MutationResponse","requestId":{request_id},"success":true,"result":{result},"ts":"{write_ts(ts)}",'
    return f'{head}"logLines":{json.dumps(log_lines)}}}'


def failed_response(kind: Literal["Mutation", "Action"], request_id: int, failure: Failure, log_lines: list[str]) -> str:
    """The answer of a mutation or action that failed; resolves at once."""
    ts = '"ts":null,' if kind == "Mutation" else ""
    head = f'{{"type":"{kind}Response","requestId":{request_id},"success":false,{ts}{_failure(failure, "result")}'
    return f'{head},"logLines":{json.dumps(log_lines)}}}'


def action_response(request_id: int, result: str, log_lines: list[str]) -> str:
    """The answer of an action."""
    return f'{{"type":"ActionResponse","requestId":{request_id},"success":true,"result":{result},"logLines":{json.dumps(log_lines)}}}'


def auth_error(error: str, base_version: int, attempted: bool) -> str:
    """The token was refused, or is over. The server must close the connection after this message."""
    flag = "true" if attempted else "false"
    return f'{{"type":"AuthError","error":{json.dumps(error)},"baseVersion":{base_version},"authUpdateAttempted":{flag}}}'


def fatal_error(error: str) -> str:
    """The end of this client, for ever. Only for frames that can never succeed."""
    return f'{{"type":"FatalError","error":{json.dumps(error)}}}'
