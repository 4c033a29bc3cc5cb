"""The one interface of coding agents, and what their drivers share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from concave_worker.agents.events import Event

Decision = Literal["allow_once", "allow_always", "deny", "cancelled"]
"""What came of a permission request."""


class AgentError(Exception):
    """An agent could not be started or opened. `code` is agent_not_found, agent_crashed, agent_error or timeout."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True)
class Opened:
    """A session of the agent: its own id, and whether it remembers the turns before."""

    id: str
    resumed: bool


class Agent(Protocol):
    """One agent with one session in one directory. Turns come one after another; `close` may be called at any time."""

    @property
    def alive(self) -> bool:
        """Whether it could take a turn now."""

    async def open(self, directory: str, model: str | None, resume: str | None) -> Opened:
        """Start it and open a session, the named one if the agent still knows it.

        Raises:
            AgentError: it is not installed, died, or refused.
        """

    def prompt(self, text: str) -> AsyncGenerator[Event, None]:
        """A turn. Ends with `Finished` or `Failed`, and raises nothing for what the agent does."""

    async def cancel(self) -> None:
        """End the running turn; it finishes as "cancelled". Nothing happens without a turn."""

    async def answer(self, permission: str, decision: Decision) -> None:
        """Answer a `Permission` by its id. An id that is no longer asked is ignored."""

    async def close(self) -> None:
        """End the agent and whatever it started. Twice is once."""
