"""A worker's short tokens: its long secret is exchanged for one, which is renewed before it expires."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

import httpx2

from concave_worker.answers import AGAIN, value_of
from concave_worker.errors import Unreachable
from concave_worker.pauses import pauses

EARLY_S = 120.0
"""How long before its end a token is renewed; half its life where that is shorter."""


class Tokens:
    """The tokens of one process. The first exchange makes this process the worker's one instance.

    Args:
        http: a client with the backend's base URL.
        secret: gives `machine_…:worker_…:secret_…` as it is stored now: it may be rotated.
    """

    def __init__(self, http: httpx2.AsyncClient, secret: Callable[[], str]) -> None:
        self._http, self._secret = http, secret
        self.instance = secrets.token_hex(16)
        self._token, self._renew_at = "", 0.0
        self._lock = asyncio.Lock()

    async def bearer(self, until: float) -> str:
        """A token that is good for a while.

        Args:
            until: of `time.monotonic()`; how long to try.

        Raises:
            Refused: WaitingApproval and others; Revoked, Replaced.
            Unreachable: no answer until then.
        """
        async with self._lock:
            if not self._token or time.monotonic() >= self._renew_at:
                await self._exchange(until)
            return self._token

    @property
    def renew_in_s(self) -> float:
        """Seconds until the token should be renewed."""
        return max(0.0, self._renew_at - time.monotonic())

    def forget(self, token: str) -> None:
        """This token was refused: get another with the next call."""
        if token == self._token:
            self._token = ""

    async def _exchange(self, until: float) -> None:
        waits = pauses()
        while True:
            failure = ""
            try:
                args = {"token": self._secret(), "instance": self.instance}
                body = {"path": "workers:token", "format": "json", "args": args}
                answer = await self._http.post("/api/action", json=body)
            except httpx2.TransportError as error:
                failure = str(error) or type(error).__name__
            else:
                if answer.status_code not in AGAIN:
                    self._keep(answer)
                    return
                failure = f"it answered {answer.status_code}"
            pause = next(waits)
            if time.monotonic() + pause > until:
                raise Unreachable(f"the backend cannot be reached: {failure}")
            await asyncio.sleep(pause)

    def _keep(self, answer: httpx2.Response) -> None:
        told = value_of(answer)
        life = float(told["expiresIn"])
        self._token = str(told["accessToken"])
        self._renew_at = time.monotonic() + life - min(EARLY_S, life / 2)
