"""Servers of tools (MCP) that are asked from here, where somebody is to be asked before a tool is used.

Streamable HTTP (modelcontextprotocol.io, "Transports", 2025-11-25): each message of ours is a POST, and its answer is JSON or a
stream of events. Spoken here in three calls (`initialize`, `tools/list`, `tools/call`), because the protocol's own package takes
1.5 s and 27 MB to load, with a web server in it, and knows neither a wall of bytes nor an address that was looked at.

An address was written by a user: it is reached as `reach.py` does, without redirects, and what a server says is data. Everything
is bounded in time, bytes and number, and nothing is ever sent twice.
"""

from __future__ import annotations

import http.client
import itertools
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chalicelib.data.json_text import problem, whole_value
from chalicelib.reach import Checked, Resolve, Unreachable, resolve

logger = logging.getLogger("concave")

VERSION = "2025-11-25"
ACCEPTED = ("2024-11-05", "2025-03-26", "2025-06-18", VERSION)
LIST_S, CALL_S = 15.0, 60.0
"""Seconds for a server's list of tools, and for one call."""
LARGEST_ANSWER = 100_000
"""Bytes of an answer to a call, as JSON; a list may have four times as many on its way."""
MOST_TOOLS, LARGEST_TOOLS = 100, 100_000
"""Tools of all servers of one reply, and their bytes as JSON."""
WAKE_S = 0.1
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


class ToolServerFailed(Exception):
    """A server of tools did not answer as it has to. The message goes on from "it", without addresses and secrets."""


@dataclass(frozen=True)
class ToolServer:
    """A server whose tools are used from here.

    Args:
        private: whether its address may be one of this machine's or a private network's: the operator has named it.
    """

    name: str
    url: str
    token: str | None = field(default=None, repr=False)
    private: bool = False


def tools(server: ToolServer, stopped: Callable[[], bool], resolver: Resolve = resolve) -> list[dict[str, Any]]:
    """The tools of a server: `name`, `description`, `inputSchema`. What is no tool is left out.

    Raises:
        ToolServerFailed: it cannot be reached, takes too long, or says too much.
    """
    found: list[dict[str, Any]] = []

    def ask(talk: _Talk) -> list[dict[str, Any]]:
        talk.begin()
        cursor: str | None = None
        while True:
            page = talk.ask("tools/list", {} if cursor is None else {"cursor": cursor}, 4 * LARGEST_TOOLS)
            listed = page.get("tools")
            listed = listed if isinstance(listed, list) else []
            found.extend(each for each in listed if _is_tool(server, each))
            cursor = page.get("nextCursor")
            if len(found) > MOST_TOOLS or len(json.dumps(found)) > LARGEST_TOOLS:
                raise ToolServerFailed(f"has more than {MOST_TOOLS} tools, or {LARGEST_TOOLS} bytes of them")
            if not isinstance(cursor, str) or not listed:
                return found

    return list(_in_time(server, ask, LIST_S, stopped, resolver))


def call(
    server: ToolServer,
    name: str,
    arguments: Any,
    stopped: Callable[[], bool],
    resolver: Resolve = resolve,
) -> tuple[list[dict[str, Any]], bool]:
    """Call a tool, once. Returns its answer as the model is told it (blocks of text and pictures), and whether it is an error.

    Raises:
        ToolServerFailed: there is no answer; the tool may have done its work all the same.
    """

    def ask(talk: _Talk) -> tuple[list[dict[str, Any]], bool]:
        talk.begin()
        said = talk.ask("tools/call", {"name": name, "arguments": arguments}, LARGEST_ANSWER)
        content = said.get("content")
        blocks = [_block(each) for each in content if isinstance(each, dict)] if isinstance(content, list) else []
        if not blocks and "structuredContent" in said:
            blocks = [_text(json.dumps(said["structuredContent"], ensure_ascii=False))]
        return blocks or [_text("(no content)")], bool(said.get("isError"))

    blocks, fails = _in_time(server, ask, CALL_S, stopped, resolver)
    return blocks, fails


def _is_tool(server: ToolServer, told: Any) -> bool:
    """Whether the model can be offered a tool: its name is a text, and its input is described as an object (JSON Schema)."""
    schema = told.get("inputSchema") if isinstance(told, dict) else None
    named = isinstance(told, dict) and isinstance(told.get("name"), str) and 1 <= len(told["name"]) <= 200
    if named and isinstance(schema, dict) and schema.get("type") == "object" and not problem(json.dumps(told)):
        return True
    logger.warning(
        "a tool of a server was left out: it has no name, or its input is no JSON Schema of an object: %s", server.name
    )
    return False


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": whole_value(text) or "(no text)"}


def _block(told: dict[str, Any]) -> dict[str, Any]:
    """One piece of an answer, as the Messages API takes it."""
    kind = told.get("type")
    if kind == "text" and isinstance(told.get("text"), str):
        return _text(told["text"])
    if kind == "image" and told.get("mimeType") in PICTURES and isinstance(told.get("data"), str):
        return {"type": "image", "source": {"type": "base64", "media_type": told["mimeType"], "data": told["data"]}}
    if kind in ("resource", "resource_link"):
        return _text(json.dumps({name: value for name, value in told.items() if name != "type"}, ensure_ascii=False))
    return _text(f"({kind} cannot be told)")


def _in_time(
    server: ToolServer, ask: Callable[[_Talk], Any], seconds: float, stopped: Callable[[], bool], resolver: Resolve
) -> Any:
    """Do this in a thread, which is cut off when its time is up or the reply was stopped."""
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    until = time.monotonic() + seconds
    made: list[_Talk] = []
    over = threading.Event()

    def work() -> None:
        try:
            made.append(_Talk(server, seconds, resolver))
            if over.is_set():  # nobody waits any more: nothing is sent
                return
            heard.put((ask(made[0]), None))
        except ToolServerFailed as failed:
            heard.put((None, failed))
        except (Unreachable, OSError, http.client.HTTPException) as error:
            heard.put((None, ToolServerFailed(f"cannot be reached ({type(error).__name__})")))
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the caller's thread says so
            heard.put((None, error))
        finally:
            if made:
                made[0].end()

    threading.Thread(target=work, name="tool-server", daemon=True).start()
    while True:
        try:
            found, failed = heard.get(timeout=WAKE_S)
        except queue.Empty:
            late = time.monotonic() >= until
            if not late and not stopped():
                continue
            over.set()
            for each in made:
                each.connection.cut()
            raise ToolServerFailed(f"gave no answer within {seconds:g} seconds" if late else "was not waited for") from None
        if failed is not None:
            raise failed
        return found


class _Talk:
    """One session with a server, over one connection."""

    def __init__(self, server: ToolServer, seconds: float, resolver: Resolve) -> None:
        self.connection = Checked(server.url, seconds=seconds, private=server.private, resolver=resolver)
        self._numbers = itertools.count(1)
        self._headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if server.token:
            self._headers["authorization"] = f"Bearer {server.token}"

    def begin(self) -> None:
        """Agree on the version of the protocol."""
        about = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "concave", "version": "1"}}
        agreed = self.ask("initialize", about, LARGEST_ANSWER).get("protocolVersion")
        if agreed not in ACCEPTED:
            raise ToolServerFailed("speaks no version of the protocol that is known here")
        self._headers["mcp-protocol-version"] = agreed
        self._post({"jsonrpc": "2.0", "method": "notifications/initialized"}, LARGEST_ANSWER, None)

    def ask(self, method: str, params: dict[str, Any], most: int) -> dict[str, Any]:
        """One question and its result. Raises `ToolServerFailed`, and what the connection raises."""
        number = next(self._numbers)
        said = self._post({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, most, number)
        if said is not None and isinstance(said.get("error"), dict):
            raise ToolServerFailed(f"refused {method}: {str(said['error'].get('message', ''))[:300]}")
        if said is None or not isinstance(said.get("result"), dict):
            raise ToolServerFailed(f"gave no answer to {method}")
        result: dict[str, Any] = said["result"]
        return result

    def end(self) -> None:
        """Say that the session is over, where there is one; whether it is heard is the server's affair."""
        try:
            if "mcp-session-id" in self._headers:
                self.connection.timeout = 2.0
                self.connection.request("DELETE", self.connection.target, headers=self._headers)
                self.connection.getresponse().close()
        except (OSError, http.client.HTTPException):
            logger.debug("a server of tools was not told that its session is over")
        finally:
            self.connection.close()

    def _post(self, message: dict[str, Any], most: int, number: int | None) -> dict[str, Any] | None:
        """Send a message. Returns the answer of this number; None where it has none."""
        self.connection.request("POST", self.connection.target, json.dumps(message).encode(), self._headers)
        answer = self.connection.getresponse()
        if answer.status // 100 != 2:
            answer.close()
            raise ToolServerFailed(f"answered with status {answer.status}")
        if session := answer.headers.get("mcp-session-id"):
            self._headers["mcp-session-id"] = session
        streams = (answer.headers.get("content-type") or "").startswith("text/event-stream")
        for text in _events(answer, most) if streams else [_whole(answer, most)]:
            said = _read(text)
            if number is not None and isinstance(said, dict) and said.get("id") == number and "method" not in said:
                if streams:
                    self.connection.close()  # what else the stream would say is not waited for
                return said
        return None


def _read(text: bytes) -> Any:
    """JSON that can be followed; None for anything else."""
    try:
        told = text.decode()
        return None if not told.strip() or problem(told) else json.loads(told)
    except (ValueError, RecursionError):
        return None


def _whole(answer: http.client.HTTPResponse, most: int) -> bytes:
    text = answer.read(most + 1)
    if len(text) > most:
        raise _too_much(most)
    answer.close()
    return text


def _events(answer: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """The data of each event of a stream (HTML, "Server-sent events"). All of it together is bounded."""
    read, data = 0, b""
    for line in iter(partial(answer.readline, most + 1), b""):
        read += len(line)
        if read > most:
            raise _too_much(most)
        line = line.rstrip(b"\r\n")
        if line.startswith(b"data:"):
            data += line[5:].removeprefix(b" ") + b"\n"
        elif not line and data:
            yield data
            data = b""


def _too_much(most: int) -> ToolServerFailed:
    return ToolServerFailed(f"answered with more than {most} bytes")
