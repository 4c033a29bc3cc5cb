"""Between a frame and a call: arguments and caller on the way in, value and failure on the way out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chalicelib.data import values
from chalicelib.data.errors import BadRequest
from chalicelib.data.json_text import whole, whole_value
from chalicelib.data.reads import ReadSet
from chalicelib.live import messages
from chalicelib.live.messages import Failure
from chalicelib.runtime import validate
from chalicelib.runtime.contexts import caller_of
from chalicelib.runtime.errors import FunctionError
from chalicelib.runtime.identity import User


@dataclass
class LiveValue:
    """A query's value as a turn needs it."""

    ok: bool
    text: str
    log_lines: list[str]
    reads: ReadSet
    journal: str | None
    failure: Failure | None
    private: bool


def own_key(user: User | None, key: str) -> str:
    """An idempotency key that is this caller's: another user of the org who guesses a session id gets no answer of theirs."""
    return key if user is None else f"{key}:{values.digest(user.token_identifier)[:16]}"


def as_failure(error: FunctionError) -> Failure:
    """An error as a message carries it: whole text (half a surrogate pair is U+FFFD), and its data where that is a value."""
    message, data = whole(error.message), None
    if error.has_data:
        try:
            data = values.dumps(values.encode(whole_value(error.data)))
        except BadRequest as unsayable:
            message += f"\n(The error's data was left out: {unsayable.message})"
    return Failure(message, data)


def arguments(wire: Any) -> dict[str, Any]:
    """A frame's arguments as values. Raises `BadRequest`."""
    if isinstance(wire, dict) and isinstance(wire.get(messages.UNREADABLE), str):
        raise BadRequest(wire[messages.UNREADABLE], "BadFrame")
    decoded: dict[str, Any] = values.decode(validate.one_object(wire))
    return decoded


def user_of(stored: str | None) -> User | None:
    """A stored identity (JSON text) as the user that it was; None is nobody."""
    return User.from_json(json.loads(stored)) if stored else None


def sharing(stored: str | None) -> str:
    """Whose live values a connection shares: its org's; an operator's are his own, and end with his key."""
    caller = caller_of(user_of(stored))
    return f"{caller.org}|{caller.user.operator_name}" if caller.user is not None and caller.role else caller.org
