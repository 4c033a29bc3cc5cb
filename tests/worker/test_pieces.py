"""Pieces of a reply: in order, each once by its number, words together, and never more waiting than is kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from concave_worker import limits
from concave_worker.agents.events import Plan, Tool
from concave_worker.parts import Parts, clipped, fitting
from concave_worker.pieces import Pieces, cut
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.loop import alone

Written = list[tuple[int, str, dict[str, Any] | None]]
said = st.one_of(
    st.tuples(st.just("say"), st.text(max_size=3000)),
    st.tuples(st.just("think"), st.text(max_size=3000)),
    st.tuples(st.just("put"), st.just("")),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(said, max_size=30), st.integers(0, 5))
def test_what_is_said_arrives_whole_and_in_order_under_numbers_without_a_gap(things: list[tuple[str, str]], first: int) -> None:
    written: Written = []

    async def walk() -> None:
        async def write(number: int, chunk: str, part: dict[str, Any] | None) -> None:
            await asyncio.sleep(0)
            written.append((number, chunk, part))

        pieces = Pieces(write, first)
        for at, (how, text) in enumerate(things):
            if how == "put":
                pieces.put({"type": "plan", "at": at})
            else:
                (pieces.say if how == "say" else pieces.think)(text)
            if at % 3 == 0:
                await asyncio.sleep(0)
        await pieces.close()

    alone(walk())
    assert [number for number, _, _ in written] == list(range(first, first + len(written)))
    assert _flat([("put", str(at)) if how == "put" else (how, text) for at, (how, text) in enumerate(things)]) == _flat(
        [
            ("say", chunk)
            if part is None
            else ("think", part["text"])
            if part["type"] == "thinking"
            else ("put", str(part["at"]))
            for _, chunk, part in written
        ]
    )


def _flat(things: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Words of one kind side by side are one."""
    flat: list[tuple[str, str]] = []
    for how, text in things:
        if not text:
            continue
        if flat and flat[-1][0] == how != "put":
            flat[-1] = (how, flat[-1][1] + text)
        else:
            flat.append((how, text))
    return flat


def test_words_wait_for_more_and_a_tool_for_nothing() -> None:
    written: Written = []

    async def walk() -> None:
        async def write(number: int, chunk: str, part: dict[str, Any] | None) -> None:
            written.append((number, chunk, part))

        pieces = Pieces(write, 0)
        for word in ("one ", "two ", "three"):
            pieces.say(word)
            await asyncio.sleep(0.01)
        assert written == []
        pieces.put({"type": "tool_call"})
        await asyncio.sleep(0.01)
        assert written == [(0, "one two three", None), (1, "", {"type": "tool_call"})]
        pieces.say("x" * limits.FLUSH_BYTES)
        await asyncio.sleep(0.01)
        assert len(written) == 3
        await pieces.close()

    alone(walk())


def test_words_that_come_during_a_write_wait_for_more_too() -> None:
    written: Written = []

    async def walk() -> None:
        free = asyncio.Event()

        async def write(number: int, chunk: str, part: dict[str, Any] | None) -> None:
            await free.wait()
            written.append((number, chunk, part))

        pieces = Pieces(write, 0)
        pieces.say("x" * limits.FLUSH_BYTES)
        await asyncio.sleep(0.01)
        pieces.say("one ")
        free.set()
        await asyncio.sleep(0.01)
        pieces.say("two")
        assert len(written) == 1
        await pieces.close()
        assert [chunk for _, chunk, _ in written[1:]] == ["one two"]

    alone(walk())


def test_beyond_what_is_kept_nothing_more_is_sent() -> None:
    written: Written = []

    async def walk() -> None:
        free = asyncio.Event()

        async def write(number: int, chunk: str, part: dict[str, Any] | None) -> None:
            await free.wait()
            written.append((number, chunk, part))

        pieces = Pieces(write, 0)
        for _ in range(12):
            pieces.say("x" * 100_000)
            await asyncio.sleep(0)
        assert pieces.overflown
        free.set()
        await pieces.close()
        assert sum(len(chunk) for _, chunk, _ in written) <= 100_000

    alone(walk())


def test_what_ends_the_writing_is_raised_where_it_is_closed() -> None:
    async def walk() -> None:
        async def write(number: int, chunk: str, part: dict[str, Any] | None) -> None:
            raise ConnectionError("no")

        pieces = Pieces(write, 0)
        pieces.say("x")
        with pytest.raises(ConnectionError):
            await pieces.close()

    alone(walk())


@given(st.text(max_size=4000), st.integers(8, 900))
def test_a_text_is_cut_between_characters(text: str, most: int) -> None:
    parts = cut(text, most)
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= most for part in parts)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=20), inner, max_size=20),
    max_leaves=60,
)


@settings(deadline=None)
@given(json_values, st.integers(200, 3000))
def test_an_input_fits_and_is_left_alone_where_it_did(value: Any, most: int) -> None:
    smaller = fitting(value, most)
    assert len(json.dumps(smaller)) <= max(most, 200) + 2
    if len(json.dumps(value)) <= most and not any(len(text) > most - 20 for text in _texts(value)):
        assert smaller == value


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


@given(st.text(max_size=3000), st.integers(60, 900))
def test_a_text_is_clipped_to_its_bytes_as_json(text: str, most: int) -> None:
    assert len(json.dumps(clipped(text, most))) - 2 <= most


def test_a_call_is_told_once_for_each_thing_that_is_new_about_it() -> None:
    parts = Parts()
    assert [each["type"] for each in parts.tool(Tool("t", "bash"))] == ["tool_call"]
    assert parts.tool(Tool("t", "bash")) == []
    (asked,) = parts.tool(Tool("t", title="ls", status="running", input={"command": "ls"}))
    assert asked == {
        "type": "tool_call",
        "id": "t",
        "name": "bash",
        "title": "ls",
        "input": {"command": "ls"},
        "status": "in_progress",
    }
    assert parts.tool(Tool("t", status="completed", output="a b")) == [{"type": "tool_result", "id": "t", "content": "a b"}]
    assert [(each["type"], each.get("status")) for each in parts.all()] == [("tool_call", "completed"), ("tool_result", None)]
    assert parts.unfinished() == []


def test_a_call_that_never_ended_is_said_to_have_ended() -> None:
    parts = Parts()
    parts.tool(Tool("t", "bash", status="running"))
    assert parts.unfinished() == [{"type": "tool_result", "id": "t", "isError": True, "content": "ended"}]


def test_all_parts_of_a_long_turn_fit_the_message() -> None:
    parts = Parts()
    parts.plans(Plan((("look", "completed"),)))
    for number in range(300):
        parts.tool(Tool(str(number), "bash", "x" * 400, "completed", {"command": "y" * 4000}, "z" * 9000))
    kept = parts.all()
    assert len(json.dumps(kept)) <= limits.LARGEST_PARTS + 1000
    assert kept[-1]["type"] == "plan"
    assert all(len(json.dumps(part)) <= 16 * 1024 for part in kept)
