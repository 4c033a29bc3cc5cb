"""The messages of the Claude Agent SDK in the words of this package, one turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from concave_worker.agents.changes import by_input
from concave_worker.agents.events import Event, Failed, Finished, Reason, Text, Thought, Tool, ToolStatus, Usage

SYNTHETIC = "<synthetic>"
"""The model of a message that Claude's program says itself."""
REASONS: dict[str, Reason] = {"max_tokens": "max_tokens", "refusal": "refusal"}


class Reader:
    """What is known of a turn.

    Words come in stream events, and the whole message repeats them. Where a stream has broken, Claude asks for the answer in one
    piece: then the message is all that comes.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self._tools: dict[str, Tool] = {}
        self._streamed = ""
        """The words of the message that is being streamed, or was last."""

    def read(self, message: Any) -> Iterator[Event]:
        """What a message of the SDK's says."""
        import claude_agent_sdk as sdk

        match message:
            case sdk.StreamEvent() if message.parent_tool_use_id is None:
                yield from self._heard(message.event)
            case sdk.AssistantMessage():
                for block in message.content:
                    if isinstance(block, sdk.TextBlock) and message.parent_tool_use_id is None and message.model != SYNTHETIC:
                        yield from self._whole(block.text)
                    elif isinstance(block, sdk.ToolUseBlock):
                        title, change = title_of(block.name, block.input), by_input(block.name, block.input)
                        yield self._tool(Tool(block.id, block.name, title, "running", block.input, diff=change))
            case sdk.UserMessage() if isinstance(message.content, list):
                for block in message.content:
                    if isinstance(block, sdk.ToolResultBlock) and block.tool_use_id in self._tools:
                        before = self._tools[block.tool_use_id]
                        status: ToolStatus = "failed" if block.is_error else "completed"
                        yield replace(before, status=status, output=_text(block.content))
            case sdk.ResultMessage():
                yield from self._ended(message)

    def _heard(self, event: dict[str, Any]) -> Iterator[Event]:
        if event.get("type") == "message_start":
            self._streamed = ""
        for said in _streamed(event):
            self._streamed += said.text if isinstance(said, Text) else ""
            yield said

    def _whole(self, text: str) -> Iterator[Event]:
        """What of a message's words was not streamed."""
        if text in self._streamed:
            return
        rest = text[len(self._streamed) :] if text.startswith(self._streamed) else text
        self._streamed += rest
        yield Text(rest)

    def _tool(self, tool: Tool) -> Tool:
        self._tools[tool.id] = tool
        return tool

    def _ended(self, result: Any) -> Iterator[Event]:
        if result.usage:
            yield Usage({name: count for name, count in result.usage.items() if isinstance(count, int)})
        if self.cancelled or str(result.terminal_reason).startswith("aborted"):
            yield Finished("cancelled")
        elif result.is_error:
            yield Failed("agent_error", str(result.result or "; ".join(result.errors or []) or result.subtype))
        else:
            yield Finished(REASONS.get(str(result.stop_reason), "end_turn"))


def _streamed(event: dict[str, Any]) -> Iterator[Text | Thought]:
    if event.get("type") != "content_block_delta":
        return
    delta = event["delta"]
    if delta.get("type") == "text_delta" and delta["text"]:
        yield Text(delta["text"])
    elif delta.get("type") == "thinking_delta" and delta["thinking"]:
        yield Thought(delta["thinking"])


def title_of(name: str, given: dict[str, Any]) -> str:
    """One line about a call: the command, the file or the address that it names."""
    for field in ("command", "file_path", "path", "pattern", "url", "description"):
        if isinstance(given.get(field), str):
            return f"{name}: {given[field]}"
    return name


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = [str(block.get("text", "")) for block in content or [] if isinstance(block, dict)]
    return "\n".join(texts) if any(texts) else json.dumps(content, ensure_ascii=False)
