"""What a coding agent says during a turn, in the words of this package: the same whichever agent it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

ToolStatus = Literal["pending", "running", "completed", "failed"]
Kind = Literal["allow_once", "allow_always", "reject_once"]
Reason = Literal["end_turn", "cancelled", "max_tokens", "refusal"]


@dataclass(frozen=True)
class Text:
    """The next words of the answer."""

    text: str


@dataclass(frozen=True)
class Thought:
    """The next words of what the agent thinks; they are no part of the answer."""

    text: str


@dataclass(frozen=True)
class Tool:
    """A tool call as it stands now. Events of one `id` replace one another; an empty field leaves what was said before."""

    id: str
    name: str = ""
    title: str = ""
    status: ToolStatus = "pending"
    input: Any = None
    output: str = ""
    diff: str = ""
    """What it changes in files, as a unified diff."""


@dataclass(frozen=True)
class Plan:
    """What the agent means to do: (words, "pending", "in_progress" or "completed"), the whole list each time."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Usage:
    """Tokens of the turn so far, by the names of the Messages API."""

    tokens: dict[str, int]


@dataclass(frozen=True)
class Option:
    """One answer that an agent offers to its question."""

    id: str
    kind: Kind
    name: str


@dataclass(frozen=True)
class Permission:
    """The agent asks whether it may. `id` is the tool call's, and the turn waits for `Agent.answer`."""

    id: str
    tool: str
    title: str
    input: Any
    options: tuple[Option, ...] = field(
        default=(
            Option("once", "allow_once", "Allow once"),
            Option("always", "allow_always", "Always allow in this session"),
            Option("reject", "reject_once", "Deny"),
        )
    )

    def option(self, kind: Kind) -> Option | None:
        """The offered answer of this kind."""
        return next((option for option in self.options if option.kind == kind), None)


def scope(tool: str, given: Any) -> str:
    """What "always" covers beside the call that was asked for: of a command the same command, of other tools the tool."""
    command = given.get("command") if isinstance(given, dict) else None
    return f"{tool}: {command}" if isinstance(command, str) else tool


@dataclass(frozen=True)
class Finished:
    """The turn has ended; nothing comes after it."""

    reason: Reason


@dataclass(frozen=True)
class Failed:
    """The turn has failed; nothing comes after it.

    Codes: agent_crashed, agent_error, agent_not_found, permission_denied, timeout, deadline, too_large.
    """

    code: str
    text: str


Event = Text | Thought | Tool | Plan | Usage | Permission | Finished | Failed
