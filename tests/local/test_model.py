"""The scripted model: the bytes of the Messages API, and answers that fit the question."""

import http.client
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.model import answers as model_answers
from infra.local.model import script as model_script
from infra.local.model.server import Pace, ScriptedModel
from infra.local.model.stream import compose

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01", "content-type": "application/json"}


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(pace=Pace(0)) as scripted:
        yield scripted


def body(*said: str, **fields: Any) -> dict[str, Any]:
    """A conversation: the user's words and the assistant's, in turns."""
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]
    return {"model": "claude-sonnet-5-5", "max_tokens": 100_000, "messages": messages, **fields}


def answer(*said: str, **fields: Any) -> str:
    """What it says, without a server."""
    asked = body(*said, **fields)
    parts, _ = compose(asked, model_script.parse(model_answers.last_words(asked)))
    return parts[-1].text


def call(
    model: ScriptedModel, path: str, value: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(model.url.removeprefix("http://"), timeout=10)
    data = value if isinstance(value, bytes) else None if value is None else json.dumps(value).encode()
    try:
        connection.request("GET" if value is None else "POST", path, data, HEADERS if headers is None else headers)
        got = connection.getresponse()
        return got.status, {name.lower(): text for name, text in got.getheaders()}, got.read()
    finally:
        connection.close()


def events(raw: bytes) -> list[tuple[str, dict[str, Any]]]:
    """(event name, data) of a stream, whose every block must have exactly these two lines."""
    found = []
    for block in raw.decode().removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


# The API ----------------------------------------------------------------------------------------------------------------


def test_a_stream_has_the_events_of_the_api_in_their_order(model: ScriptedModel) -> None:
    status, headers, raw = call(model, "/v1/messages", body("/think a bit\n/say hello you", stream=True))
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert headers["transfer-encoding"] == "chunked"
    assert headers["request-id"].startswith("req_")
    found = events(raw)
    assert all(name == data["type"] for name, data in found)
    assert [name for name, _ in found] == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_delta",
        "content_block_stop", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    start = found[0][1]["message"]
    assert (start["role"], start["content"], start["stop_reason"]) == ("assistant", [], None)
    assert start["usage"]["output_tokens"] == 1
    deltas = [data["delta"]["type"] for name, data in found if name == "content_block_delta"]
    assert deltas == ["thinking_delta", "thinking_delta", "signature_delta", "text_delta", "text_delta"]
    assert found[-2][1]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert found[-2][1]["usage"]["output_tokens"] == 4


def test_without_stream_the_message_comes_whole(model: ScriptedModel) -> None:
    status, _, raw = call(model, "/v1/messages?beta=true", body("/think a\n/say hello"))
    message = json.loads(raw)
    assert (status, message["stop_reason"], message["usage"]["output_tokens"]) == (200, "end_turn", 2)
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][1]["text"] == "hello"
    assert model.requests[0].query == {"beta": ["true"]}


@pytest.mark.parametrize("version", ["2026-10-21", "2023-06-01"])
@pytest.mark.parametrize("key", [{"x-api-key": "k"}, {"authorization": "Bearer k"}])
def test_both_keys_and_both_versions_are_accepted(model: ScriptedModel, version: str, key: dict[str, str]) -> None:
    assert call(model, "/v1/messages", body("hi"), {**key, "anthropic-version": version})[0] == 200


@pytest.mark.parametrize(
    ("status", "kind", "change"),
    [
        (401, "authentication_error", {"headers": {"anthropic-version": "2023-06-01"}}),
        (400, "invalid_request_error", {"headers": {"x-api-key": "k"}}),
        (400, "invalid_request_error", {"headers": {"x-api-key": "k", "anthropic-version": "1999-01-01"}}),
        (400, "invalid_request_error", {"value": b"{no json"}),
        (400, "invalid_request_error", {"value": body("hi") | {"model": ""}}),
        (400, "invalid_request_error", {"value": body("hi") | {"max_tokens": 0}}),
        (400, "invalid_request_error", {"value": body()}),
        (400, "invalid_request_error", {"value": body("")}),
        (400, "invalid_request_error", {"value": body("hi") | {"messages": [{"role": "boss", "content": "x"}]}}),
        (400, "invalid_request_error", {"value": body("hi") | {"thinking": {"type": "enabled", "budget_tokens": 5}}}),
        (404, "not_found_error", {"path": "/v1/nothing"}),
    ],
)
def test_a_wrong_request_gets_the_apis_error(model: ScriptedModel, status: int, kind: str, change: dict[str, Any]) -> None:
    got, headers, raw = call(model, **{"path": "/v1/messages", "value": body("hi"), **change})
    error = json.loads(raw)
    assert (got, error["type"], error["error"]["type"]) == (status, "error", kind)
    assert error["error"]["message"]
    assert error["request_id"] == headers["request-id"]


def test_too_many_cache_marks_are_refused(model: ScriptedModel) -> None:
    block = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    assert call(model, "/v1/messages", body("hi", system=[block] * 5))[0] == 400


def test_the_official_client_lists_models_and_counts_tokens(model: ScriptedModel) -> None:
    import anthropic

    with anthropic.Anthropic(api_key="k", base_url=model.url, max_retries=0) as client:
        assert [found.id for found in client.models.list()] == ["claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"]
        assert client.models.retrieve("claude-opus-5-5").display_name == "Claude Opus 5 5"
        counted = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x" * 400}])
        assert 100 <= counted.input_tokens <= 120
        with client.messages.stream(model="m", max_tokens=99, messages=[{"role": "user", "content": "/say hello"}]) as stream:
            assert stream.get_final_text() == "hello"


def test_a_marked_prefix_is_paid_once(model: ScriptedModel) -> None:
    system = [{"type": "text", "text": "word " * 400, "cache_control": {"type": "ephemeral"}}]
    usages = [json.loads(call(model, "/v1/messages", body(text, system=system))[2])["usage"] for text in ("one", "other")]
    assert usages[0]["cache_read_input_tokens"] == 0
    assert usages[0]["cache_creation_input_tokens"] == usages[1]["cache_read_input_tokens"] >= 400
    assert usages[1]["cache_creation_input_tokens"] == 0
    assert usages[0]["cache_creation"]["ephemeral_5m_input_tokens"] >= 400


def test_a_prefix_that_is_too_short_is_not_kept() -> None:
    system = [{"type": "text", "text": "short", "cache_control": {"type": "ephemeral"}}]
    with ScriptedModel(pace=Pace(0), cache_least=1024) as model:
        usages = [json.loads(call(model, "/v1/messages", body("hi", system=system))[2])["usage"] for _ in range(2)]
    assert [usage["cache_read_input_tokens"] for usage in usages] == [0, 0]


def test_several_requests_share_a_connection(model: ScriptedModel) -> None:
    connection = http.client.HTTPConnection(model.url.removeprefix("http://"), timeout=10)
    for _ in range(3):
        connection.request("POST", "/v1/messages", json.dumps(body("hi", stream=True)), HEADERS)
        assert b"message_stop" in connection.getresponse().read()
    connection.close()
    assert [request.closed_early for request in model.requests] == [False] * 3


def test_a_request_in_chunks_is_read(model: ScriptedModel) -> None:
    connection = http.client.HTTPConnection(model.url.removeprefix("http://"), timeout=10)
    text = json.dumps(body("/say hello")).encode()
    connection.request("POST", "/v1/messages", iter([text[:9], text[9:]]), HEADERS, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["content"][0]["text"] == "hello"
    connection.close()


def test_a_request_that_is_too_large_is_refused_by_the_apis_error(model: ScriptedModel) -> None:
    got, _, raw = call(model, "/v1/messages", b" " * (32 * 1024 * 1024 + 1))
    assert (got, json.loads(raw)["error"]["type"]) == (413, "request_too_large")


@pytest.mark.parametrize("fault", ["reset", "broken", "truncated", "json", "midstream"])
def test_a_connection_that_a_fault_ended_leaves_the_server_serving(model: ScriptedModel, fault: str) -> None:
    with suppress(http.client.HTTPException, ConnectionError):
        call(model, "/v1/messages", body(f"/fail {fault} 2\nhello there", stream=True))
    assert call(model, "/v1/messages", body("hi"))[0] == 200


def test_a_client_that_leaves_is_noticed_at_once(model: ScriptedModel) -> None:
    connection = http.client.HTTPConnection(model.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/v1/messages", json.dumps(body("/fail stall 2\nhello there", stream=True)), HEADERS)
    connection.getresponse().read1(10)
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    assert model.requests[0].done.wait(1)
    assert model.requests[0].closed_early


def test_it_waits_for_a_client_whose_file_has_a_number_over_a_thousand(model: ScriptedModel) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip("this machine lets a process open fewer than 2,000 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    with ExitStack() as files:
        for _ in range(1100):
            files.enter_context(open(os.devnull))
        status, _, raw = call(model, "/v1/messages", body("/slow 0.1\n/say hello"))
    assert (status, json.loads(raw)["content"][0]["text"]) == (200, "hello")


def test_a_stopped_server_ends_what_it_was_saying() -> None:
    model = ScriptedModel(pace=Pace(0)).start()
    ended = threading.Event()

    def listen() -> None:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            call(model, "/v1/messages", body("/fail stall 1\nhi", stream=True))
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    model.wait_for(1)
    model.stop()
    assert ended.wait(2)
    thread.join()


def test_it_speaks_at_its_pace(model: ScriptedModel) -> None:
    call(model, "/v1/messages", body("/pace 100\n/say " + "word " * 30, stream=True))
    (request,) = model.requests
    assert request.done.wait(1)
    assert request.sent == 30
    assert (request.ended_at or 0) - request.at >= 0.28


def test_it_runs_as_a_program() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "infra.local.model", "--port", "0", "--pace", "0"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            port = int(re.search(r":(\d+)$", line.strip())[1])  # type: ignore[index]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/v1/models")
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            program.kill()


# Directives -------------------------------------------------------------------------------------------------------------


def test_only_the_last_block_of_the_last_message_orders_anything(model: ScriptedModel) -> None:
    blocks = [{"type": "text", "text": "/fail overloaded"}, {"type": "text", "text": "hi"}]
    merged = body("/fail overloaded") | {"messages": [{"role": "user", "content": blocks}]}
    assert call(model, "/v1/messages", merged)[0] == 200
    assert call(model, "/v1/messages", body("/fail overloaded", "sorry", "hi"))[0] == 200
    assert call(model, "/v1/messages", body("hi", "hello", "please\n/fail overloaded"))[0] == 529


def test_a_failure_so_many_times_is_counted_for_each_prompt(model: ScriptedModel) -> None:
    for text in ("/fail server 2\na", "/fail server 2\nb"):
        assert [call(model, "/v1/messages", body(text))[0] for _ in range(3)] == [500, 500, 200]


def test_a_rate_limit_says_how_long_to_wait(model: ScriptedModel) -> None:
    status, headers, _ = call(model, "/v1/messages", body("/fail rate_limited 7"))
    assert (status, headers["retry-after"]) == (429, "7")


def test_a_directive_that_is_none_is_explained_or_left_alone() -> None:
    assert "help" in answer("/fail everything")
    assert "number" in answer("/pace fast")
    assert "shrug" in answer("/shrug is how I feel")


def test_help_shows_every_directive() -> None:
    shown = answer("help")
    for name in [*model_script.STATUS_FAULTS, *model_script.STREAM_FAULTS, "empty"]:
        assert name in shown
    for word in ("/max_tokens", "/slow", "/silent", "/pace", "/think", "/say"):
        assert word in shown


@given(st.text())
def test_any_message_gets_a_well_formed_answer(text: str) -> None:
    asked = body(text or "x")
    parts, reason = compose(asked, model_script.parse(model_answers.last_words(asked)))
    assert reason in ("end_turn", "max_tokens")
    assert all(part.chunks for part in parts)


# What it says -----------------------------------------------------------------------------------------------------------


def test_a_greeting_gets_a_short_line_by_the_systems_name() -> None:
    said = answer("Hi", "Hello", "hello!", system="You are Nova, a helpful assistant.")
    assert "Nova" in said
    assert len(said) < 80
    assert "\n" not in said


def test_it_is_honest_about_what_it_is() -> None:
    for question in ("Who are you?", "are you a real person?", "Which model are you?", "Are you Claude?"):
        assert "scripted model" in answer(question)


@pytest.mark.parametrize("count", [1, 7, 100, 40_000])
def test_a_length_in_characters_is_exact(count: int) -> None:
    assert len(answer(f"write {count} characters about rivers")) == count


def test_a_length_may_be_written_in_several_ways() -> None:
    assert len(answer("please write 40,000 characters")) == 40_000
    assert len(answer("write 2k characters")) == 2000
    assert len(answer("tell me about rivers in five words").split()) == 5
    assert len(answer("a 300 word essay about rivers").split()) == 300
    assert len(answer("three paragraphs on snow").split("\n\n")) == 3


def test_a_list_has_as_many_points_as_asked() -> None:
    assert len(re.findall(r"^\d+\. ", answer("a list of 10 fruits"), re.M)) == 10
    assert len(re.findall(r"^\d+\. ", answer("give me 3 good reasons to walk"), re.M)) == 3


def test_code_is_fenced_in_its_language() -> None:
    assert "```typescript\n" in answer("write a function in TypeScript")
    python = re.search(r"```python\n(.*?)```", answer("write a python function for prime numbers"), re.S)
    assert python
    compile(python[1], "answer", "exec")


def test_a_table_a_sum_and_an_echo() -> None:
    assert "|---|" in answer("a table of dogs")
    assert "**51**" in answer("What is 17 * 3?")
    assert answer('say "good morning"') == "good morning"


def test_long_is_long_and_short_is_short() -> None:
    assert len(answer("a long story about bees")) > 2500
    assert len(answer("bees, in short")) < 160
    assert 300 < len(answer("How do bees find their way?")) < 2000


def test_it_remembers_what_was_said() -> None:
    log = ("My name is Ada", "hello", "I like rivers", "fine")
    assert answer(*log, "what is my name?") == "Your name is Ada."
    assert "I like rivers" in answer(*log, "what did I just say?")
    assert "My name is Ada" in answer(*log, "what was my first message?")
    assert "3 messages" in answer(*log, "how many messages did I send?")
    assert "message number 3" in answer(*log, "why do rivers bend?")


def test_it_says_the_same_to_the_same_request() -> None:
    assert answer("why do rivers bend?") == answer("why do rivers bend?")
    assert answer("why do rivers bend?") != answer("why do rivers flow?")
