"""Enrolment: this machine asks to be a worker, a person says yes in the page, and only then it is one."""

from __future__ import annotations

import asyncio
import platform
import re
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2

from concave_worker.adapter import Adapter, Heard
from concave_worker.answers import value_of
from concave_worker.errors import Refused, Unreachable, WorkerError
from concave_worker.home import Home, Identity
from concave_worker.tokens import Tokens

CALL_S = 30.0
LEAST_S = 1.0


async def enrol(
    home: Home,
    url: str,
    name: str,
    directories: Sequence[Path],
    agents: Sequence[dict[str, str]],
    capacity: int,
    told: Callable[[str, float], None],
) -> Identity:
    """Ask, wait for a person, and keep the secret.

    Args:
        told: called with the code that a person enters, and until when it counts (seconds since the epoch).

    Raises:
        WorkerError: the address is none of a backend, or nobody approved.
    """
    url = address(url)
    wanted: dict[str, Any] = {
        "machineId": home.machine_id(),
        "machineName": (platform.node() or "machine")[:100],
        "os": f"{platform.system()} {platform.release()}"[:100],
        "workerId": f"w{secrets.token_hex(12)}",
        "name": name,
        "dirs": [str(directory.resolve()) for directory in directories],
        "agents": list(agents),
        "capacity": capacity,
    }
    async with httpx2.AsyncClient(base_url=url, timeout=CALL_S) as http:
        try:
            said = value_of(await http.post("/api/action", json={"path": "workers:enrol", "format": "json", "args": wanted}))
        except httpx2.TransportError as error:
            raise Unreachable(f"{url} cannot be reached: {error}") from error
        identity = Identity(url, wanted["machineId"], wanted["workerId"], name, str(said["token"]))
        until = float(said["expiresAt"]) / 1000
        told(str(said["code"]), until)
        await _approved(http, identity, until, max(LEAST_S, float(said["interval"])))
    home.keep(identity)
    return identity


async def leave(identity: Identity) -> None:
    """End this worker's access at its backend, for good. Raises `WorkerError`: the backend does not answer, or says no."""
    adapter = Adapter(identity.url, lambda: identity.token, Heard(_deaf, _deaf, _deaf, _deaf))
    try:
        await adapter.leave()
    finally:
        await adapter.close()


def _deaf(_: Any) -> None:
    """Whoever leaves watches nothing."""


async def _approved(http: httpx2.AsyncClient, identity: Identity, until: float, interval_s: float) -> None:
    """Ask until a person has decided."""
    tokens = Tokens(http, lambda: identity.token)
    while time.time() < until:
        try:
            await tokens.bearer(time.monotonic() + interval_s)
        except Refused as refused:
            if refused.code != "WaitingApproval":
                raise WorkerError(f"This machine was not enrolled: {refused.message}") from refused
        except Unreachable:
            pass  # asked again in a moment
        else:
            return
        await asyncio.sleep(interval_s)
    raise WorkerError("Nobody approved this machine in time; enrol again.")


def address(url: str) -> str:
    """A backend's address without what follows its host. Raises `WorkerError`: it is none."""
    if not re.fullmatch(r"https?://[^/\s]+/?", url):
        raise WorkerError(f"{url} is no address of a backend: https://HOST, without a path.")
    return url.rstrip("/")
