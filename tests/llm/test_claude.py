"""The real SDK against the scripted model: every way in which a reply can end."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.llm import Chunk, Event, Finished, Joiner, ModelFailed, ModelSettings, Prompt, Retry, Turn, reply, stream
from infra.local.model.server import ScriptedModel

QUICK = Retry(base_s=0.01)


def ask(text: str, **fields: Any) -> Prompt:
    return Prompt("claude-sonnet-5-5", fields.pop("system", ""), [Turn("user", text)], **fields)


def at(model: ScriptedModel, **fields: Any) -> ModelSettings:
    return ModelSettings(model.url, "key", **fields)


def hear(events: Any) -> tuple[list[Event], ModelFailed | None]:
    """All events, and the failure that ended them."""
    heard: list[Event] = []
    try:
        for event in events:
            heard.append(event)
    except ModelFailed as failed:
        return heard, failed
    return heard, None


def said(events: list[Event], kind: str = "text") -> str:
    return "".join(event.text for event in events if isinstance(event, Chunk) and event.kind == kind)


def finish(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


# Good endings -----------------------------------------------------------------------------------------------------------


def test_a_reply_is_its_chunks_and_then_its_end(model: ScriptedModel) -> None:
    heard, failed = hear(stream(ask("/say one two three four"), at(model)))
    assert failed is None
    assert said(heard) == "one two three four"
    assert len(heard) == 5
    assert finish(heard).stop_reason == "end_turn"
    assert finish(heard).usage["outputTokens"] == 4
    assert finish(heard).usage["inputTokens"] > 0


def test_the_request_is_what_the_api_wants(model: ScriptedModel) -> None:
    hear(stream(ask("hi", system="You are Nova.", max_tokens=77), at(model)))
    (request,) = model.requests
    assert (request.path, request.body["stream"], request.body["max_tokens"]) == ("/v1/messages", True, 77)
    assert request.headers["authorization"] == "Bearer key"
    assert "x-api-key" not in request.headers
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert request.body["system"][0]["text"] == "You are Nova."


def test_thinking_comes_first_and_apart(model: ScriptedModel) -> None:
    heard, _ = hear(stream(ask("/think hard about it\n/say done", thinking=True), at(model)))
    assert (said(heard, "thinking"), said(heard)) == ("hard about it", "done")
    kinds = [event.kind for event in heard if isinstance(event, Chunk)]
    assert kinds == sorted(kinds, reverse=True)


def test_an_answer_cut_by_max_tokens_is_a_success_that_says_so(model: ScriptedModel) -> None:
    heard, failed = hear(stream(ask("write 500 characters", max_tokens=6), at(model)))
    assert failed is None
    assert (finish(heard).stop_reason, len(heard)) == ("max_tokens", 7)


def test_an_empty_answer_is_an_answer(model: ScriptedModel) -> None:
    heard, failed = hear(stream(ask("/fail empty"), at(model)))
    assert failed is None
    assert [type(event) for event in heard] == [Finished]


def test_the_second_turn_reads_the_first_from_the_cache(model: ScriptedModel) -> None:
    first = Prompt("m", "A long system prompt. " * 20, [Turn("user", "hi")])
    heard, _ = hear(stream(first, at(model)))
    cost = finish(heard).usage
    assert cost["cacheReadTokens"] == 0
    assert cost["cacheCreationTokens"] > 100
    second = Prompt("m", first.system, [Turn("user", "hi"), Turn("assistant", "hello"), Turn("user", "again")])
    heard, _ = hear(stream(second, at(model)))
    assert finish(heard).usage["cacheReadTokens"] == cost["cacheCreationTokens"]


def test_half_an_emoji_does_not_break_the_request(model: ScriptedModel) -> None:
    assert hear(stream(ask("/say \ud83d ok"), at(model)))[1] is None


# Failures ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason", "retryable"),
    [
        ("overloaded", "overloaded", True),
        ("rate_limited", "rate_limited", True),
        ("invalid", "invalid_request", False),
        ("not_found", "invalid_request", False),
        ("unauthorized", "unauthorized", False),
        ("forbidden", "unauthorized", False),
        ("too_large", "too_large", False),
        ("server", "model_error", True),
        ("gateway", "timeout", True),
    ],
)
def test_a_refused_request_has_its_reason(model: ScriptedModel, fault: str, reason: str, retryable: bool) -> None:
    heard, failed = hear(stream(ask(f"/fail {fault}"), at(model)))
    assert failed is not None
    assert (heard, failed.reason, failed.retryable) == ([], reason, retryable)
    assert set(failed.usage.values()) == {0}
    assert len(model.requests) == 1  # the SDK's own retries are off


@pytest.mark.parametrize(
    ("fault", "reason", "retryable"),
    [
        ("midstream", "overloaded", True),
        ("reset", "connection", True),
        ("broken", "connection", True),
        ("truncated", "truncated", True),
        ("json", "model_error", True),
        ("stall", "timeout", True),
        ("refusal", "refused", False),
    ],
)
def test_a_reply_that_breaks_keeps_its_text_and_has_its_reason(
    model: ScriptedModel, fault: str, reason: str, retryable: bool
) -> None:
    heard, failed = hear(stream(ask(f"/fail {fault} 3\n/say one two three four five"), at(model, timeout_s=0.3)))
    assert failed is not None
    assert (said(heard), failed.reason, failed.retryable) == ("one two three", reason, retryable)
    assert failed.usage["inputTokens"] > 0
    assert failed.usage["outputTokens"] >= 3
    assert len(model.requests) == 1


def test_nobody_listening_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _, failed = hear(stream(ask("hi"), ModelSettings(f"http://127.0.0.1:{port}", "key")))
    assert failed is not None
    assert failed.reason == "connection"


def test_a_url_that_cannot_be_asked_is_a_wrong_request() -> None:
    _, failed = hear(stream(ask("hi"), ModelSettings("ftp://127.0.0.1/", "key")))
    assert failed is not None
    assert failed.reason == "invalid_request"


def test_without_a_key_nothing_is_sent(model: ScriptedModel) -> None:
    _, failed = hear(stream(ask("hi"), ModelSettings(model.url, None)))
    assert failed is not None
    assert (failed.reason, model.requests) == ("unauthorized", [])


def test_a_prompt_without_a_question_or_with_a_wrong_option_is_not_sent(model: ScriptedModel) -> None:
    for prompt in (ask("  "), ask("hi", options={"colour": "red"})):
        _, failed = hear(stream(prompt, at(model)))
        assert failed is not None
        assert failed.reason == "invalid_request"
    assert model.requests == []


# Time -------------------------------------------------------------------------------------------------------------------


def test_a_server_that_says_nothing_times_out(model: ScriptedModel) -> None:
    began = time.monotonic()
    _, failed = hear(stream(ask("/silent 30\nhi"), at(model, first_byte_s=0.3)))
    assert failed is not None
    assert failed.reason == "timeout"
    assert time.monotonic() - began < 2
    assert model.requests[0].done.wait(1)
    assert model.requests[0].closed_early


def test_pings_keep_a_slow_reply_alive(model: ScriptedModel) -> None:
    heard, failed = hear(stream(ask("/slow 0.8\n/say done"), at(model, timeout_s=0.5)))
    assert failed is None
    assert said(heard) == "done"


def test_the_deadline_ends_a_reply_and_keeps_its_text(model: ScriptedModel) -> None:
    settings = at(model, deadline=time.monotonic() + 2)
    heard, failed = hear(stream(ask("/pace 40\nwrite 5000 characters"), settings))
    assert failed is not None
    assert failed.reason == "deadline"
    assert 1 < len(said(heard)) < 1000
    assert model.requests[0].done.wait(1)
    assert model.requests[0].closed_early


def test_a_deadline_ends_a_flood_too(model: ScriptedModel) -> None:
    settings = at(model, deadline=time.monotonic() + 0.3)
    never = threading.Event()
    # A reader so slow that there is always a chunk waiting: the deadline must not wait for a quiet moment.
    slowly = (event for event in stream(ask("write 50000 characters"), settings) if not never.wait(0.02))
    heard, failed = hear(slowly)
    assert failed is not None
    assert failed.reason == "deadline"
    assert len(heard) < 50


def test_after_the_deadline_nothing_is_sent(model: ScriptedModel) -> None:
    _, failed = hear(reply(ask("hi"), at(model, deadline=time.monotonic() - 1)))
    assert failed is not None
    assert (failed.reason, model.requests) == ("deadline", [])


# Stopping ---------------------------------------------------------------------------------------------------------------


def test_a_stop_during_a_stall_closes_the_socket_at_once(model: ScriptedModel) -> None:  # review 18
    stop = threading.Event()
    heard: list[Event] = []
    asked_at = 0.0
    for event in stream(ask("/fail stall 1\n/say one two"), at(model), stop.is_set):
        heard.append(event)
        if isinstance(event, Chunk):
            asked_at = time.monotonic()
            stop.set()
    assert finish(heard).stop_reason == "stopped"
    assert finish(heard).usage["inputTokens"] > 0
    assert model.requests[0].done.wait(1)
    assert model.requests[0].closed_early
    assert (model.requests[0].ended_at or 0) - asked_at < 1


def test_a_stop_before_the_first_byte_closes_the_socket_at_once(model: ScriptedModel) -> None:
    stop = threading.Event()

    def stop_on_arrival() -> None:
        model.wait_for(1)
        stop.set()

    thread = threading.Thread(target=stop_on_arrival)
    thread.start()
    heard, failed = hear(reply(ask("/silent 30\nhi"), at(model), stop.is_set))
    thread.join()
    assert failed is None
    assert finish(heard).stop_reason == "stopped"
    assert model.requests[0].done.wait(1)
    assert model.requests[0].closed_early


def test_a_stop_that_came_before_sends_nothing(model: ScriptedModel) -> None:
    heard, _ = hear(reply(ask("hi"), at(model), lambda: True))
    assert (finish(heard).stop_reason, model.requests) == ("stopped", [])


@pytest.mark.parametrize("speak", [stream, reply])
def test_closing_the_generator_closes_the_socket(model: ScriptedModel, speak: Callable[..., Any]) -> None:
    events = speak(ask("/fail stall 1\n/say one two"), at(model))
    assert next(events) == Chunk("text", "one")
    events.close()
    assert model.requests[0].done.wait(1)
    assert model.requests[0].closed_early


def test_no_reader_is_left_behind(model: ScriptedModel) -> None:
    hear(stream(ask("hi"), at(model)))
    hear(stream(ask("/fail stall"), at(model, timeout_s=0.2)))
    assert [thread.name for thread in threading.enumerate() if thread.name == "model-reader"] == []


# Whole replies: retries and joining -------------------------------------------------------------------------------------


def test_two_overloads_and_then_an_answer_is_an_answer(model: ScriptedModel) -> None:
    heard, failed = hear(reply(ask("/fail overloaded 2\n/say fine"), at(model), policy=QUICK))
    assert failed is None
    assert (said(heard), len(model.requests)) == ("fine", 3)


@pytest.mark.parametrize("fault", ["midstream", "reset", "truncated", "json"])
def test_a_stream_that_breaks_before_its_first_chunk_is_asked_for_again(model: ScriptedModel, fault: str) -> None:
    heard, failed = hear(reply(ask(f"/fail {fault} 0 1\n/say fine"), at(model), policy=QUICK))
    assert failed is None
    assert (said(heard), len(model.requests)) == ("fine", 2)


def test_a_stream_that_breaks_after_its_first_chunk_is_not(model: ScriptedModel) -> None:
    heard, failed = hear(reply(ask("/fail midstream 1 1\n/say one two"), at(model), policy=QUICK))
    assert failed is not None
    assert (said(heard), failed.reason, len(model.requests)) == ("one", "overloaded", 1)


def test_a_retry_after_of_five_minutes_is_not_slept(model: ScriptedModel) -> None:  # review 17
    began = time.monotonic()
    _, failed = hear(reply(ask("/fail rate_limited 300"), at(model)))
    assert failed is not None
    assert (failed.reason, failed.retry_after_s, len(model.requests)) == ("rate_limited", 300, 1)
    assert time.monotonic() - began < 2


def test_a_reply_comes_in_few_chunks_the_first_at_once(model: ScriptedModel) -> None:
    prompt = ask("write 3000 characters")
    bare, _ = hear(stream(prompt, at(model)))
    joined, _ = hear(reply(prompt, at(model), joiner=Joiner(lambda: 0)))
    assert said(joined) == said(bare)
    assert joined[0] == bare[0]
    assert [len(event.text) for event in joined if isinstance(event, Chunk)][1:] == [
        1024,
        1024,
        3000 - 2048 - len(said(bare[:1])),
    ]


def test_joined_text_comes_out_before_the_failure(model: ScriptedModel) -> None:
    heard, failed = hear(reply(ask("/fail midstream 3\n/say one two three four"), at(model), joiner=Joiner(lambda: 0)))
    assert failed is not None
    assert said(heard) == "one two three"


def test_the_words_before_a_pause_do_not_wait_for_its_end(model: ScriptedModel) -> None:
    stop = threading.Event()
    text = ""
    for event in reply(ask("/fail stall 3\n/say one two three four"), at(model), stop.is_set):
        if isinstance(event, Chunk):
            text += event.text
            if text == "one two three":
                stop.set()  # only reached when the joiner was asked during the stall
    assert text == "one two three"


def test_replies_run_side_by_side(model: ScriptedModel) -> None:
    texts: dict[int, str] = {}

    def speak(number: int) -> None:
        texts[number] = said(hear(reply(ask(f"/say number {number}"), at(model)))[0])

    threads = [threading.Thread(target=speak, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: f"number {number}" for number in range(8)}


# The surroundings -------------------------------------------------------------------------------------------------------


def test_the_environment_changes_neither_the_key_nor_the_address(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another")
    assert hear(stream(ask("hi"), at(model)))[1] is None
    assert model.requests[0].headers["authorization"] == "Bearer key"


def test_a_key_is_in_no_representation(model: ScriptedModel) -> None:
    assert "CANARY" not in repr(ModelSettings(model.url, "CANARY"))


def test_importing_the_room_loads_neither_the_sdk_nor_its_http_library() -> None:
    code = (
        "import sys, chalicelib.llm, chalicelib.llm.claude;"
        "print([name for name in ('anthropic', 'httpx2', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
