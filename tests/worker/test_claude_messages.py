"""What Claude says, streamed or in one piece: every word once."""

from __future__ import annotations

from typing import Any

import pytest
from concave_worker.agents.claude_messages import SYNTHETIC, Reader
from concave_worker.agents.events import Text

sdk = pytest.importorskip("claude_agent_sdk", reason="claude comes with the package claude-agent-sdk")


def start() -> Any:
    """A message begins to stream."""
    return sdk.StreamEvent(uuid="u", session_id="s", event={"type": "message_start"})


def delta(text: str) -> Any:
    """Streamed words."""
    event = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
    return sdk.StreamEvent(uuid="u", session_id="s", event=event)


def whole(text: str, **about: Any) -> Any:
    """A whole message."""
    return sdk.AssistantMessage(content=[sdk.TextBlock(text)], **{"model": "m", **about})


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([start(), delta("hel"), delta("lo"), whole("hello")], "hello"),
        ([whole("hello")], "hello"),
        ([start(), delta("hel"), whole("hello")], "hello"),
        ([start(), delta("one"), whole("one"), start(), delta("one"), whole("one")], "oneone"),
        ([start(), delta("one"), whole("one"), whole("two")], "onetwo"),
        ([start(), delta("a"), delta("b"), whole("a"), whole("b")], "ab"),
        ([whole("of a part of its work", parent_tool_use_id="t1")], ""),
        ([whole("No response requested.", model=SYNTHETIC)], ""),
    ],
)
def test_every_word_is_said_once(messages: list[Any], words: str) -> None:
    reader = Reader()
    said = [event for message in messages for event in reader.read(message)]
    assert "".join(event.text for event in said if isinstance(event, Text)) == words
