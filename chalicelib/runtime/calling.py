"""One call of a function: wire arguments in, the handler, its result as JSON text."""

from __future__ import annotations

from typing import Any

from chalicelib.data import values
from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.runtime import validate
from chalicelib.runtime.errors import WRONG_RESULT, Stopped, text_of
from chalicelib.runtime.registry import Function

LARGEST_RESULT = 350_000
"""Bytes of an encoded result: a `commits` row holds it, and a row holds 400 KB."""


def called(function: Function[..., Any], ctx: Any, args: dict[str, Any]) -> Any:
    """The result of a function. One that would end the process (`sys.exit()`) fails like any other: `Stopped`."""
    bound = validate.bind(function, args)
    try:
        return function.handler(ctx, **bound)
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        stopped = Stopped(f"the function raised {type(error).__name__}({text_of(error)})")
        raise stopped.with_traceback(error.__traceback__) from None


def encode(function: Function[..., Any], result: Any) -> str:
    """A result as JSON text. Raises `BadRequest` for one that is not what the function promised, or too large."""
    try:
        text = values.dumps(validate.check_return(function, result))
    except (BadRequest, RecursionError, UnicodeError) as error:
        if isinstance(error, BadRequest) and error.tag == WRONG_RESULT:
            raise
        why = "the result nests without end, or holds itself." if isinstance(error, RecursionError) else text_of(error)
        raise BadRequest(f"{WRONG_RESULT}: {why}", WRONG_RESULT) from error
    if len(text.encode()) > LARGEST_RESULT:
        raise LimitExceeded(
            f"{function.path} returned {len(text.encode())} bytes; a result holds {LARGEST_RESULT}. Return a page.",
            "ResultTooLarge",
        )
    return text
