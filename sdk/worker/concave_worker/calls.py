"""The client for calls: functions of the backend over HTTP, repeated until they are answered.

Every call of a worker may be repeated: a mutation carries a key under which it takes effect once. HTTP takes calls of any
size, where a frame of the sync socket holds 32 KB.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any, Literal

import httpx2

from concave_worker.answers import AGAIN, value_of
from concave_worker.errors import Unreachable
from concave_worker.pauses import pauses
from concave_worker.tokens import Tokens

CALL_S = 30.0
PATIENCE_S = 60.0
"""How long a call is repeated before it counts as unanswered; a reply's lease is no longer."""


class Calls:
    """Calls by one worker.

    Args:
        http: a client with the backend's base URL; the caller closes it.
        tokens: who calls.
    """

    def __init__(self, http: httpx2.AsyncClient, tokens: Tokens) -> None:
        self._http, self._tokens = http, tokens
        self.sent = 0
        """Requests so far."""
        self.bytes = 0
        """Bytes of their bodies."""

    async def mutation(self, path: str, args: Mapping[str, Any], patience_s: float = PATIENCE_S) -> Any:
        """Run a mutation once, however often it has to be sent.

        Raises:
            Refused, Revoked, Replaced: the backend said no.
            Unreachable: it did not answer within `patience_s`.
        """
        return await self._call("mutation", path, args, {"Idempotency-Key": secrets.token_hex(16)}, patience_s)

    async def query(self, path: str, args: Mapping[str, Any], patience_s: float = PATIENCE_S) -> Any:
        """Ask a query once. Raises as `mutation`."""
        return await self._call("query", path, args, {}, patience_s)

    async def _call(
        self, kind: Literal["mutation", "query"], path: str, args: Mapping[str, Any], headers: dict[str, str], patience_s: float
    ) -> Any:
        until, waits, renewed = time.monotonic() + patience_s, pauses(), False
        body = {"path": path, "format": "json", "args": {name: value for name, value in args.items() if value is not None}}
        while True:
            bearer = await self._tokens.bearer(until)
            failure = "no answer"
            try:
                self.sent += 1
                answer = await self._http.post(
                    f"/api/{kind}", json=body, headers={**headers, "Authorization": f"Bearer {bearer}"}, timeout=CALL_S
                )
                self.bytes += len(answer.request.content)
            except httpx2.TransportError as error:
                failure = str(error) or type(error).__name__
            else:
                if answer.status_code == 401 and not renewed:
                    renewed = True
                    self._tokens.forget(bearer)
                    continue
                if answer.status_code not in AGAIN:
                    return value_of(answer)
                failure = f"it answered {answer.status_code}"
            pause = next(waits)
            if time.monotonic() + pause > until:
                raise Unreachable(f"the backend cannot be reached: {failure}")
            await asyncio.sleep(pause)
