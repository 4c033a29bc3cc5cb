"""The local server: one asyncio process on one port, between real sockets and the real Lambda handlers.

    HTTP request     ──> REST proxy event                       ──> app.app          ──> response
    WebSocket        ──> $connect, then one $default a message  ──> app.ws_*         (each message its own invocation)
    @connections     <── the boto3 client inside the handlers   ──> the client's socket

Handlers run in threads (`lambdas.py`), everything here on the event loop. `http11.py` parses HTTP; on an upgrade the same
TCP connection goes to `api_gateway.Connection`, which parses frames. Before anything else each request passes
`origin_check.py`. The extras of a laptop (page, token minting, `@connections`) are answered by `routes.py`, without an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.http11 import Request as Handshake

from infra.local.aws.api_gateway import Connection, Connections, Walls
from infra.local.aws.lambdas import Lambdas
from infra.local.aws.shapes import Request, connect_event, disconnect_event, message_event, rest_event
from infra.local.http11 import READ_BYTES, Http
from infra.local.origin_check import OriginCheck
from infra.local.owned import OwnedSockets
from infra.local.routes import Answer, LocalRoutes
from infra.local.vite import Vite

log = logging.getLogger("concave.local")

SOCKET_PATHS = re.compile(r"/api/([^/]+/)?sync/?|/chat/?|/socket\.io/?|/conversations/[^/]+/stream/?")
GRACE_S = 2.0
"""How long a peer may take to answer a goodbye before the TCP connection is cut."""


class StreamWire:
    """A `api_gateway.Wire` on an asyncio stream."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._cut: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def buffered(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def finish(self) -> None:
        if not self._writer.is_closing() and self._writer.can_write_eof():
            with contextlib.suppress(OSError):  # the peer has reset the connection, and the loop does not know yet
                self._writer.write_eof()

    def expire(self) -> None:
        if self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(GRACE_S, self._writer.transport.abort)

    def gone(self) -> None:
        """The connection is over: nothing is left to cut."""
        if self._cut is not None:
            self._cut.cancel()


class Server:
    """Serve one app on loopback. `bind` takes the port, `serve` begins to answer, `stop` says goodbye.

    Args:
        lambdas: where the handlers run.
        routes: what is answered without them.
        walls: API Gateway's limits; tests change them, also while it runs.
        clock: seconds, growing; for the walls of time.
    """

    def __init__(self, lambdas: Lambdas, routes: LocalRoutes, walls: Walls, clock: Callable[[], float] = time.monotonic) -> None:
        self.walls = walls
        self.connections = Connections(clock)
        self.port = 0
        self.origin_check = OriginCheck(0)
        self.vite: Vite | None = None
        self.owned: OwnedSockets | None = None
        """Where this process keeps its sockets itself; None: each frame is an invocation."""
        self._lambdas, self._routes, self._clock = lambdas, routes, clock
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[asyncio.Task[Any]] = set()
        self._leaving = False

    async def bind(self, port: int) -> int:
        """Take the port (0 = any free one) without answering yet. Returns the port."""
        self._listener = await asyncio.start_server(self._client, "127.0.0.1", port, start_serving=False, limit=READ_BYTES)
        self.port = int(self._listener.sockets[0].getsockname()[1])
        return self.port

    async def serve(self, origin_check: OriginCheck) -> None:
        """Begin to answer."""
        self.origin_check = origin_check
        if self._listener is None:
            raise RuntimeError("bind first")
        await self._listener.start_serving()
        self._spawn(self._tick())

    async def goodbye(self, wait_s: float = 1.0) -> None:
        """Close every socket with 1001 and open no more. `@connections` is answered still, for the `$disconnect` handlers."""
        self._leaving = True
        self.connections.close_all("Server stopped")
        if self._sockets:
            await asyncio.wait(self._sockets, timeout=wait_s)

    async def stop(self) -> None:
        """End what runs here, politely."""
        await self.goodbye(0.1)
        if self._listener is not None:
            self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.walls.idle_s / 4, self.walls.life_s / 4))
            self.connections.tick()

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # HTTP ---------------------------------------------------------------------------------------------------------------

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._requests(reader, writer)
        except (ConnectionError, TimeoutError):
            log.debug("client went away")
        except asyncio.CancelledError:
            log.debug("server stops")  # the task ends here either way
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = Http(reader, writer, self.walls.body_bytes, self.walls.integration_s)
        while True:
            request = await http.read()
            if request is None:
                return
            if isinstance(request, Answer):
                await http.answer("GET", request)
                return
            refusal = self.origin_check.refusal(request.header("host"), request.header("origin"))
            if refusal is not None:
                answer = Answer.error(403, "Forbidden", refusal)
            elif not http.upgrade:
                answer = await self._page(request) or self._routes.answer(request, self.connections) or await self._rest(request)
                if answer.status == 404:
                    answer = self._routes.unknown(request) or answer
            elif self._leaving:
                answer = Answer.error(503, "Stopping", "the server stops")
            elif not SOCKET_PATHS.fullmatch(request.path):
                answer = Answer.error(404, "NotFound", f"no WebSocket at {request.path}; clients connect to /api/sync")
            elif (handshake := _handshake(request)) is None:
                answer = Answer.error(400, "BadRequest", "the headers of a WebSocket handshake are ASCII")
            else:
                await self._socket(request, handshake, reader, writer, http.early)
                return
            if not await http.answer(request.method, answer.secured()):
                return

    async def _page(self, request: Request) -> Answer | None:
        """A module of the page, where it is being written."""
        if self.vite is None or not self.vite.wants(request):
            return None
        return await asyncio.to_thread(self.vite.answer, request)

    async def _rest(self, request: Request) -> Answer:
        """API Gateway's REST side: integration timeout 504, a handler that raised 502 (the log has its traceback)."""
        try:
            done = await self._run("app", rest_event(request, ("/", "/{proxy+}")))
        except TimeoutError:
            return Answer.json(504, {"message": "Endpoint request timed out"})
        except Exception:  # noqa: BLE001 (the invocation has logged it)
            return Answer.json(502, {"message": "Internal server error"})
        headers = [(name, str(value)) for name, value in (done.get("headers") or {}).items()]
        for name, values in (done.get("multiValueHeaders") or {}).items():
            headers += [(name, str(value)) for value in values]
        return Answer(done["statusCode"], (done.get("body") or "").encode(), tuple(headers))

    async def _run(self, function: str, event: dict[str, Any]) -> Any:
        future = asyncio.wrap_future(self._lambdas.submit(function, event))
        return await asyncio.wait_for(asyncio.shield(future), self.walls.integration_s)

    # WebSocket ----------------------------------------------------------------------------------------------------------

    async def _socket(
        self, request: Request, handshake: Handshake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes
    ) -> None:
        """One client's life. The connection is known before `$connect` runs, and open only after it has returned."""
        wire = StreamWire(writer)
        # The port is part of the id: with several servers on one DynamoDB, a poster finds the one that holds the socket.
        name = f"{secrets.token_urlsafe(12)}.{self.port}"
        who = {"sourceIp": request.peer, "userAgent": request.header("user-agent")}
        connection = Connection(name, wire, self.walls, self._clock(), who)
        self.connections.add(connection)
        task = asyncio.current_task()
        assert task is not None
        self._sockets.add(task)
        opened = False
        try:
            opened = await self._connect(connection, request, handshake)
            data = early
            while opened:
                for text in connection.receive(data, self._clock()) if data else ():
                    if self.owned is not None:
                        self.owned.message(connection, text)
                    else:
                        self._spawn(self._message(connection, request, text))
                data = await reader.read(READ_BYTES)
                if not data:
                    connection.end()
                    return
        finally:
            wire.gone()
            self._sockets.discard(task)
            self.connections.remove(connection)
            if self.owned is not None:
                self.owned.closed(connection)
            if opened:
                code, reason = connection.closing()
                if self.owned is None:
                    self._lambdas.invoke("ws_disconnect", disconnect_event(request, name, code, reason))
                log.info("close %s", request.path, extra={"door": "ws", "connection": name, "code": code})
            with contextlib.suppress(ConnectionError):  # the peer may have cut the line first
                await writer.drain()

    async def _connect(self, connection: Connection, request: Request, handshake: Handshake) -> bool:
        """Run `$connect` and answer the handshake with its status. True: the socket is open."""
        try:
            answer: dict[str, Any]
            if self.owned is not None:
                answer = {"statusCode": await self.owned.open(connection, request)}
            else:
                answer = await self._run("ws_connect", connect_event(request, connection.id))
        except Exception:  # noqa: BLE001 (the invocation has logged it)
            connection.reject(502, "The $connect handler failed; the server's log says why.\n")
            return False
        status = int(answer.get("statusCode", 200))
        if not 200 <= status < 300:
            connection.reject(status, f"refused by $connect ({status})\n")
            return False
        returned = [(key, str(value)) for key, value in (answer.get("headers") or {}).items()]
        opened = connection.accept(handshake, returned) == 101
        if opened:
            log.info("open %s", request.path, extra={"door": "ws", "connection": connection.id})
            if self.owned is not None:
                self.owned.started(connection)
        return opened

    async def _message(self, connection: Connection, request: Request, text: str) -> None:
        """One message, one invocation. On failure API Gateway tells the client so, in a frame of its own."""
        event = message_event(request, connection.id, text)
        try:
            await self._run("ws_message", event)
            return
        except TimeoutError:
            problem = "Endpoint request timed out"
        except Exception:  # noqa: BLE001 (the invocation has logged it)
            problem = "Internal server error"
        told = {"message": problem, "connectionId": connection.id, "requestId": event["requestContext"]["requestId"]}
        connection.send(json.dumps(told), self._clock())


def _handshake(request: Request) -> Handshake | None:
    """The request as the WebSocket parser takes it: no extensions, as API Gateway offers none. None: it takes no such headers."""
    try:
        return Handshake(
            request.target,
            Headers([(key, value) for key, value in request.headers if key.lower() != "sec-websocket-extensions"]),
        )
    except InvalidHeader:
        return None
