"""Frames that cannot be read are answered: what they name fails with a sentence, everything else on the connection goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.data.json_text import problem, whole
from chalicelib.live import salvage
from chalicelib.live.messages import BadFrame, read_frame
from tests.live.test_connection import raw, ready
from tests.support.sim import Sim
from tests.support.verdict import check, rows

BROKEN = {
    "nested 1,100 deep": "[" * 1100 + "]" * 1100,
    "objects nested 1,100 deep": '{"a":' * 1100 + "1" + "}" * 1100,
    "900 deep": "[" * 900 + "]" * 900,
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5000,
    "1e400": "1e400",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "undefined": "undefined",
    "half a surrogate beside 1,100 levels": '["\\ud83d",' + "[" * 1100 + "]" * 1100 + "]",
}


@pytest.mark.parametrize("argument", BROKEN.values(), ids=BROKEN)
def test_a_call_or_query_with_an_argument_that_cannot_be_read_fails_and_the_rest_goes_on(sim: Sim, argument: str) -> None:
    person = ready(sim)
    link = person.link
    assert link is not None
    heard: list[dict[str, Any]] = []
    person.client.receive = lambda text: heard.append(json.loads(text))  # type: ignore[method-assign]
    args = f'[{{"op":{argument}}}]'
    good = '{"type":"Add","queryId":2,"udfPath":"counters:constant","args":[{"word":"good"}]}'
    bad = f'{{"type":"Add","queryId":1,"udfPath":"counters:constant","args":{args}}}'
    raw(sim, link.id, f'{{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":[{bad},{good}]}}')
    raw(sim, link.id, f'{{"type":"Mutation","requestId":0,"udfPath":"counters:visit","args":{args}}}')
    raw(sim, link.id, f'{{"type":"Action","requestId":1,"udfPath":"counters:large","args":{args}}}')
    raw(sim, link.id, '{"type":"Mutation","requestId":2,"udfPath":"counters:visit","args":[{"op":"after"}]}')
    sim.run(2500)
    assert link.known
    assert sim.raised == []
    answers = {message["requestId"]: message for message in heard if "requestId" in message}
    assert {number: answer["success"] for number, answer in answers.items()} == {0: False, 1: False, 2: True}
    assert all("This frame cannot be read: " in answers[number]["result"] for number in (0, 1))
    changes = [change for message in heard if message["type"] == "Transition" for change in message["modifications"]]
    told = {change["queryId"]: change for change in changes}
    assert told[1]["type"] == "QueryFailed"
    assert "This frame cannot be read: " in told[1]["errorMessage"]
    assert told[2]["type"] == "QueryUpdated"
    assert [row["op"] for row in rows(sim, "simVisits")] == ["after"]
    assert rows(sim, "inbox") == []


NAMELESS = {
    "nothing": "",
    "half an object": "{",
    "no object": "[1]",
    "an unknown type": '{"type":"Subscribe","requestId":1}',
    "a request id that is no integer": '{"type":"Mutation","requestId":1.5,"udfPath":"a:b","args":[{}]}',
    "a request id beyond 32 bits": '{"type":"Mutation","requestId":4294967296,"udfPath":"a:b","args":[{}]}',
    "no timestamp": '{"type":"Connect","sessionId":"s","maxObservedTimestamp":"?"}',
    "no token type": '{"type":"Authenticate","baseVersion":7,"tokenType":"Guest"}',
    "a query without a number": '{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":[{"type":"Add"}]}',
    "no list of queries": '{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":7}',
    "deep": "[" * 1100,
}


@pytest.mark.parametrize("body", NAMELESS.values(), ids=NAMELESS)
def test_a_frame_that_names_nothing_is_told_what_is_wrong_with_it_and_the_connection_stays(sim: Sim, body: str) -> None:
    person = ready(sim)
    link = person.link
    assert link is not None
    person.client.receive = lambda text: None  # type: ignore[method-assign]
    told = len(link.posted)
    raw(sim, link.id, body)
    sim.run(500)
    (answer,) = [json.loads(text) for text in link.posted[told:]]
    assert answer["type"] == "FatalError"
    assert answer["error"].startswith("This frame cannot be read: ")
    assert link.known
    assert rows(sim, "inbox") == []
    assert sim.raised == []
    check(sim)


def test_a_thrown_error_with_half_a_surrogate_is_told_with_a_replacement(sim: Sim) -> None:
    person = ready(sim)
    request = person.call("counters:cut")
    query = person.watch("counters:half")
    assert sim.until(lambda: request.settled)
    sim.run(500)
    assert "cut \ufffd" in request.error.error  # type: ignore[union-attr, operator]
    assert request.error.data["message"] == "cut \ufffd"  # type: ignore[union-attr]
    assert person.client.results[query].data["message"] == "\U0001f600 and \ufffd"
    assert person.client.connections == 1


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-zA-Z]{1,8}", fullmatch=True), values, max_size=4), st.booleans())
def test_the_fields_at_the_top_are_found_whatever_they_hold(top: dict[str, Any], ascii_only: bool) -> None:
    found = salvage.fields(json.dumps(top, ensure_ascii=ascii_only))
    assert {name: json.loads(text) for name, text in found.items()} == top


@given(st.text(alphabet='{}[],:"\\ tyepnai01.NI\ud83d\ude00', max_size=60))
def test_no_text_whatever_stops_the_one_who_reads_what_is_left_of_it(text: str) -> None:
    top = salvage.fields(text)
    salvage.query_set(top)
    salvage.word(top.get("type"))
    assert isinstance(problem(text), str)
    whole(text).encode()


@given(st.integers(1, 200), st.sampled_from(["[]", "{}"]))
def test_what_nests_beyond_the_limit_is_a_bad_frame_and_never_an_overflow(levels: int, kind: str) -> None:
    nested = "[" * levels + "]" * levels if kind == "[]" else '{"a":' * levels + "1" + "}" * levels
    body = f'{{"type":"Mutation","requestId":0,"udfPath":"a:b","args":[{{"x":{nested}}}]}}'
    try:
        read_frame(body)
    except BadFrame as error:
        assert "nest too deep" in str(error)
        assert levels > 64
    else:
        assert levels < 75
