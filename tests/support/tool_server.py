"""A server of tools (MCP) on this machine: the protocol's own server behind real sockets, and one that misbehaves."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer


class ToolServer:
    """The tools `find`, `note`, `slow`, `broken`, `large` and `picture`. `calls` are what was really done."""

    def __init__(self, json_response: bool = False) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"{self.origin}/mcp"
        app = self._tools().streamable_http_app(json_response=json_response)

        async def seen(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
            await app(scope, receive, send)

        self._server = uvicorn.Server(uvicorn.Config(seen, log_level="critical", timeout_graceful_shutdown=0))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._socket]))

    def _tools(self) -> MCPServer:
        server = MCPServer("tools", log_level="CRITICAL")

        @server.tool()
        def find(words: str) -> str:
            """Find words."""
            self.calls.append(("find", words))
            return f"found {words}"

        @server.tool()
        def note(text: str) -> str:
            """Write a note."""
            self.calls.append(("note", text))
            return "noted"

        @server.tool()
        async def slow(seconds: float) -> str:
            """Take long."""
            self.calls.append(("slow", seconds))
            await asyncio.sleep(seconds)
            return "at last"

        @server.tool()
        def broken() -> str:
            """Fail."""
            self.calls.append(("broken", None))
            raise ValueError("no luck")

        @server.tool()
        def large(size: int) -> str:
            """Say a lot."""
            self.calls.append(("large", size))
            return "x" * size

        return server

    def __enter__(self) -> ToolServer:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)


Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]


class OddServer:
    """A server that answers each message as `answer` says; None: as the protocol has it, with one tool."""

    def __init__(self, answer: Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes] | None]) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append(message["method"])
                status, headers, body = answer(message) or _ordinary(message)
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.origin}/mcp"

    def __enter__(self) -> OddServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def result(message: dict[str, Any], value: Any) -> tuple[int, dict[str, str], bytes]:
    """An ordinary answer."""
    body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": value}).encode()
    return 200, {"content-type": "application/json"}, body


def _ordinary(message: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    match message["method"]:
        case "initialize":
            about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "odd", "version": "1"}}
            return result(message, {"protocolVersion": "2025-11-25", **about})
        case "tools/list":
            return result(message, {"tools": [{"name": "find", "inputSchema": {"type": "object"}}]})
        case "tools/call":
            return result(message, {"content": [{"type": "text", "text": "found"}]})
    return 202, {}, b""
