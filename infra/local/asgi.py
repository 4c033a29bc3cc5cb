"""The local server's one ASGI application, between what uvicorn has parsed and the real handlers.

Handlers run in threads (`invoked.py`), everything here on the event loop. Before anything else each request passes
`origin_check.py`. The extras of a laptop (page, token minting, `@connections`) are answered by `routes.py`, without an event.
Interface: ASGI specification 3.0 (HTTP and WebSocket 2.4), with `socket_protocol.Wire` in a socket's extensions.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Protocol

from infra.local.aws.api_gateway import Connection, Connections, Walls
from infra.local.aws.lambdas import Lambdas
from infra.local.aws.shapes import Request, rest_event
from infra.local.invoked import Invoked
from infra.local.origin_check import OriginCheck
from infra.local.routes import Answer, LocalRoutes
from infra.local.socket_protocol import Wire
from infra.local.vite import Vite

log = logging.getLogger("concave.local")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SOCKET_PATHS = re.compile(r"/api/([^/]+/)?sync/?|/chat/?|/socket\.io/?|/conversations/[^/]+/stream/?")
UNSUPPORTED_DATA = 1003


class Sockets(Protocol):
    """Who takes the sockets of this server: `invoked.py`, or an owner."""

    async def open(self, connection: Connection, request: Request) -> int:
        """A handshake: 200, or the HTTP status that refuses it. May raise, which is a 502."""

    def started(self, connection: Connection) -> None:
        """The handshake is answered: from here on the connection may be sent to."""

    def message(self, connection: Connection, text: str) -> None:
        """One message of the client."""

    def closed(self, connection: Connection) -> None:
        """A socket that was opened is gone."""


class Application:
    """Answer requests and carry sockets.

    Args:
        lambdas: where the handlers run.
        routes: what is answered without them.
        connections: every open socket of this process.
        walls: API Gateway's limits.
        clock: seconds, growing; for the walls of time.
    """

    def __init__(
        self, lambdas: Lambdas, routes: LocalRoutes, connections: Connections, walls: Walls, clock: Callable[[], float]
    ) -> None:
        self.origin_check = OriginCheck(0)
        self.port = 0
        self.vite: Vite | None = None
        self.leaving = False
        self.most_sockets = 10_000
        self.sockets: set[asyncio.Task[Any]] = set()
        self._invoked, self._routes, self._connections = Invoked(lambdas, walls, clock), routes, connections
        self.owned: Sockets = self._invoked
        """Who takes the sockets: each message is an invocation, unless this process owns them."""
        self._walls, self._clock = walls, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or one WebSocket from its handshake to its end."""
        request = _request(scope)
        refusal = self.origin_check.refusal(request.header("host"), request.header("origin"))
        if scope["type"] == "websocket":
            await self._upgrade(scope, request, refusal, receive, send)
            return
        if refusal is not None:
            answer: Answer | None = Answer.error(403, "Forbidden", refusal)
        else:
            answer = await self._asked(request, receive)
        if answer is not None:
            await _respond(send, "http", answer.secured())

    # HTTP ---------------------------------------------------------------------------------------------------------------

    async def _asked(self, request: Request, receive: Receive) -> Answer | None:
        """The answer to a request whose body is still to be read. None: the client went away."""
        body = bytearray()
        more = True
        while more:
            part = await receive()
            if part["type"] == "http.disconnect":
                return None
            body += part.get("body", b"")
            more = part.get("more_body", False)
            if len(body) > self._walls.body_bytes:
                return Answer.error(413, "PayloadTooLarge", f"a request may have {self._walls.body_bytes} bytes").last()
        request = request.with_body(bytes(body))
        working = self._routes.working(request)
        if working is not None:
            return await asyncio.to_thread(working, request)
        answer = await self._page(request) or self._routes.answer(request, self._connections) or await self._rest(request)
        return (self._routes.unknown(request) if answer.status == 404 else None) or answer

    async def _page(self, request: Request) -> Answer | None:
        """A module of the page, where it is being written."""
        if self.vite is None or not self.vite.wants(request):
            return None
        return await asyncio.to_thread(self.vite.answer, request)

    async def _rest(self, request: Request) -> Answer:
        """API Gateway's REST side: integration timeout 504, a handler that raised 502 (the log has its traceback)."""
        try:
            done = await self._invoked.run("app", rest_event(request, ("/", "/{proxy+}")))
        except TimeoutError:
            return Answer.json(504, {"message": "Endpoint request timed out"})
        except Exception:  # noqa: BLE001 (the invocation has logged it)
            return Answer.json(502, {"message": "Internal server error"})
        headers = [(name, str(value)) for name, value in (done.get("headers") or {}).items()]
        for name, values in (done.get("multiValueHeaders") or {}).items():
            headers += [(name, str(value)) for value in values]
        return Answer(done["statusCode"], (done.get("body") or "").encode(), tuple(headers))

    # WebSocket ----------------------------------------------------------------------------------------------------------

    async def _upgrade(self, scope: Scope, request: Request, refusal: str | None, receive: Receive, send: Send) -> None:
        """Take a handshake, or say why not."""
        await receive()  # websocket.connect
        if refusal is not None:
            answer = Answer.error(403, "Forbidden", refusal)
        elif self.leaving:
            answer = Answer.error(503, "Stopping", "the server stops")
        elif len(self.sockets) >= self.most_sockets:
            answer = Answer.error(503, "TooManyConnections", f"the server has {self.most_sockets} sockets: MAX_CONNECTIONS")
        elif not SOCKET_PATHS.fullmatch(request.path):
            answer = Answer.error(404, "NotFound", f"no WebSocket at {request.path}; clients connect to /api/sync")
        else:
            await self._socket(scope["extensions"]["concave.wire"]["wire"], request, receive, send)
            return
        await _respond(send, "websocket.http", answer.secured())

    async def _socket(self, wire: Wire, request: Request, receive: Receive, send: Send) -> None:
        """One client's life. The connection is known before it is taken, and open only after that.

        Raises OSError where the client went away before its handshake was answered: uvicorn takes it as that.
        """
        # The port is part of the id: with several servers on one DynamoDB, a poster finds the one that holds the socket.
        name = f"{secrets.token_urlsafe(12)}.{self.port}"
        who = {"sourceIp": request.peer, "userAgent": request.header("user-agent")}
        connection = Connection(name, wire, self._walls, self._clock(), who)
        self._connections.add(connection)
        task = asyncio.current_task()
        assert task is not None
        self.sockets.add(task)
        taken = False
        try:
            status, reason = await self._open(connection, request)
            if not 200 <= status < 300:
                await _respond(send, "websocket.http", Answer(status, reason.encode()))
                return
            taken = True
            await send({"type": "websocket.accept"})
            self.owned.started(connection)
            log.info("open %s", request.path, extra={"door": "ws", "connection": name})
            wire.hear = partial(self.owned.message, connection)
            await self._listen(connection, receive)
        finally:
            wire.hear = None
            self.sockets.discard(task)
            self._connections.remove(connection)
            if taken:
                self.owned.closed(connection)
                code, _ = wire.closing()
                log.info("close %s", request.path, extra={"door": "ws", "connection": name, "code": code})

    async def _open(self, connection: Connection, request: Request) -> tuple[int, str]:
        """Whether somebody takes the socket: the status of the handshake, and what a refusal says."""
        try:
            status = await self.owned.open(connection, request)
        except Exception:  # noqa: BLE001 (the invocation has logged it)
            return 502, "The $connect handler failed; the server's log says why.\n"
        return status, f"refused by $connect ({status})\n"

    async def _listen(self, connection: Connection, receive: Receive) -> None:
        """Hand over each message that the wire does not, until the end."""
        while (event := await receive())["type"] != "websocket.disconnect":
            text = event.get("text")
            if text is None:
                connection.close(UNSUPPORTED_DATA, "binary frames are not supported")
                return
            self.owned.message(connection, text)


def _request(scope: Scope) -> Request:
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    peer = scope["client"][0] if scope["client"] else ""
    return Request.from_wire(scope.get("method", "GET").encode(), target, scope["headers"], peer)


async def _respond(send: Send, kind: str, answer: Answer) -> None:
    """Send a whole answer; `kind` is where: `http`, or `websocket.http` for a handshake that is refused."""
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    if answer.status not in (204, 304):  # a length would speak of the file that is not sent again
        headers.append(("Content-Length", str(len(answer.body))))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": f"{kind}.response.start", "status": answer.status, "headers": raw})
    await send({"type": f"{kind}.response.body", "body": answer.body if answer.status not in (204, 304) else b""})
