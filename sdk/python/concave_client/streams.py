"""Remembering an answer while it is still being said, and what becomes of it when it breaks off.

Every few pieces what has come is kept under the turn's key, as a `partial` memory that nobody finds. When all has come, the turn
is remembered and the partial memory is gone. Where the stream fails, `on_failure` says what happens:

* `store-partial`: what came stays kept; `get_part` has it, and the same key goes on.
* `rollback`: nothing is kept.
* `retry`: the stream is made anew, up to three times in all, then as `store-partial`. Give a function that makes it.
* `best-effort`: what came is remembered, and no error is raised.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Iterable
from typing import Any, get_args

from concave_client import calls_memory as calls
from concave_client.calls import Call
from concave_client.errors import CortexError, ValidationError
from concave_client.models_memory import Memory, OnFailure, Remembered

TRIES = 3


class StreamFailed(CortexError):
    """A stream broke off. `text` is what came of it; `key` is the turn's, under which it may have been kept."""

    def __init__(self, key: str, text: str, why: BaseException) -> None:
        super().__init__(f"the stream broke off after {len(text)} characters: {why}")
        self.key, self.text = key, text


class Plan:
    """One turn that comes in pieces: what has come, and which calls keep it. Nothing here does I/O."""

    def __init__(self, stream: Any, key: str | None, every: int, on_failure: OnFailure, turn: dict[str, Any]) -> None:
        if on_failure not in get_args(OnFailure):
            raise ValidationError("INVALID_FORMAT", f"on_failure is one of {', '.join(get_args(OnFailure))}", "onFailure")
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValidationError("INVALID_RANGE", "every is a whole number from 1", "every")
        if on_failure == "retry" and not callable(stream):
            raise ValidationError("INVALID_STREAM", "to retry, give a function that makes the stream", "stream")
        self.stream, self.every, self.on_failure, self.turn = stream, every, on_failure, turn
        self.key = key or secrets.token_hex(12)
        self.text, self.pieces, self.tries = "", 0, 0
        calls.remember(agent_response="x", key=self.key, **turn)  # whether the rest can be used is told before the first piece

    def begin(self) -> Any:
        """The stream, from its beginning."""
        self.text, self.pieces, self.tries = "", 0, self.tries + 1
        found = self.stream() if callable(self.stream) else self.stream
        if isinstance(found, (str, bytes)) or not isinstance(found, (Iterable, AsyncIterable)):
            raise ValidationError("INVALID_STREAM", "stream is an iterable of strings, or a function that makes one", "stream")
        return found

    def take(self, piece: Any) -> Call[Memory] | None:
        """A piece has come. Returns the call that keeps what came, when it is time for one."""
        if not isinstance(piece, str):
            raise ValidationError("INVALID_STREAM", f"a piece is a string, not {type(piece).__name__}", "stream")
        self.text += piece
        self.pieces += 1
        return self.kept() if self.pieces % self.every == 0 and self.text.strip() else None

    def kept(self) -> Call[Memory]:
        """The call that keeps what came."""
        return calls.remember_part(self.turn["space"], self.key, self.text, **self._who)

    def dropped(self) -> Call[bool]:
        """The call that takes it away."""
        return calls.drop_part(self.turn["space"], self.key, **self._who)

    def whole(self) -> Call[Remembered]:
        """The call that remembers it all."""
        if not self.text.strip():
            raise ValidationError("INVALID_STREAM", "nothing came of the stream", "stream")
        return calls.remember(agent_response=self.text, key=self.key, **self.turn)

    @property
    def again(self) -> bool:
        """Whether a stream that failed is made anew."""
        return self.on_failure == "retry" and self.tries < TRIES

    @property
    def _who(self) -> dict[str, Any]:
        return {"user_id": self.turn.get("user_id"), "agent_id": self.turn.get("agent_id")}
