"""A server of tools that is asked from here: what it may say, how much of it, and where it may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.llm import mcp
from chalicelib.llm.mcp import ToolServer, ToolServerFailed
from tests.support import tool_server
from tests.support.tool_server import OddServer, result

Message = dict[str, Any]


def never() -> bool:
    """The reply was not stopped."""
    return False


def at(server: OddServer | tool_server.ToolServer) -> ToolServer:
    """A server that the operator of a laptop has named."""
    return ToolServer("tools", server.url, private=True)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_protocols_own_server_is_understood_in_both_ways_of_answering(as_json: bool) -> None:
    with tool_server.ToolServer(as_json) as server:
        assert [each["name"] for each in mcp.tools(at(server), never)] == ["find", "note", "slow", "broken", "large"]
        assert mcp.call(at(server), "find", {"words": "x"}, never) == ([{"type": "text", "text": "found x"}], False)
        assert mcp.call(at(server), "broken", {}, never)[1]
        sessions = [each for each in server.headers if "mcp-session-id" in each]
        assert {each["mcp-protocol-version"] for each in sessions} == {"2025-11-25"}


def test_tools_that_are_none_are_left_out() -> None:
    good: Message = {"name": "good", "inputSchema": {"type": "object"}}
    bad: list[Any] = [
        {"name": "no schema"},
        {"name": "text", "inputSchema": {"type": "string"}},
        {"name": "list", "inputSchema": []},
        {"name": 5, "inputSchema": {"type": "object"}},
        {"name": "", "inputSchema": {"type": "object"}},
        "text",
        None,
    ]
    with OddServer(lambda told: result(told, {"tools": [*bad, good]}) if told["method"] == "tools/list" else None) as server:
        assert mcp.tools(at(server), never) == [good]


def test_a_list_comes_in_pages_and_has_an_end() -> None:
    def pages(told: Message) -> Any:
        if told["method"] != "tools/list":
            return None
        at_page = int(told["params"].get("cursor", 0))
        tool = {"name": f"t{at_page}", "inputSchema": {"type": "object"}}
        return result(told, {"tools": [tool], **({"nextCursor": str(at_page + 1)} if at_page < most else {})})

    with OddServer(pages) as server:
        most = 2
        assert [each["name"] for each in mcp.tools(at(server), never)] == ["t0", "t1", "t2"]
        most = 10**6
        with pytest.raises(ToolServerFailed, match="more than 100 tools"):
            mcp.tools(at(server), never)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((401, {}, b""), "status 401"),
        ((307, {"location": "http://169.254.169.254/"}, b""), "status 307"),
        ((200, {"content-type": "application/json"}, b"<html>"), "no answer"),
        ((200, {"content-type": "application/json"}, b"[" * 10_000), "no answer"),
        ((200, {"content-type": "application/json"}, b"[]"), "no answer"),
        ((200, {"content-type": "text/event-stream"}, b"data: {}\n\n"), "no answer"),
        ((200, {"content-type": "text/event-stream"}, b"data: " + b"x" * 500_000), "more than 100000 bytes"),
        ((200, {"content-type": "application/json"}, b" " * 500_000), "more than 100000 bytes"),
    ],
)
def test_whatever_a_server_says_is_a_failure_with_a_sentence(answer: Any, why: str) -> None:
    with OddServer(lambda told: answer if told["method"] == "tools/call" else None) as server:
        with pytest.raises(ToolServerFailed, match=why):
            mcp.call(at(server), "find", {}, never)
        assert server.asked.count("tools/call") == 1, "nothing is sent twice"


def test_an_unknown_version_and_an_error_are_failures() -> None:
    old = OddServer(lambda told: result(told, {"protocolVersion": "1999-01-01"}))
    with old as server, pytest.raises(ToolServerFailed, match="version"):
        mcp.tools(at(server), never)
    refusal = json.dumps({"jsonrpc": "2.0", "id": 2, "error": {"code": -1, "message": "not today"}}).encode()
    kind = {"content-type": "application/json"}
    refusing = OddServer(lambda told: (200, kind, refusal) if told["method"] == "tools/call" else None)
    with refusing as server, pytest.raises(ToolServerFailed, match="refused tools/call: not today"):
        mcp.call(at(server), "find", {}, never)


def test_pictures_are_told_and_what_cannot_be_is_named() -> None:
    content = [
        {"type": "image", "mimeType": "image/png", "data": "aGk="},
        {"type": "image", "mimeType": "image/tiff", "data": "aGk="},
        {"type": "audio", "mimeType": "audio/wav", "data": "aGk="},
        {"type": "resource_link", "uri": "file:///x"},
        {"type": "text", "text": "\ud83d"},
        "text",
    ]
    with OddServer(lambda told: result(told, {"content": content}) if told["method"] == "tools/call" else None) as server:
        picture, *others = mcp.call(at(server), "find", {}, never)[0]
    assert picture == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    assert [each["text"] for each in others] == [
        "(image cannot be told)",
        "(audio cannot be told)",
        '{"uri": "file:///x"}',
        "\ufffd",
    ]


def test_a_call_that_is_not_waited_for_any_more_is_cut() -> None:
    with tool_server.ToolServer() as server, pytest.raises(ToolServerFailed, match="not waited for"):
        mcp.call(at(server), "slow", {"seconds": 30}, lambda: bool(server.calls))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1", "::ffff:10.1.1.1"])
def test_a_name_that_stands_for_a_private_address_is_not_reached(address: str) -> None:
    server = ToolServer("tools", "https://tools.example.org/mcp")
    with pytest.raises(ToolServerFailed, match=r"cannot be reached \(Unreachable\)"):
        mcp.call(server, "find", {}, never, resolver=lambda host, port: ["93.184.216.34", address])
