"""The scripted model calls tools of the client, and goes on with what they answered: seen with the official SDK."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic

from infra.local.model.server import Pace, ScriptedModel

TOOLS: list[Any] = [{"name": "bash", "description": "runs", "input_schema": {"type": "object"}}]


@pytest.fixture
def client() -> Iterator[Anthropic]:
    with ScriptedModel(pace=Pace(0)) as scripted, Anthropic(base_url=scripted.url, api_key="k", max_retries=0) as client:
        yield client


def asked(client: Anthropic, messages: list[Any], tools: list[Any] = TOOLS) -> Any:
    with client.messages.stream(model="claude-sonnet-5-5", max_tokens=1000, messages=messages, tools=tools) as stream:
        return stream.get_final_message()


def after(messages: list[Any], message: Any, answer: str, fails: bool = False) -> list[Any]:
    """The conversation after the client ran what was called."""
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": answer, "is_error": fails}
        for block in message.content
        if block.type == "tool_use"
    ]
    said = [block.model_dump(exclude_none=True) for block in message.content]
    return [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": results}]


def test_a_tool_that_the_request_offers_is_called_with_the_ordered_input(client: Anthropic) -> None:
    call = {"command": 'echo "é"'}
    message = asked(client, [{"role": "user", "content": f"/use bash {json.dumps(call)}\n/say done"}])
    assert message.stop_reason == "tool_use"
    assert [(block.type, block.name, block.input) for block in message.content] == [("tool_use", "bash", call)]


def test_after_the_result_the_turn_goes_on_to_the_next_call_and_then_to_words(client: Anthropic) -> None:
    start: list[Any] = [{"role": "user", "content": '/use bash {"command": "one"}\n/use bash {"command": "two"}\n/say all done'}]
    first = asked(client, start)
    once = after(start, first, "1")
    second = asked(client, once)
    assert (first.content[0].input, second.content[0].input) == ({"command": "one"}, {"command": "two"})
    assert first.content[0].id != second.content[0].id
    last = asked(client, after(once, second, "2"))
    assert (last.stop_reason, [block.text for block in last.content]) == ("end_turn", ["all done"])


def test_without_ordered_words_it_says_what_the_tool_answered(client: Anthropic) -> None:
    start: list[Any] = [{"role": "user", "content": '/use bash {"command": "ls"}'}]
    last = asked(client, after(start, asked(client, start), "a.txt b.txt"))
    assert last.content[-1].text == "The tool answered: a.txt b.txt"
    denied = asked(client, after(start, asked(client, start), "rejected", fails=True))
    assert denied.content[-1].text == "The tool failed: rejected"


def test_a_tool_that_is_not_offered_is_not_called(client: Anthropic) -> None:
    message = asked(client, [{"role": "user", "content": "/use write {}\n/say none"}])
    assert (message.stop_reason, message.content[0].text) == ("end_turn", "none")


def test_it_insists_on_a_call_that_failed_only_where_that_is_ordered(client: Anthropic) -> None:
    start: list[Any] = [{"role": "user", "content": "/use bash {}\n/insist"}]
    again = asked(client, after(start, asked(client, start), "denied", fails=True))
    assert again.stop_reason == "tool_use"
    assert asked(client, after(start, asked(client, start), "fine")).stop_reason == "end_turn"


def test_words_that_an_agent_adds_are_not_the_users_and_end_no_order(client: Anthropic) -> None:
    order = {"type": "text", "text": '/use bash {"command": "x"}\n/say done'}
    reminder = {"type": "text", "text": "<system-reminder>\nmind the files\n</system-reminder>"}
    start: list[Any] = [{"role": "user", "content": [reminder, order, reminder]}]
    first = asked(client, start)
    answered = after(start, first, "ok")
    answered[-1]["content"].append(reminder)
    assert first.stop_reason == "tool_use"
    assert asked(client, answered).content[-1].text == "done"


def test_a_new_question_after_a_tool_is_a_turn_of_its_own(client: Anthropic) -> None:
    start: list[Any] = [{"role": "user", "content": "/use bash {}\n/say done"}]
    done = after(start, asked(client, start), "ok")
    more = [*done, {"role": "assistant", "content": "done"}, {"role": "user", "content": "/use bash {}\n/say again"}]
    assert asked(client, more).stop_reason == "tool_use"


def test_a_whole_answer_holds_the_whole_input(client: Anthropic) -> None:
    message = client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=1000,
        tools=TOOLS,
        messages=[{"role": "user", "content": '/use bash {"command": "ls"}'}],
    )
    block = message.content[0]
    assert block.type == "tool_use"
    assert (message.stop_reason, block.input) == ("tool_use", {"command": "ls"})


def test_an_order_that_cannot_be_read_is_explained(client: Anthropic) -> None:
    for order in ("/use", "/use bash [1]", "/use bash {oops"):
        message = asked(client, [{"role": "user", "content": order}])
        assert message.content[0].text == "/use takes a tool's name and a JSON object"
