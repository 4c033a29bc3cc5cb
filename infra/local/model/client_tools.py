"""Tools that the client runs: what the last message orders of them, and which of these calls is next.

The API's own way: the answer ends with a `tool_use` block and the reason `tool_use`; the client runs the tool and asks again
with a `tool_result`; the turn goes on until nothing is left to call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.local.model import prose
from infra.local.model.events import Part
from infra.local.model.script import Call, Script
from infra.local.model.wire import blocks_of, fresh_id

LONGEST_QUOTE = 2000
"""Characters of a tool's answer that the reply repeats."""


def upcoming(body: Mapping[str, Any], script: Script) -> Call | None:
    """The next call that the message orders of a tool which this request offers; None when each has its result.

    With `/insist` a call that failed, or was denied, is the next one again.
    """
    offered = {tool.get("name") for tool in body.get("tools") or []}
    wanted = [call for call in script.uses if call.name in offered]
    results = _results(body)
    done = sum(not (script.insists and result.get("is_error")) for result in results)
    return wanted[done] if done < len(wanted) else None


def called(call: Call) -> Part:
    """The block of a call. Its input comes in three deltas, and the first is empty, as the API has it."""
    half = len(call.input) // 2
    asked: tuple[tuple[str, Any], ...] = (("id", fresh_id("toolu")), ("name", call.name), ("input", {}))
    return Part("tool_use", ("", call.input[:half], call.input[half:]), asked)


def told(body: Mapping[str, Any], script: Script) -> str | None:
    """What to say after the calls: what the last tool answered. None when no tool was called or the words are ordered."""
    results = _results(body)
    if not results or script.words is not None or script.deltas is not None or script.unknown is not None:
        return None
    text = " ".join(str(block.get("text", "")) for block in blocks_of(results[-1].get("content"))).strip()
    verb = "failed" if results[-1].get("is_error") else "answered"
    return f"The tool {verb}: {prose.clip(text, LONGEST_QUOTE)}" if text else f"The tool {verb}."


def is_words(block: Mapping[str, Any]) -> bool:
    """Whether a block is what a person wrote: coding agents add text of their own between tags."""
    return block.get("type") == "text" and not str(block.get("text", "")).lstrip().startswith("<system-reminder>")


def _results(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The results that came after the last words of the user."""
    found: list[dict[str, Any]] = []
    for block in _user_blocks(body):
        if is_words(block):
            found = []
        elif block.get("type") == "tool_result":
            found.append(block)
    return found


def _user_blocks(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        if message["role"] == "user":
            yield from blocks_of(message.get("content"))
