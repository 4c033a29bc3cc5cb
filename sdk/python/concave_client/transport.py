"""The HTTP door: one POST a call, sync or async, repeated where that is safe.

A query may be asked again, and a mutation too, because it carries a key under which it takes effect once; an action is sent
once. What is repeated: no answer, 429, and 502 to 504, up to three times, after 0.2, 0.4 and 0.8 seconds or as long as the
backend says.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2

from concave_client.calls import Call
from concave_client.errors import ConversationError, CortexError

T = TypeVar("T")
Token = str | Callable[[], str] | None
TRIES = 4
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
AGAIN = (429, 502, 503, 504)


class _Attempt:
    """One call on its way: what to send, and what an answer means."""

    def __init__(self, call: Call[T], token: Token) -> None:
        self.call, self.tries = call, 0
        self.url = f"/api/{call.kind}"
        self.body = {"path": call.function, "format": "json", "args": call.wire}
        self.headers = {}
        bearer = token() if callable(token) else token
        if bearer is not None:
            self.headers["Authorization"] = f"Bearer {bearer}"
        if call.kind == "mutation" and bearer is not None:
            self.headers["Idempotency-Key"] = secrets.token_hex(16)

    def wait(self, answer: httpx2.Response | None) -> float | None:
        """How long to wait before the next try, in seconds; None: there is none."""
        self.tries += 1
        repeatable = self.call.kind == "query" or "Idempotency-Key" in self.headers
        if self.tries >= TRIES or not repeatable or (answer is not None and answer.status_code not in AGAIN):
            return None
        pause: float = FIRST_WAIT_S * 2 ** (self.tries - 1)
        asked: str = "" if answer is None else answer.headers.get("retry-after", "")
        return min(LONGEST_WAIT_S, max(pause, float(asked) if asked.isdigit() else 0.0))

    def read(self, answer: httpx2.Response) -> Any:
        """The value in an answer. Raises what it says."""
        try:
            told = answer.json()
        except ValueError as error:
            raise CortexError(f"{answer.status_code}: the backend's answer is not JSON") from error
        if answer.status_code != 200:
            raise ConversationError(told.get("code", str(answer.status_code)), told.get("message", ""), data=told)
        if told.get("status") == "success":
            return told["value"]
        data = told.get("errorData")
        if isinstance(data, dict) and "code" in data:
            raise ConversationError(data["code"], data.get("message", ""), data.get("field"), data)
        raise CortexError(told.get("errorMessage", "the backend failed"))


class Transport:
    """Calls over HTTP, from any thread."""

    def __init__(self, url: str, token: Token, timeout_s: float) -> None:
        self._token = token
        self._http = httpx2.Client(base_url=url, timeout=timeout_s)

    def send(self, call: Call[T]) -> T:
        """Make a call. Raises `ConversationError`, `CortexError`."""
        attempt = _Attempt(call, self._token)
        while True:
            answer, failure = None, None
            try:
                answer = self._http.post(attempt.url, json=attempt.body, headers=attempt.headers)
            except httpx2.TransportError as error:
                failure = error
            pause = attempt.wait(answer) if answer is None or answer.status_code != 200 else None
            if pause is not None:
                time.sleep(pause)
            elif answer is not None:
                return call.read(attempt.read(answer))
            else:
                raise CortexError(f"the backend did not answer: {failure}") from failure

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()


class AsyncTransport:
    """Calls over HTTP, in an event loop."""

    def __init__(self, url: str, token: Token, timeout_s: float) -> None:
        self._token = token
        self._http = httpx2.AsyncClient(base_url=url, timeout=timeout_s)

    async def send(self, call: Call[T]) -> T:
        """Make a call. Raises `ConversationError`, `CortexError`."""
        attempt = _Attempt(call, self._token)
        while True:
            answer, failure = None, None
            try:
                answer = await self._http.post(attempt.url, json=attempt.body, headers=attempt.headers)
            except httpx2.TransportError as error:
                failure = error
            pause = attempt.wait(answer) if answer is None or answer.status_code != 200 else None
            if pause is not None:
                await asyncio.sleep(pause)
            elif answer is not None:
                return call.read(attempt.read(answer))
            else:
                raise CortexError(f"the backend did not answer: {failure}") from failure

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()
