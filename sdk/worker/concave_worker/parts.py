"""Tool calls, their answers and plans as the chat's parts: cut to what the backend takes."""

from __future__ import annotations

import json
from typing import Any

from concave_worker import limits
from concave_worker.agents.events import Plan, Tool

CUT = " … (cut)"
MODES = {"pending": "pending", "running": "in_progress", "completed": "completed", "failed": "failed"}


class Parts:
    """The parts of a reply, in the order in which they began, as they stand in the end."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, Tool] = {}
        self.plan: dict[str, Any] | None = None

    def tool(self, tool: Tool) -> list[dict[str, Any]]:
        """What is new about a tool call: nothing, the call, its answer, or both."""
        before = self._seen.get(tool.id)
        known = _merged(before, tool)
        self._seen[tool.id] = known
        news = []
        over = known.status in ("completed", "failed")
        call = call_part(known)
        if call != self._parts.get(f"call {tool.id}"):
            self._parts[f"call {tool.id}"] = call
            if not over or before is None or (before.title, before.input) != (known.title, known.input):
                news.append(call)
        if over and (before is None or before.status not in ("completed", "failed")):
            result = result_part(known)
            self._parts[f"result {tool.id}"] = result
            news.append(result)
        return news

    def plans(self, plan: Plan) -> dict[str, Any]:
        """A plan's part."""
        entries = [{"content": clipped(words, 500), "status": status} for words, status in plan.entries[:50]]
        self.plan = {"type": "plan", "entries": entries}
        return self.plan

    def all(self) -> list[dict[str, Any]]:
        """Every part, as the whole message repeats them; the oldest go first where they are too many."""
        parts = [*self._parts.values(), *([self.plan] if self.plan is not None else [])]
        while parts and sum(len(json.dumps(part)) for part in parts) > limits.LARGEST_PARTS:
            parts.pop(0)
        return parts

    def unfinished(self) -> list[dict[str, Any]]:
        """Answers for the calls that never had one."""
        return [
            {"type": "tool_result", "id": tool.id, "isError": True, "content": "ended"}
            for tool in self._seen.values()
            if tool.status not in ("completed", "failed")
        ]


def _merged(before: Tool | None, now: Tool) -> Tool:
    if before is None:
        return now
    given = now.input if now.input not in (None, {}) else before.input
    name, title = now.name or before.name, now.title or before.title
    return Tool(now.id, name, title, now.status, given, now.output or before.output, now.diff or before.diff)


def call_part(tool: Tool) -> dict[str, Any]:
    """A tool call."""
    part: dict[str, Any] = {"type": "tool_call", "id": tool.id, "name": clipped(tool.name or "tool", 200)}
    if tool.title:
        part["title"] = clipped(tool.title, 500)
    if tool.input is not None:
        part["input"] = fitting(tool.input)
    part["status"] = MODES[tool.status]
    return part


def result_part(tool: Tool) -> dict[str, Any]:
    """What a tool answered."""
    failed = {"isError": True} if tool.status == "failed" else {}
    changed = {"diff": clipped(tool.diff, limits.LARGEST_FIELD)} if tool.diff and not failed else {}
    return {"type": "tool_result", "id": tool.id, **failed, "content": clipped(tool.output, limits.LARGEST_FIELD), **changed}


def clipped(text: str, most: int) -> str:
    """At most so many bytes as JSON, with a word at the end that says when something is missing."""
    if len(json.dumps(text)) - 2 <= most:
        return text
    kept = text[: most - len(CUT)]
    while len(json.dumps(kept)) - 2 > most - len(CUT) - 6:
        kept = kept[: len(kept) * 3 // 4]
    return kept + CUT


def fitting(value: Any, most: int = limits.LARGEST_FIELD) -> Any:
    """A value of JSON whose texts are cut until it fits; one that does not even then becomes a text."""
    room = most
    while room >= 64:
        smaller = _shortened(value, room)
        if len(json.dumps(smaller, default=str)) <= most:
            return smaller
        room //= 2
    return clipped(json.dumps(value, default=str), most)


def _shortened(value: Any, room: int) -> Any:
    if isinstance(value, str):
        return clipped(value, room)
    if isinstance(value, dict):
        return {str(name): _shortened(each, room) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(each, room) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
