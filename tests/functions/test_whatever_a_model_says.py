"""Whatever a model says, its reply goes on or ends at once, with its text and its usage, and the chat can be opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib import is_value
from chalicelib.domain.replies.parts import CUT_CHARS, LARGEST_PART, LARGEST_PARTS, LEVELS, Parts
from chalicelib.llm.service import Ended, Said, Used
from infra.local.model.server import Pace, ScriptedModel
from tests.functions.conftest import House
from tests.functions.test_chat import messages, send, start

USAGE = {"inputTokens": 10, "outputTokens": 20, "cacheReadTokens": 0, "cacheCreationTokens": 0}


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    running = ScriptedModel(0, Pace(0)).start()
    yield running
    running.stop()


class Says:
    """A model that says these things; the store, the log and the doors are real."""

    def __init__(self, *events: Any) -> None:
        self.events = events

    def load(self) -> None:
        """There is nothing to load."""

    def asked_first(self, *_: Any) -> dict[str, Any]:
        """No server's tools are asked about."""
        return {}

    def reply(self, *asked: Any, **told: Any) -> Iterator[Any]:
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def call(asked: Any) -> Used:
    return Used({"type": "tool_call", "id": "t1", "name": "search", "server": "s", "input": asked})


def told(model: ScriptedModel, *events: Any) -> dict[str, Any]:
    house = House(model)
    house.backend.executor.parts.model = Says(*events)
    alice = house.person("alice")
    session = start(alice)
    send(alice, session, "well?")
    house.work()
    return dict(messages(alice, session)[-1])


INPUTS = [
    {"filter": {"price": {"$gt": 5}}},
    {"日本": 1},
    {"": 1},
    {"n": 10**18},
    {"n": 10**399},
    nested(40),
    nested(1_000),
    nested(100_000),
    {"text": "half \ud83d of it"},
    {"big": "é" * 60_000},
]


@pytest.mark.parametrize("asked", INPUTS, ids=lambda each: str(each)[:20] if not isinstance(each, dict) else str(list(each))[:20])
def test_a_tool_may_be_asked_anything(model: ScriptedModel, asked: Any) -> None:
    ended = told(model, Said("text", "I look. "), call(asked), Said("text", "Done."), Ended("completed", None, USAGE))
    assert (ended["status"], ended["content"]) == ("completed", "I look. Done.")
    assert [each["type"] for each in ended["parts"]] == ["text", "tool_call", "text"]
    assert ended["parts"][1]["text"]
    assert ended["usage"] == USAGE


@pytest.mark.parametrize("broken", [RuntimeError("a mistake"), RecursionError("too deep"), ValueError("no value")])
def test_a_mistake_of_ours_ends_the_reply_at_once_with_what_it_has_said(model: ScriptedModel, broken: Exception) -> None:
    ended = told(model, Said("text", "So far, "), broken)
    assert (ended["status"], ended["reason"], ended["content"]) == ("failed", "writer_error", "So far, ")


def test_an_ending_that_the_store_refuses_keeps_the_text_and_the_usage(model: ScriptedModel) -> None:
    bad = Ended("completed", None, USAGE)
    ended = told(model, Said("text", "All of it."), Said("thinking", "half \ud83d"), bad)
    assert (ended["status"], ended["reason"], ended["content"]) == ("failed", "writer_error", "All of it.")
    assert ended["usage"] == USAGE


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(exclude_categories=[]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, max_size=5))
def test_what_is_kept_can_be_stored_and_is_bounded(asked: list[Any]) -> None:
    parts, size = Parts(), 0
    for each in asked:
        kept = parts.kept(call(each).part)
        assert is_value(kept, LEVELS)
        size += len(json.dumps(kept, ensure_ascii=False).encode())
        assert "text" in kept or kept["input"] == each or each != each  # NaN
    assert size <= LARGEST_PARTS + len(asked) * (LARGEST_PART + 4 * CUT_CHARS)
