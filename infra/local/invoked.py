"""API Gateway in front of Lambda: requests and messages as events, and invocations that answer them.

HTTP request     ──> REST proxy event                       ──> app.app          ──> response
WebSocket        ──> $connect, then one $default a message  ──> app.ws_*         (each message its own invocation)
@connections     <── the gateway inside the handlers        ──> the client's socket
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from infra.local.aws.api_gateway import Connection, Walls
from infra.local.aws.lambdas import Lambdas
from infra.local.aws.shapes import Request, connect_event, disconnect_event, message_event


class Invoked:
    """Sockets whose every event is an invocation, which knows nothing of the others.

    Args:
        lambdas: where the handlers run.
        walls: how long an invocation may take.
        clock: seconds, growing.
    """

    def __init__(self, lambdas: Lambdas, walls: Walls, clock: Callable[[], float]) -> None:
        self._lambdas, self._walls, self._clock = lambdas, walls, clock
        self._requests: dict[str, Request] = {}
        self._messages: set[asyncio.Task[None]] = set()

    async def run(self, function: str, event: dict[str, Any]) -> Any:
        """Invoke a handler and wait. Raises what it raises, and TimeoutError after `integration_s`."""
        future = asyncio.wrap_future(self._lambdas.submit(function, event))
        return await asyncio.wait_for(asyncio.shield(future), self._walls.integration_s)

    async def open(self, connection: Connection, request: Request) -> int:
        """`$connect`: its status."""
        answer = await self.run("ws_connect", connect_event(request, connection.id))
        status = int(answer.get("statusCode", 200))
        if 200 <= status < 300:
            self._requests[connection.id] = request
        return status

    def started(self, connection: Connection) -> None:
        """Nothing is told of it."""

    def message(self, connection: Connection, text: str) -> None:
        """`$default`. The invocations of one connection run at the same time, in no order."""
        event = message_event(self._requests[connection.id], connection.id, text)  # now: it may be gone when its task begins
        task = asyncio.ensure_future(self._message(connection, event))
        self._messages.add(task)
        task.add_done_callback(self._messages.discard)

    def closed(self, connection: Connection) -> None:
        """`$disconnect`, with the code and the reason."""
        request = self._requests.pop(connection.id)
        self._lambdas.invoke("ws_disconnect", disconnect_event(request, connection.id, *connection.wire.closing()))

    async def _message(self, connection: Connection, event: dict[str, Any]) -> None:
        """On failure API Gateway tells the client so, in a frame of its own."""
        try:
            await self.run("ws_message", event)
            return
        except TimeoutError:
            problem = "Endpoint request timed out"
        except Exception:  # noqa: BLE001 (the invocation has logged it)
            problem = "Internal server error"
        told = {"message": problem, "connectionId": connection.id, "requestId": event["requestContext"]["requestId"]}
        connection.send(json.dumps(told), self._clock())
