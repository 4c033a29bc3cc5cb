"""CloudFront's data plane on this machine, for a distribution that was deployed to the emulator.

The emulator keeps distributions, but sends no request to an API or a socket. This reads the deployed configuration (behaviours,
origins with their secret header, edge functions, headers for browsers) and does with each request what it says. Left out: TLS,
caches and compression, which no origin can tell apart.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.local.loop import Loop
from tests.cloud.emulator import Emulator

FUNCTIONS = Path(__file__).with_name("edge_functions.mjs")
HEAD = 64 * 1024
_NAMES = {
    "ContentSecurityPolicy": ("content-security-policy", "ContentSecurityPolicy"),
    "FrameOptions": ("x-frame-options", "FrameOption"),
    "ReferrerPolicy": ("referrer-policy", "ReferrerPolicy"),
}
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """What a viewer asks: the path and the query as they were sent."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value; empty without it."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class Configuration:
    """What was deployed: for each path its behaviour, for each behaviour its origin, function and headers."""

    def __init__(self, client: Any, distribution: str) -> None:
        config = client.get_distribution_config(Id=distribution)["DistributionConfig"]
        self.origins = {each["Id"]: each for each in config["Origins"]["Items"]}
        listed = config.get("CacheBehaviors", {}).get("Items", [])
        self.behaviours = [
            *((_pattern(each["PathPattern"]), each) for each in listed),
            (re.compile(""), config["DefaultCacheBehavior"]),
        ]
        associations = [each for _, behaviour in self.behaviours for each in _functions(behaviour)]
        self.code = {arn: _code(client, arn) for arn in dict.fromkeys(associations)}
        policies = dict.fromkeys(each["ResponseHeadersPolicyId"] for _, each in self.behaviours)
        self.said = {policy: _said(client, policy) for policy in policies}

    def behaviour(self, path: str) -> dict[str, Any]:
        """The first whose pattern the path matches."""
        return next(each for pattern, each in self.behaviours if pattern.match(path))


def _pattern(text: str) -> re.Pattern[str]:
    """`*` is any number of characters, slashes too; `?` is one."""
    words = {"*": ".*", "?": "."}
    return re.compile("".join(words.get(each) or re.escape(each) for each in text) + r"\Z")


def _functions(behaviour: Mapping[str, Any]) -> list[str]:
    items = behaviour.get("FunctionAssociations", {}).get("Items", [])
    return [each["FunctionARN"] for each in items if each["EventType"] == "viewer-request"]


def _code(client: Any, arn: str) -> str:
    return str(client.get_function(Name=arn.rpartition("/")[2], Stage="LIVE")["FunctionCode"].read().decode())


def _said(client: Any, policy: str) -> dict[str, tuple[str, bool]]:
    """Headers by name: their value, and whether it replaces the origin's own."""
    config = client.get_response_headers_policy(Id=policy)["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]
    made: dict[str, tuple[str, bool]] = {}
    for name, each in config["SecurityHeadersConfig"].items():
        if name in _NAMES:
            header, field = _NAMES[name]
            made[header] = (each[field], each["Override"])
        elif name == "ContentTypeOptions":
            made["x-content-type-options"] = ("nosniff", each["Override"])
        elif name == "StrictTransportSecurity":
            subdomains = "; includeSubDomains" if each.get("IncludeSubdomains") else ""
            made["strict-transport-security"] = (f"max-age={each['AccessControlMaxAgeSec']}{subdomains}", each["Override"])
    return made


class Edge:
    """The edge, running on a port of its own.

    Args:
        emulator: where the origins are.
        distribution: its id.
        own: answers to paths that are this test's, not the deployment's: what a body asked, as an object.
    """

    def __init__(self, emulator: Emulator, distribution: str, own: Mapping[str, Callable[[Any], Any]] | None = None) -> None:
        self._emulator, self._own = emulator, own or {}
        self.config = Configuration(emulator.client("cloudfront"), distribution)
        self._s3 = emulator.client("s3")
        self._node = subprocess.Popen(
            ["node", str(FUNCTIONS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._asking = threading.Lock()
        """One request at a time is asked about: the functions' process answers in order."""
        self._loop = Loop()
        self._loop.start()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = self._loop.run(self._listen())
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=2**20)

    def stop(self) -> None:
        """End it, with all its connections."""
        self._loop.run(self._close())
        self._loop.stop()
        self._node.kill()
        self._node.wait(10)
        for pipe in (self._node.stdin, self._node.stdout):
            assert pipe is not None
            pipe.close()

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # One connection ---------------------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(await _read(reader), reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.path in self._own:
            answer = await asyncio.to_thread(self._own[request.path], json.loads(request.body or b"{}"))
            writer.write(_answer(200, [("content-type", "application/json")], json.dumps(answer).encode()))
            await writer.drain()
            return
        behaviour = self.config.behaviour(request.path)
        said = self.config.said[behaviour["ResponseHeadersPolicyId"]]
        if request.method not in behaviour["AllowedMethods"]["Items"]:
            writer.write(_answer(403, [(name, value) for name, (value, _) in said.items()], b"This method is not allowed here."))
            await writer.drain()
            return
        request, chosen = await asyncio.to_thread(self._at_the_edge, request, behaviour)
        origin = self.config.origins[chosen or behaviour["TargetOriginId"]]
        if "CustomOriginConfig" not in origin:
            writer.write(await asyncio.to_thread(self._page, request, origin, said))
            await writer.drain()
            return
        await self._forward(request, origin, said, reader, writer)

    def _at_the_edge(self, request: Request, behaviour: Mapping[str, Any]) -> tuple[Request, str | None]:
        """What the behaviour's function makes of a request, and the origin that it chooses."""
        chosen = None
        for arn in _functions(behaviour):
            pairs = [part.partition("=") for part in request.query.split("&") if part]
            event = {
                "method": request.method,
                "uri": request.path,
                "querystring": {name: {"value": value} for name, _, value in pairs},
                "headers": {name.lower(): {"value": value} for name, value in request.headers},
                "cookies": {},
            }
            assert self._node.stdin is not None
            assert self._node.stdout is not None
            with self._asking:
                self._node.stdin.write(json.dumps({"code": self.config.code[arn], "request": event}) + "\n")
                made = json.loads(self._node.stdout.readline())
            chosen, asked = made["origin"] or chosen, made["request"]
            query = "&".join(f"{name}={each['value']}" for name, each in asked["querystring"].items())
            request = Request(asked["method"], asked["uri"], query, request.headers, request.body)
        return request, chosen

    def _page(self, request: Request, origin: Mapping[str, Any], said: Mapping[str, tuple[str, bool]]) -> bytes:
        """A file of the bucket, which CloudFront reads under its own signature."""
        bucket = origin["DomainName"].partition(".")[0]
        try:
            found = self._s3.get_object(Bucket=bucket, Key=request.path.lstrip("/"))
        except ClientError:
            return _answer(403, [(name, value) for name, (value, _) in said.items()], b"AccessDenied")
        own = [("content-type", found["ContentType"]), ("cache-control", found.get("CacheControl", ""))]
        return _answer(200, _with(own, said), found["Body"].read())

    async def _forward(
        self,
        request: Request,
        origin: Mapping[str, Any],
        said: Mapping[str, tuple[str, bool]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """To an API, under its own host name; a socket is handed on as it comes, both ways."""
        socket = request.header("upgrade").lower() == "websocket"
        api = origin["DomainName"].partition(".")[0]
        secret = {each["HeaderName"].lower(): each["HeaderValue"] for each in origin["CustomHeaders"].get("Items", [])}
        dropped = {"host", "connection", "content-length", "transfer-encoding", *secret}
        headers = [(name, value) for name, value in request.headers if name.lower() not in dropped]
        headers += [("Host", f"{api}.execute-api.localhost:{self._emulator.port}"), *secret.items()]
        headers += [("Connection", "Upgrade" if socket else "close")]
        if not socket:
            headers.append(("Content-Length", str(len(request.body))))
        path = f"{origin['OriginPath']}{request.path}" + (f"?{request.query}" if request.query else "")
        upstream, sink = await asyncio.open_connection("127.0.0.1", self._emulator.port, limit=2**20)
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            sink.write(f"{request.method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + request.body)
            head = (await upstream.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            told = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
            if not socket:
                told = [
                    *((name, value) for name, value in _with(told, said) if name.lower() != "connection"),
                    ("connection", "close"),
                ]
            writer.write((head[0] + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told) + "\r\n").encode("latin-1"))
            await _both_ways(reader, writer, upstream, sink, socket=socket)
        finally:
            sink.close()


def _with(own: Headers, said: Mapping[str, tuple[str, bool]]) -> Headers:
    """An origin's headers with those of the policy."""
    there = {name.lower() for name, _ in own}
    kept = [(name, value) for name, value in own if not said.get(name.lower(), ("", False))[1]]
    return kept + [(name, value) for name, (value, override) in said.items() if override or name not in there]


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    *,
    socket: bool,
) -> None:
    """Bytes from one to the other until either ends."""
    back = asyncio.create_task(_pipe(upstream, writer))
    if not socket:
        await back
        return
    there = asyncio.create_task(_pipe(reader, sink))
    _, left = await asyncio.wait((back, there), return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await source.read(65536):
            target.write(part)
            await target.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
    path, _, query = target.partition("?")
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Request(method, path, query, headers, await reader.readexactly(length))


def _answer(status: int, headers: Headers, body: bytes) -> bytes:
    said = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} .\r\n{said}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode("latin-1") + body
