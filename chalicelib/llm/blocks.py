"""The blocks of one answer, put together from the events of the wire: what a tool was asked, and what the API wants back.

A call of a tool streams its input as chunks of JSON; a result comes whole. A turn that the provider paused is continued by
sending its blocks back as they were, so everything a block holds is kept, also of kinds that have no place in a reply.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib.data.json_text import problem, whole_value
from chalicelib.llm.outcome import Tool


class Blocks:
    """The content of one answer. The API sends one block after the other."""

    def __init__(self) -> None:
        self._done: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        self._input = ""

    def begin(self, block: Any) -> Tool | None:
        """`content_block_start`. Returns a result of a tool, which is all there is of it."""
        self._open, self._input = _plain(block), ""
        if self._open.get("type") != "mcp_tool_result":
            return None
        content = self._open.get("content")
        listed = content if isinstance(content, list) else [{"type": "text", "text": str(content)}]
        answers = str(self._open.get("tool_use_id", ""))
        return Tool("tool_result", answers, content=listed, is_error=bool(self._open.get("is_error")))

    def grow(self, delta: Any) -> None:
        """`content_block_delta`."""
        if self._open is None:
            return
        for ours, theirs in (("text", "text"), ("thinking", "thinking"), ("signature", "signature")):
            said = getattr(delta, theirs, None)
            if isinstance(said, str):
                self._open[ours] = str(self._open.get(ours) or "") + said
        self._input += getattr(delta, "partial_json", None) or ""

    def end(self) -> Tool | None:
        """`content_block_stop`. Returns a call of a tool, whose input is known now."""
        block, self._open = self._open, None
        if block is None:
            return None
        if self._input:
            # Where it is no JSON that can be followed a client shows what was said; the API would not take it back.
            block["input"] = self._input if problem(self._input) else _read(self._input)
        self._done.append(block)
        if block.get("type") not in ("mcp_tool_use", "tool_use"):
            return None
        return Tool("tool_call", block["id"], block["name"], block.get("server_name", ""), block.get("input"))

    def whole(self) -> tuple[dict[str, Any], ...]:
        """All finished blocks, as a request may hold them: without empty texts, and as Unicode."""
        kept = (block for block in self._done if block.get("type") != "text" or str(block.get("text", "")).strip())
        return tuple(whole_value(block) for block in kept)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(block: Any) -> dict[str, Any]:
    """A block of the SDK as JSON; fields that are null are left out, a request may not name all of them."""
    if hasattr(block, "model_dump"):
        plain: dict[str, Any] = block.model_dump(mode="json", exclude_none=True, warnings=False)
        return plain
    return dict(block) if isinstance(block, dict) else {}
