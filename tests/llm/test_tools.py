"""Servers of tools, thinking, images and paused turns: the real SDK and the bytes of the wire."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.llm import Event, ModelFailed, Prompt, Turn, reply, stream
from chalicelib.llm.claude import PAUSES
from chalicelib.llm.outcome import Tool
from infra.local.model.server import ScriptedModel
from tests.llm.test_claude import QUICK, at, finish, hear, said

SERVERS = ({"name": "search", "url": "https://search.example/mcp", "authorization_token": "sk-CANARY"},)
PIXEL = "iVBORw0KGgo="


def ask(text: str, **fields: Any) -> Prompt:
    return Prompt("claude-sonnet-5-5", messages=[Turn("user", text)], **{"mcp_servers": SERVERS, **fields})


def tools(heard: list[Event]) -> list[dict[str, Any]]:
    return [event.part for event in heard if isinstance(event, Tool)]


def test_a_call_is_told_with_its_input_and_its_answer_before_the_text(model: ScriptedModel) -> None:
    heard, failed = hear(stream(ask('/think first look\n/tool find {"q": "bridge", "n": 2}\n/say in Scotland'), at(model)))
    assert failed is None
    kinds = [type(event).__name__ if isinstance(event, Tool) else getattr(event, "kind", "end") for event in heard]
    assert [kind for at, kind in enumerate(kinds) if kind != kinds[at - 1]] == ["thinking", "Tool", "text", "end"]
    call, result = tools(heard)
    assert call == {"type": "tool_call", "id": call["id"], "name": "find", "server": "search", "input": {"q": "bridge", "n": 2}}
    assert result == {"type": "tool_result", "id": call["id"], "isError": False, "content": [{"type": "text", "text": "done"}]}
    assert (said(heard), said(heard, "thinking")) == ("in Scotland", "first look")


def test_a_tool_that_fails_is_an_answer_that_says_so(model: ScriptedModel) -> None:
    heard, failed = hear(stream(ask("/tool_error find no such place\n/say sorry"), at(model)))
    assert failed is None
    assert [part.get("isError") for part in tools(heard)] == [None, True]
    assert tools(heard)[1]["content"][0]["text"] == "no such place"


def test_a_tool_that_was_called_is_not_called_again_after_a_failure(model: ScriptedModel) -> None:
    heard, failed = hear(reply(ask("/tool find x\n/fail midstream 3\n/say one two three"), at(model), policy=QUICK))
    assert failed is not None
    assert (len(tools(heard)), len(model.requests)) == (2, 1)


def test_without_servers_the_request_is_no_beta(model: ScriptedModel) -> None:
    hear(stream(ask("hi", mcp_servers=()), at(model)))
    (request,) = model.requests
    assert ("anthropic-beta" in request.headers, "tools" in request.body, "beta" in request.query) == (False, False, False)


# Paused turns -----------------------------------------------------------------------------------------------------------


def test_a_paused_turn_goes_on_with_what_it_has_said(model: ScriptedModel) -> None:
    prompt = ask("/pause\n/think hard\n/tool one a\n/tool two b\n/say found both")
    heard, failed = hear(reply(prompt, at(model)))
    assert failed is None
    assert [part.get("name") for part in tools(heard)] == ["one", None, "two", None]
    assert (said(heard), said(heard, "thinking"), finish(heard).stop_reason) == ("found both", "hard", "end_turn")
    assert len(model.requests) == 3
    last = model.requests[2].body["messages"][-1]
    assert last["role"] == "assistant"
    assert [block["type"] for block in last["content"]] == [
        "thinking",
        "mcp_tool_use",
        "mcp_tool_result",
        "mcp_tool_use",
        "mcp_tool_result",
    ]
    assert last["content"][0]["signature"], "a thought goes back signed, as it came"
    assert last["content"][1]["input"] == {"words": "a"}


def test_the_usage_of_a_reply_is_that_of_all_its_turns(model: ScriptedModel) -> None:
    heard, _ = hear(reply(ask("/pause\n/tool one a\n/say done"), at(model)))
    asked = [request.body["max_tokens"] for request in model.requests]
    assert len(asked) == 2
    usage = finish(heard).usage
    assert usage["outputTokens"] == 3, "two chunks of the input, one of the text"
    assert asked[0] - asked[1] == 2, "max_tokens is for the whole reply"
    assert usage["inputTokens"] + usage["cacheReadTokens"] + usage["cacheCreationTokens"] > 0


def test_a_turn_that_always_pauses_is_not_asked_for_ever(model: ScriptedModel) -> None:
    heard, failed = hear(reply(ask("/pause\n/say again"), at(model)))
    assert failed is None
    assert (finish(heard).stop_reason, len(model.requests)) == ("pause_turn", 1 + PAUSES)


def test_pauses_cannot_make_a_reply_longer_than_it_may_be(model: ScriptedModel) -> None:
    heard, _ = hear(reply(ask("/pause\n/say one two three", max_tokens=4), at(model)))
    assert (finish(heard).stop_reason, finish(heard).usage["outputTokens"]) == ("max_tokens", 4)


def test_a_stop_in_a_paused_turn_ends_it(model: ScriptedModel) -> None:
    heard, failed = hear(reply(ask("/pause\n/tool one a\n/say done"), at(model), lambda: len(model.requests) > 1))
    assert failed is None
    assert finish(heard).stop_reason == "stopped"
    assert finish(heard).usage["outputTokens"] >= 2, "the first turn's cost is kept"


# Errors -----------------------------------------------------------------------------------------------------------------


def test_a_server_that_refuses_its_token_is_an_mcp_error_and_not_asked_again(model: ScriptedModel) -> None:
    _, failed = hear(reply(ask("/fail mcp"), at(model), policy=QUICK))
    assert isinstance(failed, ModelFailed)
    assert (failed.reason, failed.retryable, len(model.requests)) == ("mcp_error", False, 1)


# Thinking and images ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, None),
        ({"thinking": "off"}, {"type": "disabled"}),
        ({"thinking": True}, {"type": "adaptive", "display": "summarized"}),
        ({"thinking": True, "options": {"thinkingBudget": 2048}}, {"type": "enabled", "budget_tokens": 2048}),
    ],
)
def test_thinking_is_asked_for_in_the_apis_words(model: ScriptedModel, fields: dict[str, Any], sent: Any) -> None:
    _, failed = hear(stream(ask("/say ok", **fields), at(model)))
    assert failed is None
    assert model.requests[0].body.get("thinking") == sent


def test_an_image_stands_before_its_text(model: ScriptedModel) -> None:
    prompt = Prompt("m", messages=[Turn("user", "/say a dot", (("image/png", PIXEL),))])
    heard, failed = hear(stream(prompt, at(model)))
    assert failed is None
    image, text = model.requests[0].body["messages"][0]["content"]
    assert image == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    assert (text["text"], said(heard)) == ("/say a dot", "a dot")


def test_an_image_of_an_unknown_kind_is_refused_by_the_api(model: ScriptedModel) -> None:
    _, failed = hear(stream(Prompt("m", messages=[Turn("user", "what", (("image/tiff", PIXEL),))]), at(model)))
    assert failed is not None
    assert failed.reason == "invalid_request"
