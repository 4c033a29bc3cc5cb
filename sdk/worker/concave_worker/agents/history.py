"""The sessions that an agent's program keeps, whoever began them: listed, read, renamed and put away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

MOST_LISTED = 200
"""The newest sessions of one program that are listed."""
MOST_SAID = 50
"""The newest messages of a session that are read."""
LONGEST = 20_000
"""Characters of one message."""


@dataclass(frozen=True)
class Past:
    """A session as its program lists it. `updated` is in milliseconds since the epoch."""

    id: str
    title: str
    directory: str
    updated: float


@dataclass(frozen=True)
class Said:
    """A message of a session."""

    role: Literal["user", "assistant"]
    content: str


class History(Protocol):
    """The sessions of one program. It is open between `open` and `close`; each method raises `AgentError`."""

    @property
    def agents(self) -> tuple[str, ...]:
        """The kinds of agents that share it; the first one goes on with what was begun elsewhere."""

    async def open(self) -> None:
        """Start what is needed to look."""

    async def listed(self) -> list[Past]:
        """The newest ones, at most `MOST_LISTED`."""

    async def found(self, session: str) -> Past | None:
        """One by its id; None: the program does not know it any more."""

    async def said(self, session: str) -> list[Said]:
        """The newest messages, at most `MOST_SAID`, oldest first."""

    async def rename(self, session: str, title: str) -> None:
        """Give it a title."""

    async def put_away(self, session: str) -> None:
        """Take it off the list that its program shows, where the program can. It is never deleted."""

    async def close(self) -> None:
        """End what `open` has started. Twice is once."""


def newest(said: list[Said]) -> list[Said]:
    """What is handed on of a session's messages: those with words, and only the newest, cut where they are very long."""
    return [Said(each.role, each.content[:LONGEST]) for each in said if each.content.strip()][-MOST_SAID:]


def words(content: Any) -> str:
    """The text of a message's content: a string, or a list of blocks of which some are text."""
    if isinstance(content, str):
        return content
    blocks = [each for each in content or () if isinstance(each, dict)]
    return "\n\n".join(str(each.get("text", "")) for each in blocks if each.get("type") == "text" and not each.get("synthetic"))
