"""The protocol's words, against the protocol document (sections 2 to 4)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.live import messages
from chalicelib.live.messages import BadFrame, Failure, Version

LINE = "[LOG] 'hello'"


def frame(**parts: object) -> str:
    return json.dumps(parts)


# Frames -------------------------------------------------------------------------------------------------------------------


def test_every_frame_of_the_document_is_read() -> None:
    connect = messages.read_frame(
        frame(
            type="Connect",
            sessionId="s",
            connectionCount=1,
            lastCloseReason=None,
            maxObservedTimestamp="AAAAAAAAAAA=",
            clientTs=0,
        )
    )
    assert connect == messages.Connect("s", 1, None, "AAAAAAAAAAA=", 0)
    modify = messages.read_frame(
        frame(
            type="ModifyQuerySet",
            baseVersion=0,
            newVersion=1,
            modifications=[
                {"type": "Add", "queryId": 0, "udfPath": "m:f", "args": [{}], "journal": None},
                {"type": "Remove", "queryId": 7},
            ],
        )
    )
    assert modify == messages.ModifyQuerySet(0, 1, [messages.Add(0, "m:f", [{}]), messages.Remove(7)])
    assert messages.read_frame(frame(type="Mutation", requestId=3, udfPath="m:f", args=[{"a": 1}])) == messages.Mutation(
        3, "m:f", [{"a": 1}]
    )
    assert messages.read_frame(frame(type="Action", requestId=3, udfPath="m:f", args=[{}])) == messages.Action(3, "m:f", [{}])
    who = messages.read_frame(frame(type="Authenticate", baseVersion=0, tokenType="User", value="jwt"))
    assert who == messages.Authenticate(0, "User", "jwt")
    nobody = messages.read_frame(frame(type="Authenticate", baseVersion=1, tokenType="None"))
    assert nobody == messages.Authenticate(1, "None")
    assert isinstance(messages.read_frame(frame(type="Event", eventType="ClientConnect", event={"x": [1]})), messages.Event)


def test_unknown_keys_are_ignored_and_unknown_types_refused() -> None:
    assert messages.read_frame(frame(type="Event", eventType="e", shoe=44)) == messages.Event("e")
    with pytest.raises(BadFrame):
        messages.read_frame(frame(type="Subscribe"))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        '{"type":1}',
        '{"type":"Mutation"}',
        "\x00",
        '{"type":"Event","x":NaN}',
        "[" * 5000,
        '{"a":"\\ud800"}',
    ],
)
def test_what_no_client_sends_is_a_bad_frame(body: str) -> None:
    with pytest.raises(BadFrame):
        messages.read_frame(body)


@pytest.mark.parametrize("number", [-1, 2**32, 1.5, "0", None])
def test_ids_and_versions_have_32_bits(number: object) -> None:
    for body in (
        frame(type="Mutation", requestId=number, udfPath="m:f", args=[{}]),
        frame(type="Authenticate", baseVersion=number, tokenType="None"),
        frame(type="ModifyQuerySet", baseVersion=0, newVersion=1, modifications=[{"type": "Remove", "queryId": number}]),
    ):
        with pytest.raises(BadFrame):
            messages.read_frame(body)


def test_wrong_arguments_are_read_because_they_fail_a_call_and_not_the_connection() -> None:
    every: list[object] = [{}, [], [1], [{}, {}], None, "x", [[{}]]]
    for args in every:
        read = messages.read_frame(frame(type="Mutation", requestId=0, udfPath="m:f", args=args))
        assert isinstance(read, messages.Mutation)
        assert json.loads(messages.args_of(read)) == args


def test_half_a_surrogate_pair_is_read_too() -> None:
    read = messages.read_frame('{"type":"Mutation","requestId":0,"udfPath":"m:f","args":[{"text":"\\ud83d"}]}')
    assert isinstance(read, messages.Mutation)
    assert messages.args_of(read) == '[{"text": "\\ud83d"}]'


def test_a_function_inside_a_component_names_nothing_here() -> None:
    call = messages.Mutation(0, "m:f", [{}], component_path="other")
    assert messages.path_of(call) == "(other)/m:f"
    assert messages.path_of(messages.Mutation(0, "m:f", [{}], component_path="")) == "m:f"


# Timestamps ---------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_a_ts_survives_the_wire(ts: int) -> None:
    assert messages.read_ts(messages.write_ts(ts)) == ts


def test_a_ts_is_eight_little_endian_bytes_in_base64() -> None:
    assert messages.write_ts(0) == "AAAAAAAAAAA="
    assert messages.write_ts(1) == "AQAAAAAAAAA="
    assert messages.write_ts(256) == "AAEAAAAAAAA="


@pytest.mark.parametrize("text", ["", "AAAA", "!!!!!!!!!!!=", "AAAAAAAAAIA=", "AAAAAAAAAAAA", "ä"])
def test_what_is_no_ts_is_refused(text: str) -> None:
    with pytest.raises(BadFrame):
        messages.read_ts(text)


# Messages -----------------------------------------------------------------------------------------------------------------


def test_error_data_is_absent_unless_the_function_threw_one() -> None:
    for text in (
        messages.query_failed(1, Failure("no"), [], None),
        messages.failed_response("Mutation", 1, Failure("no"), []),
        messages.failed_response("Action", 1, Failure("no"), []),
    ):
        assert "errorData" not in json.loads(text)
    for text in (
        messages.query_failed(1, Failure("no", "null"), [], None),
        messages.failed_response("Mutation", 1, Failure("no", "null"), []),
    ):
        assert json.loads(text)["errorData"] is None


def test_values_stay_the_text_they_are() -> None:
    value = '{"big":{"$integer":"AQAAAAAAAAA="},"f":5.0,"none":null}'
    assert f'"value":{value}' in messages.query_updated(1, value, [LINE], None)
    assert f'"result":{value}' in messages.mutation_response(1, value, 5, [])
    assert json.loads(messages.query_updated(1, value, [LINE], "cursor")) == {
        "type": "QueryUpdated",
        "queryId": 1,
        "value": json.loads(value),
        "logLines": [LINE],
        "journal": "cursor",
    }


def test_answers_are_as_the_document_says() -> None:
    good = json.loads(messages.mutation_response(3, "1.0", 7, []))
    assert good == {
        "type": "MutationResponse",
        "requestId": 3,
        "success": True,
        "result": 1.0,
        "ts": messages.write_ts(7),
        "logLines": [],
    }
    bad = json.loads(messages.failed_response("Mutation", 3, Failure('"quoted"', '{"a":1}'), [LINE]))
    assert bad == {
        "type": "MutationResponse",
        "requestId": 3,
        "success": False,
        "ts": None,
        "result": '"quoted"',
        "errorData": {"a": 1},
        "logLines": [LINE],
    }
    acted = json.loads(messages.action_response(3, "null", []))
    assert acted == {"type": "ActionResponse", "requestId": 3, "success": True, "result": None, "logLines": []}
    assert "ts" not in json.loads(messages.failed_response("Action", 3, Failure("x"), []))
    refused = json.loads(messages.auth_error("Expired.", 1, False))
    assert refused == {"type": "AuthError", "error": "Expired.", "baseVersion": 1, "authUpdateAttempted": False}


def test_a_small_transition_is_one_message() -> None:
    (text,) = messages.transitions(Version(0, 0, 0), Version(1, 1, 9), [messages.query_removed(4)])
    assert json.loads(text) == {
        "type": "Transition",
        "startVersion": {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="},
        "endVersion": {"querySet": 1, "identity": 1, "ts": "CQAAAAAAAAA="},
        "modifications": [{"type": "QueryRemoved", "queryId": 4}],
    }


@settings(deadline=None)
@given(st.lists(st.integers(1, 125_000), max_size=12), st.sampled_from(["x", "é", "€", "😀"]))
def test_any_transition_is_split_into_posts_that_fit_and_chain(sizes: list[int], char: str) -> None:
    start, end = Version(0, 0, 0), Version(1, 0, 5)
    modifications = [
        messages.query_updated(number, json.dumps(char * (size // len(char.encode())), ensure_ascii=False), [], None)
        for number, size in enumerate(sizes)
    ]
    parts = messages.transitions(start, end, modifications)
    assert all(len(part.encode()) <= messages.LARGEST_POST for part in parts)
    read = [json.loads(part) for part in parts]
    assert [one["queryId"] for part in read for one in part["modifications"]] == list(range(len(sizes)))
    assert all(part["startVersion"] == part["endVersion"] == read[0]["startVersion"] for part in read[:-1])
    assert read[-1]["endVersion"]["querySet"] == 1


# What does not fit --------------------------------------------------------------------------------------------------------


def fits(text: str) -> bool:
    start, end = Version(0, 0, 0), Version(1, 0, 5)
    whole = messages.transitions(start, end, [text])[0] if '"queryId"' in text[:60] else text
    return len(whole.encode()) <= messages.LARGEST_POST


def test_a_value_that_fits_no_message_is_a_failure_that_says_so() -> None:
    text = messages.query_updated(1, json.dumps("x" * 140_000), [LINE], "cursor")
    failed = json.loads(text)
    assert failed["type"] == "QueryFailed"
    assert "ResultTooLarge: a query's value of 140002 bytes; a message holds 131072. Return a page." in failed["errorMessage"]
    assert failed["journal"] == "cursor"
    assert "errorData" not in failed


def test_log_lines_never_keep_a_value_from_arriving() -> None:
    lines = ["[LOG] " + "y" * 4000] * 256
    for value_bytes in (10, 100_000, 125_000, 129_000):
        text = messages.query_updated(1, json.dumps("x" * value_bytes), lines, None)
        assert json.loads(text)["type"] == "QueryUpdated"
        assert fits(text)
    told = json.loads(messages.mutation_response(1, "null", 5, lines))["logLines"]
    assert told[-1] == "[WARN] '252 further lines did not fit a message.'"
    assert len(told) == 5


@settings(deadline=None)
@given(st.integers(0, 400_000), st.integers(0, 400_000), st.sampled_from(["x", "\u00e9", "\ud800", '"', "\n"]))
def test_every_failure_fits_a_message(said: int, data: int, char: str) -> None:
    failure = Failure(char * said, json.dumps("d" * data))
    lines = ["[LOG] " + char * 4000] * 100
    for text in (messages.query_failed(1, failure, lines, None), messages.failed_response("Mutation", 1, failure, lines)):
        assert fits(text)
        json.loads(text)


def test_small_failures_are_told_as_they_are() -> None:
    failure = Failure("no ✓", '{"code":"No"}')
    assert messages.fitting(failure) == failure
