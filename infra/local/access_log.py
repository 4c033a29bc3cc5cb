"""A line for each HTTP request and each socket: who, what, status, bytes, how long. Queries may hold tokens, and are left out."""

from __future__ import annotations

import logging
import time
from collections.abc import MutableMapping
from typing import Any

from infra.local.asgi import Application, Receive, Scope, Send

log = logging.getLogger("concave.access")


class AccessLog:
    """An ASGI application around another.

    Args:
        app: answers. A client that went away before that is told as 499.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and write the line at the end."""
        began = time.perf_counter()
        status, size = 0, 0

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal status, size
            if message["type"].endswith("response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            who = scope["client"][0] if scope["client"] else "-"
            method = scope.get("method", "GET")
            path = scope["raw_path"].decode("latin-1")
            ms = (time.perf_counter() - began) * 1000
            log.info("%s %s %s %d %d", who, method, path, status or 499, size, extra={"ms": ms})
