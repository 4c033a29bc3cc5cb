"""How an error reaches a client: a message, and data where a rule of the domain spoke."""

from __future__ import annotations

import secrets
import traceback
from dataclasses import dataclass
from typing import Any

from chalicelib.data.errors import BadRequest, Conflict, Refused


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


def describe(error: Exception, *, development: bool) -> FunctionError:
    """The client's view of an exception. Outside development a fault of ours shows only its request id."""
    head = f"[Request ID: {secrets.token_hex(8)}] Server Error"
    if isinstance(error, Refused):
        return FunctionError(f"{head}\nUncaught ConvexError: {error.message}", error.data, True, error.tag, error.message)
    if isinstance(error, BadRequest):
        return FunctionError(f"{head}\n{error.message}", tag=error.tag, detail=error.message)
    if isinstance(error, Conflict):
        text = (
            f'Documents read from or written to the "{error.table}" table changed while this mutation was being run and '
            "on every subsequent retry. Write to fewer shared documents, or try again."
        )
        return FunctionError(f"{head}\n{text}", tag="OptimisticConcurrencyControlFailure", detail=text)
    where = place(error)
    detail = f"Uncaught {type(error).__name__}: {error}\n    at {where}"
    return FunctionError(f"{head}\n{detail}" if development else head, tag="InternalServerError", detail=detail, ours=True)


def place(error: BaseException) -> str:
    """file:line of where an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else "unknown place"
