"""The words of Convex's sync protocol, and nothing else: frames in, messages out.

Unknown keys are ignored, unknown types refused. Outgoing messages are built as JSON text, because query values are
already encoded when they get here and are not parsed again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

import msgspec

from chalicelib.data.json_text import problem

LARGEST_POST = 128 * 1024
"""API Gateway takes no larger message to a client."""
SPLIT_AT = 110 * 1024
"""Where a Transition is split: room for its frame."""
LARGEST_LOGS = 16 * 1024
"""Bytes of log lines in one message. They are a courtesy; an answer must arrive."""
LARGEST_ERROR = 16 * 1024
"""Bytes of an error's sentence in one message; its data may fill the rest."""
FRAME_BYTES = 1024
"""More than everything in a message that is neither value, nor error, nor log line."""
PING = '{"type":"Ping"}'

U32 = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
"""Versions, query ids and request ids (the Rust clients hold them in 32 bits)."""
Number = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
"""A request id as it is stored: a door that numbers frames itself has more room than a client."""
SessionId = Annotated[str, msgspec.Meta(max_length=128)]
"""Becomes a part of a key."""


UNREADABLE = "$unreadable"
"""In the place of arguments that could not be read: an object of one field, the sentence that says why."""


class BadFrame(Exception):
    """A frame that cannot be read, or that no Convex client sends."""


class Add(msgspec.Struct, tag="Add", rename="camel"):
    """Subscribe to a query."""

    query_id: U32
    udf_path: str
    args: Any = ()
    """Whatever was sent: wrong arguments fail the query, not the connection."""
    journal: Annotated[str, msgspec.Meta(max_length=8192)] | None = None
    component_path: str | None = None


class Remove(msgspec.Struct, tag="Remove", rename="camel"):
    """Unsubscribe."""

    query_id: U32


class Connect(msgspec.Struct, tag="Connect", rename="camel"):
    """The first frame of most connections; it can be missing."""

    session_id: SessionId
    connection_count: int | None = None
    """How many connections the session has had before; None of a client that does not count."""
    last_close_reason: str | None = None
    max_observed_timestamp: str | None = None
    client_ts: float = 0


class ModifyQuerySet(msgspec.Struct, tag="ModifyQuerySet", rename="camel"):
    """Change the set of live queries from one version to the next."""

    base_version: U32
    new_version: U32
    modifications: list[Add | Remove]


class Mutation(msgspec.Struct, tag="Mutation", rename="camel"):
    """Call a mutation; answered once, before the Transition that shows its effect."""

    request_id: Number
    udf_path: str
    args: Any = ()
    component_path: str | None = None


class Action(msgspec.Struct, tag="Action", rename="camel"):
    """Call an action."""

    request_id: Number
    udf_path: str
    args: Any = ()
    component_path: str | None = None


class Authenticate(msgspec.Struct, tag="Authenticate", rename="camel"):
    """Change the connection's identity from one version to the next."""

    base_version: U32
    token_type: Literal["User", "Admin", "None"]
    value: str | None = None
    impersonating: Any = None
    """As whom an operator (`Admin`) acts."""


class Event(msgspec.Struct, tag="Event", rename="camel"):
    """Telemetry; ignored."""

    event_type: str = ""


Frame = Connect | ModifyQuerySet | Mutation | Action | Authenticate | Event
_decoder: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)
_change_decoder: msgspec.json.Decoder[Add | Remove] = msgspec.json.Decoder(Add | Remove)


def read_frame(body: str) -> Frame:
    """A client's frame. Raises `BadFrame`."""
    if wrong := problem(body):
        raise BadFrame(wrong)
    frame = stored_frame(body)
    if isinstance(frame, Mutation | Action) and frame.request_id >= 2**32:
        raise BadFrame("a request id has 32 bits")
    return frame


def stored_frame(body: str) -> Frame:
    """A frame as a door has stored it. Raises `BadFrame`."""
    frame: Frame = _read(body, _decoder, Frame)
    return frame


def read_change(text: str) -> dict[str, Any]:
    """One modification of a query set, as JSON values. Raises `BadFrame`."""
    change: dict[str, Any] = msgspec.to_builtins(_read(text, _change_decoder, Add | Remove))
    return change


def _read(text: str, decoder: msgspec.json.Decoder[Any], wanted: Any) -> Any:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise BadFrame(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        if "\\u" not in text:
            raise BadFrame(str(error)) from error
    # JavaScript may send half of a surrogate pair, which msgspec does not read. Such a value fails its call; closing the
    # connection for it would make the client send it again, for ever.
    try:
        return msgspec.convert(json.loads(text, parse_constant=_no_constant), wanted)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise BadFrame(str(error)) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def path_of(call: Add | Mutation | Action) -> str:
    """The path of the function that a frame calls. One inside a component names nothing here."""
    return f"({call.component_path})/{call.udf_path}" if call.component_path else call.udf_path


def args_of(call: Add | Mutation | Action) -> str:
    """The arguments of a call as sent, as JSON text; equal arguments have equal text."""
    return json.dumps(call.args, sort_keys=True)


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


class Version(NamedTuple):
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


def fitting(failure: Failure) -> Failure:
    """A failure that fits a message: its sentence may be cut, and data that is too large is left out, which it then says."""
    message, data = failure.message, failure.data
    while len(json.dumps(message)) > LARGEST_ERROR:
        message = f"{message[: len(message) // 2]} …"
    if data is not None and len(data.encode()) > LARGEST_POST - LARGEST_ERROR - LARGEST_LOGS - FRAME_BYTES:
        said = f"(The error's data, {len(data.encode())} bytes, was left out: a message holds {LARGEST_POST}.)"
        message, data = f"{message[: LARGEST_ERROR // 8]}\n{said}", None
    return Failure(message, data)


def too_many(code: str, what: str, most: int) -> Failure:
    """The failure of a query beyond a limit of its connection, as a rule's refusal is told (Convex's `ConvexError`)."""
    said = f"A connection holds {most} {what}; close what is not shown, or ask over another connection."
    return Failure(f"Uncaught ConvexError: {said}", json.dumps({"code": code, "message": said}))


def too_large(size: int, kind: str, way_out: str) -> Failure:
    """The failure that stands for a value which fits no message."""
    return Failure(
        "[Request ID: 0000000000000000] Server Error\n"
        f"ResultTooLarge: a {kind}'s value of {size} bytes; a message holds {LARGEST_POST}. {way_out}"
    )


def _failure(failure: Failure, key: str) -> str:
    failure = fitting(failure)
    data = "" if failure.data is None else f',"errorData":{failure.data}'
    return f'"{key}":{json.dumps(failure.message)}{data}'


def fitting_lines(lines: Sequence[str]) -> list[str]:
    """As many log lines as fit a message beside its value."""
    kept: list[str] = []
    room = LARGEST_LOGS
    for number, line in enumerate(lines):
        room -= len(json.dumps(line)) + 1
        if room < 0:
            return [*kept, f"[WARN] '{len(lines) - number} further lines did not fit a message.'"]
        kept.append(line)
    return kept


def _logs(lines: Sequence[str]) -> str:
    return json.dumps(fitting_lines(lines))


def query_updated(query_id: int, value: str, log_lines: Sequence[str], journal: str | None) -> str:
    """A modification: a query's new value (JSON text). One that fits no message is a failure that says so."""
    for lines in (log_lines, ()):
        tail = f'"logLines":{_logs(lines)},"journal":{json.dumps(journal)}}}'
        text = f'{{"type":"QueryUpdated","queryId":{query_id},"value":{value},{tail}'
        if len(text.encode()) <= LARGEST_POST - FRAME_BYTES:
            return text
    return query_failed(query_id, too_large(len(value.encode()), "query", "Return a page."), (), journal)


def query_failed(query_id: int, failure: Failure, log_lines: Sequence[str], journal: str | None) -> str:
    """A modification: a query that now fails."""
    return (
        f'{{"type":"QueryFailed","queryId":{query_id},{_failure(failure, "errorMessage")},'
        f'"logLines":{_logs(log_lines)},"journal":{json.dumps(journal)}}}'
    )


def query_removed(query_id: int) -> str:
    """A modification: a query that is no longer in the set."""
    return f'{{"type":"QueryRemoved","queryId":{query_id}}}'


def transitions(start: Version, end: Version, modifications: list[str]) -> Sequence[str]:
    """One logical Transition as messages that each fit a post: all but the last end where they start."""
    return _transitions(start, end, tuple(modifications))


@lru_cache(maxsize=1)  # a thousand sockets that stand at the same version are told the same
def _transitions(start: Version, end: Version, modifications: tuple[str, ...]) -> tuple[str, ...]:
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
    return tuple(
        f'{{"type":"Transition","startVersion":{start.text()},"endVersion":{until.text()},"modifications":[{",".join(part)}]}}'
        for part, until in zip(parts, ends, strict=True)
    )


def answer_fits(result: str) -> bool:
    """Whether a result can be told at all; no client takes an answer in parts."""
    return len(result.encode()) <= LARGEST_POST - LARGEST_LOGS - FRAME_BYTES


def mutation_response(request_id: int, result: str, ts: int, log_lines: Sequence[str]) -> str:
    """The answer of a mutation that committed."""
    head = f'{{"type":"MutationResponse","requestId":{request_id},"success":true,"result":{result},"ts":"{write_ts(ts)}",'
    return f'{head}"logLines":{_logs(log_lines)}}}'


def failed_response(kind: Literal["Mutation", "Action"], request_id: int, failure: Failure, log_lines: Sequence[str]) -> str:
    """The answer of a mutation or action that failed; resolves at once."""
    ts = '"ts":null,' if kind == "Mutation" else ""
    head = f'{{"type":"{kind}Response","requestId":{request_id},"success":false,{ts}{_failure(failure, "result")}'
    return f'{head},"logLines":{_logs(log_lines)}}}'


def action_response(request_id: int, result: str, log_lines: Sequence[str]) -> str:
    """The answer of an action."""
    return f'{{"type":"ActionResponse","requestId":{request_id},"success":true,"result":{result},"logLines":{_logs(log_lines)}}}'


def auth_error(error: str, base_version: int, attempted: bool) -> str:
    """The token was refused, or is over. The server must close the connection after this message."""
    flag = "true" if attempted else "false"
    return f'{{"type":"AuthError","error":{json.dumps(error)},"baseVersion":{base_version},"authUpdateAttempted":{flag}}}'


def fatal_error(error: str) -> str:
    """The end of this client, for ever. Only for frames that can never succeed."""
    return f'{{"type":"FatalError","error":{json.dumps(error)}}}'
