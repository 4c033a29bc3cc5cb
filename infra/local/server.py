"""The local server: uvicorn on one port and one event loop, in front of `asgi.Application`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn

from infra.local.access_log import AccessLog
from infra.local.asgi import Application, Sockets
from infra.local.aws.api_gateway import Connections, Walls
from infra.local.aws.lambdas import Lambdas
from infra.local.http_protocol import Http
from infra.local.listen import DEVELOPMENT, Listen
from infra.local.origin_check import OriginCheck
from infra.local.routes import LocalRoutes
from infra.local.socket_protocol import Socket
from infra.local.vite import Vite


class _Uvicorn(uvicorn.Server):
    """uvicorn in our event loop: it says when it answers, and is told when to end instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()
        self.ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # the Date header, once a second
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), 1.0)

    def end(self) -> None:
        """Stop accepting, let what is being answered end, and return from `serve`."""
        self.should_exit = True
        self.ending.set()


class Server:
    """Serve one app. `bind` takes the port, `serve` begins to answer, `stop` says goodbye.

    Args:
        lambdas: where the handlers run.
        routes: what is answered without them.
        walls: API Gateway's limits; tests change them, also while it runs.
        clock: seconds, growing; for the walls of time.
        listen: where and how.
    """

    def __init__(
        self,
        lambdas: Lambdas,
        routes: LocalRoutes,
        walls: Walls,
        clock: Callable[[], float] = time.monotonic,
        listen: Listen = DEVELOPMENT,
    ) -> None:
        self.walls = walls
        self.connections = Connections(clock)
        self.port = 0
        self._app = Application(lambdas, routes, self.connections, walls, clock)
        self._app.most_sockets = listen.connections
        self._clock, self._listen = clock, listen
        self._listener: socket.socket | None = None
        self._server: _Uvicorn | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def owned(self) -> Sockets:
        """Who takes the sockets."""
        return self._app.owned

    @owned.setter
    def owned(self, owned: Sockets) -> None:
        self._app.owned = owned

    @property
    def lines(self) -> int:
        """How many TCP connections are open."""
        return len(self._server.server_state.connections) if self._server is not None else 0

    @property
    def vite(self) -> Vite | None:
        """The page's development server, where there is one."""
        return self._app.vite

    @vite.setter
    def vite(self, vite: Vite) -> None:
        self._app.vite = vite

    async def bind(self, port: int) -> int:
        """Take the port (0 = any free one) without answering yet. Returns the port. Raises OSError."""
        family = socket.AF_INET6 if ":" in self._listen.host else socket.AF_INET
        # The protocol is named: by it asyncio knows where to set TCP_NODELAY.
        self._listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((self._listen.host, port))
        except OSError:
            self._listener.close()
            raise
        self.port = self._app.port = int(self._listener.getsockname()[1])
        return self.port

    async def serve(self, origin_check: OriginCheck) -> None:
        """Begin to answer. Raises OSError where the port was taken meanwhile."""
        self._app.origin_check = origin_check
        if self._listener is None:
            raise RuntimeError("bind first")
        self._server = _Uvicorn(self._config())
        running = asyncio.ensure_future(self._server.serve([self._listener]))
        answers = asyncio.ensure_future(self._server.answers.wait())
        await asyncio.wait((running, answers), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            answers.cancel()
            running.result()
        self._tasks = [running, asyncio.ensure_future(self._tick())]

    def _config(self) -> uvicorn.Config:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # below it, it tells of every connection
        return uvicorn.Config(
            cast(Any, AccessLog(self._app) if self._listen.access_log else self._app),
            http=cast(Any, partial(Http, walls=self.walls)),
            ws=cast(Any, partial(Socket, walls=self.walls, clock=self._clock)),
            ws_ping_interval=self.walls.ping_s,
            ws_ping_timeout=self.walls.ping_s,
            ws_per_message_deflate=self._listen.compression,
            ssl_certfile=self._listen.certificate,
            ssl_keyfile=self._listen.key,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=bool(self._listen.proxies),
            forwarded_allow_ips=list(self._listen.proxies),
            server_header=False,
            timeout_graceful_shutdown=self._listen.stop_s,
            limit_concurrency=self._listen.connections,
        )

    async def renew(self) -> None:
        """Read the certificate files again: new connections get what is in them now. Raises OSError (ssl.SSLError is one)."""
        if self._server is not None and self._server.config.ssl is not None and self._listen.certificate is not None:
            self._server.config.ssl.load_cert_chain(self._listen.certificate, self._listen.key)

    async def goodbye(self, wait_s: float = 1.0) -> None:
        """Close every socket with 1001 and open no more. `@connections` is answered still, for the `$disconnect` handlers."""
        self._app.leaving = True
        self.connections.close_all("Server stopped")
        if self._app.sockets:
            await asyncio.wait(self._app.sockets, timeout=wait_s)

    async def stop(self) -> None:
        """End what runs here, politely."""
        await self.goodbye(0.1)
        if self._server is not None:
            self._server.end()
            self._tasks[1].cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        elif self._listener is not None:
            self._listener.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.walls.idle_s / 4, self.walls.life_s / 4))
            self.connections.tick()
