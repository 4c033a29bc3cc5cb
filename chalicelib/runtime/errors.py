"""How an error reaches a client, and how a fault reaches the operator.

A client hears a message, and data where a rule of the domain spoke (Convex's `ConvexError`). Outside development a fault of ours
says nothing but its request id; the operator's log has one line under that id with path, org, exception and traceback.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from dataclasses import dataclass
from typing import Any

from chalicelib.data import trace, values
from chalicelib.data.errors import BadRequest, Conflict, Refused
from chalicelib.data.meters import measure
from chalicelib.data.plain import MAX_NESTING
from chalicelib.runtime.logs import Log, mend
from chalicelib.runtime.places import place

logger = logging.getLogger("concave.fault")
WRONG_RESULT = "ReturnsValidationError"


@dataclass(frozen=True)
class FunctionError:
    """An error as clients see it. `has_data` tells a ConvexError apart: `data` may itself be None."""

    message: str
    data: Any = None
    has_data: bool = False
    tag: str = ""
    detail: str = ""
    """For the developer's terminal: what happened, and where (file:line)."""
    ours: bool = False
    """True when nobody refused anything: a fault of the function or of the backend."""


class Unspeakable(Exception):
    """Stands in a log for an exception whose text no log can hold (half a surrogate pair): its traceback, mended, as a text."""


class Stopped(Exception):
    """A function tried to end the process that runs it (`sys.exit()`, `KeyboardInterrupt`): a fault like any other."""


def describe(error: BaseException, *, development: bool, request: str = "") -> FunctionError:
    """The client's view of an exception. Outside development a fault of ours shows only its request id."""
    head = f"[Request ID: {request or secrets.token_hex(8)}] Server Error"
    if isinstance(error, Refused) and (data := _sendable(error.data)) is not None:
        message = mend(error.message)
        return FunctionError(f"{head}\nUncaught ConvexError: {message}", data[0], True, error.tag, message)
    if isinstance(error, BadRequest):
        message = mend(error.message)
        return FunctionError(f"{head}\n{message}", tag=error.tag, detail=message)
    if isinstance(error, Conflict):
        text = (
            f'Documents read from or written to the "{error.table}" table changed while this mutation was being run and '
            "on every subsequent retry. Write to fewer shared documents, or try again."
        )
        return FunctionError(f"{head}\n{text}", tag="OptimisticConcurrencyControlFailure", detail=text)
    why = " (its data is no value, and cannot be told)" if isinstance(error, Refused) else ""
    detail = f"Uncaught {type(error).__name__}: {text_of(error)}{why}\n    at {place(error)}"
    return FunctionError(f"{head}\n{detail}" if development else head, tag="InternalServerError", detail=detail, ours=True)


def report(error: BaseException, log: Log, *, development: bool, kind: str = "function") -> FunctionError:
    """The client's view of an exception, under the call's request id; a fault of ours goes to the operator's log, once.

    Args:
        log: of the call: whose path, org and request id the line names.
        kind: what failed: "query", "job", "sweep" …
    """
    told = describe(error, development=development, request=log.request)
    if (told.ours or told.tag == WRONG_RESULT) and not any(error is known for known in log.reported):
        log.reported.append(error)
        log.tell()  # what the function said before it failed stands before its fault
        measure("FunctionFaults", org=log.org, kind=kind.partition(" ")[0])
        about = {"path": log.path, "org": log.org, "request": log.request, "trace": trace.current()}
        logger.error("%s failed [Request ID: %s]", kind, log.request, extra=about, exc_info=_loggable(error))
    return told


def text_of(error: BaseException) -> str:
    """What an exception says; of one that cannot say it, its type."""
    try:
        return mend(str(error))
    except Exception as failed:  # noqa: BLE001 - `__str__` is the function's code, too
        return f"({type(error).__name__}.__str__ raised {type(failed).__name__})"


def _loggable(error: BaseException) -> BaseException:
    said = "".join(traceback.format_exception(error))
    return error if mend(said) == said else Unspeakable(mend(said)).with_traceback(error.__traceback__)


def _sendable(data: Any) -> tuple[Any] | None:
    """A refusal's data as a client can be told it, or None when it is no value of ours: then the refusal is a fault."""
    mended = _mended(data)
    try:
        values.dumps(values.encode(mended))
    except (BadRequest, RecursionError, UnicodeError, ValueError, TypeError):
        return None
    return (mended,)


def _mended(data: Any, depth: int = 0) -> Any:
    """Texts inside made sendable; what nests deeper than any value is left as it is, for the encoder to refuse."""
    match data:
        case str():
            return mend(data)
        case list() | tuple() if depth < MAX_NESTING:
            return [_mended(part, depth + 1) for part in data]
        case dict() if depth < MAX_NESTING:
            return {name if not isinstance(name, str) else mend(name): _mended(part, depth + 1) for name, part in data.items()}
    return data
