"""The Agent Client Protocol's updates in the words of this package."""

from __future__ import annotations

import json
from typing import Any

from acp.schema import (
    AgentMessageChunk,
    AgentPlanUpdate,
    AgentThoughtChunk,
    FileEditToolCallContent,
    PermissionOption,
    ToolCallProgress,
    ToolCallStart,
    ToolCallUpdate,
)

from concave_worker.agents.agent import Decision
from concave_worker.agents.changes import diff
from concave_worker.agents.events import Event, Kind, Option, Permission, Plan, Reason, Text, Thought, Tool, ToolStatus, Usage

STATUS: dict[str, ToolStatus] = {"pending": "pending", "in_progress": "running", "completed": "completed", "failed": "failed"}
REASONS: dict[str, Reason] = {"end_turn": "end_turn", "max_tokens": "max_tokens", "refusal": "refusal", "cancelled": "cancelled"}
KINDS: dict[str, Kind] = {
    "allow_once": "allow_once",
    "allow_always": "allow_always",
    "reject_once": "reject_once",
    "reject_always": "reject_once",
}


def event_of(update: Any) -> Event | None:
    """The event of an update; None for those that concern no reader."""
    match update:
        case AgentMessageChunk():
            text = getattr(update.content, "text", "")
            return Text(text) if text else None
        case AgentThoughtChunk():
            text = getattr(update.content, "text", "")
            return Thought(text) if text else None
        case ToolCallStart() | ToolCallProgress():
            return Tool(
                update.tool_call_id,
                name=str(update.kind or ""),
                title=update.title or "",
                status=STATUS.get(update.status or "pending", "pending"),
                input=update.raw_input,
                output=_output(update),
                diff=_diff(update),
            )
        case AgentPlanUpdate():
            return Plan(tuple((entry.content, entry.status) for entry in update.entries))
    return None


def _output(update: ToolCallStart | ToolCallProgress) -> str:
    """What a tool answered: its content where it is text, else what it answered as it is."""
    texts = []
    for each in update.content or []:
        if (inner := getattr(each, "content", None)) is not None and getattr(inner, "text", None):
            texts.append(inner.text)
    if texts or update.raw_output is None:
        return "\n".join(texts)
    return update.raw_output if isinstance(update.raw_output, str) else json.dumps(update.raw_output, ensure_ascii=False)


def _diff(update: ToolCallStart | ToolCallProgress) -> str:
    """What a tool changes in files. opencode has a diff of its own with the lines around it; the protocol has the words alone."""
    whole = (update.raw_output.get("metadata") or {}).get("diff") if isinstance(update.raw_output, dict) else None
    if whole:
        return str(whole)
    changes = [each for each in update.content or [] if isinstance(each, FileEditToolCallContent)]
    return "\n".join(diff(each.path, each.old_text or "", each.new_text) for each in changes)


def permission_of(call: ToolCallUpdate, options: list[PermissionOption]) -> Permission:
    """A question of the agent's."""
    offered = tuple(Option(option.option_id, KINDS[option.kind], option.name) for option in options)
    title = call.title or str(call.kind or "tool")
    return Permission(call.tool_call_id, tool=str(call.kind or "tool"), title=title, input=call.raw_input, options=offered)


def options_of(question: Permission, decision: Decision) -> str | None:
    """Which of the offered answers a decision is; None: there is none, and the question counts as cancelled."""
    wanted: dict[Decision, tuple[Kind, ...]] = {
        "allow_once": ("allow_once",),
        "allow_always": ("allow_always", "allow_once"),
        "deny": ("reject_once",),
        "cancelled": (),
    }
    for kind in wanted[decision]:
        if (option := question.option(kind)) is not None:
            return option.id
    return None


def stop_reason(said: str) -> Reason:
    """Why the agent's turn ended; what this package has no word for is an end."""
    return REASONS.get(said, "end_turn")


def usage_of(usage: Any) -> Usage | None:
    """The tokens of a turn, by the names of the Messages API."""
    if usage is None:
        return None
    named = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_read_tokens,
        "cache_creation_input_tokens": usage.cached_write_tokens,
    }
    return Usage({name: int(count) for name, count in named.items() if count is not None})
