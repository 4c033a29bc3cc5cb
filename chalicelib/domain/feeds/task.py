"""What who has subscribed a task is told: its conversations, when replies begin and end in them, its agent runs.

The cursor says what was known: of the newest conversations how far their replies were told, and of the newest agent runs their
state. What is there and was not known is new, unless it is older than all that was known: then something newer was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import tasks
from chalicelib.domain import tasks as tasks_domain
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.domain.feeds import session as session_feed
from chalicelib.schema import AgentRun, ChatMessage, Conversation, Run

CONVERSATIONS, RUNS = 30, 20
"""So many of a task's newest are watched."""
ALL_CONVERSATIONS, ALL_RUNS = 300, 160
"""So many of all the tasks of one socket together: a query reads a thousand documents at most."""


def known(ctx: MutationCtx, task_id: str) -> dict[str, Any]:
    """A cursor that knows everything that is there now. A reply that is being written now will be told."""
    conversations, runs = _conversations(ctx, task_id, CONVERSATIONS), _runs(ctx, task_id, RUNS)
    return {
        "conversations": {each.id: {"seq": reply_feed.place(ctx, each)} for each in conversations},
        "runs": {each.id: each.state for each in runs},
        "since": [_oldest(conversations, CONVERSATIONS), _oldest(runs, RUNS)],
    }


def begun(cursors: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Of which replies the followers of tasks were told that they begin, and not yet that they end: conversation → entry."""
    return {
        conversation: int(place["seq"])
        for cursor in cursors
        for conversation, place in cursor.get("conversations", {}).items()
        if place.get("chars", -1) >= 0 and not place.get("silent")
    }


class TaskStream:
    """One task of one socket: what is new since its cursor.

    Args:
        sessions: the sessions that the socket hears of by themselves, each with the entry it began with: their replies are told
            there, once.
        among: how many tasks the socket has subscribed.
    """

    def __init__(
        self, ctx: QueryCtx, task_id: str, cursor: dict[str, Any], sessions: Mapping[str, int] | None = None, among: int = 1
    ) -> None:
        self.ctx, self.sessions = ctx, sessions or {}
        self.task_id = task_id
        self.cursor = cursor
        self.events: list[dict[str, Any]] = []
        self.more = False
        self.space = 0  # these events are small
        self.conversations, self.runs = min(CONVERSATIONS, ALL_CONVERSATIONS // among), min(RUNS, ALL_RUNS // among)

    def look(self) -> None:
        """Gather the events, and move the cursor."""
        if "gone" in self.cursor or tasks.find(self.ctx, self.task_id) is None:
            self.cursor = {"gone": True}
            return
        before, (since, runs_since) = self.cursor, self.cursor["since"]
        conversations = _conversations(self.ctx, self.task_id, self.conversations)
        runs = _runs(self.ctx, self.task_id, self.runs)
        told = {
            each.id: self._conversation(each, before["conversations"].get(each.id), since) for each in reversed(conversations)
        }
        for run in reversed(runs):
            was = before["runs"].get(run.id)
            if was != run.state and (was is not None or run.creation_time >= runs_since):
                self._tell("agent-run-updated", agentRun=msgspec.to_builtins(tasks_domain.run_view(run)))
        self.cursor = {
            "conversations": told,
            "runs": {each.id: each.state for each in runs},
            "since": [max(since, _oldest(conversations, self.conversations)), max(runs_since, _oldest(runs, self.runs))],
        }

    def _conversation(self, conversation: Conversation, cursor: dict[str, Any] | None, since: float) -> dict[str, Any]:
        """Tell of one conversation. Returns its cursor."""
        if cursor is None and conversation.creation_time < since:
            return {"seq": conversation.message_count + 1}
        if cursor is None:
            self._tell("conversation-added", conversation=msgspec.to_builtins(tasks_domain.conversation_view(conversation)))
        elif conversation.active_run is None and cursor["seq"] > conversation.message_count:
            return cursor  # quiet, as most are: nothing more is read
        replies = _Replies(self.ctx, conversation, cursor, self.sessions.get(conversation.session_id or ""))
        replies.look()
        self.events += replies.events
        self.more = self.more or replies.more
        return replies.cursor

    def _tell(self, event: str, **data: Any) -> None:
        self.events.append({"event": event, "data": {"taskId": self.task_id, **data}})


class _Replies(reply_feed.Stream):
    """The replies of one of a task's conversations: that they begin and end, not what they say.

    Args:
        elsewhere: the entry from which on they are told to the same socket as those of a session.
    """

    def __init__(
        self, ctx: QueryCtx, conversation: Conversation, cursor: dict[str, Any] | None, elsewhere: int | None = None
    ) -> None:
        super().__init__(ctx, conversation.linked_from or 1, cursor)
        self.id, self.elsewhere = conversation.id, elsewhere
        self.names = session_feed.names(conversation, conversation.session_id or "")

    def conversation(self) -> str:
        """The one that the task's reader found."""
        return self.id

    def started(self, entry: ChatMessage) -> None:
        """`streaming-started`."""
        if self._is_elsewhere(entry):
            self.cursor["silent"] = True
            return
        self.events.append({"event": "streaming-started", "data": {**self.names, "messageId": entry.id}})

    def ended(self, entry: ChatMessage) -> None:
        """`streaming-ended`."""
        if not self._is_elsewhere(entry):
            self.events.append(session_feed.streaming_ended(self.names, entry))

    def _is_elsewhere(self, entry: ChatMessage) -> bool:
        return self.elsewhere is not None and entry.sequence >= self.elsewhere

    def _chunks(self, entry: ChatMessage, run: Run) -> None:
        """Not told."""

    def _rest(self, entry: ChatMessage) -> bool:
        return True


def _conversations(ctx: QueryCtx | MutationCtx, task_id: str, most: int) -> list[Conversation]:
    return list(ctx.db.query(Conversation.by_task(task_id)).newest().take(most))


def _runs(ctx: QueryCtx | MutationCtx, task_id: str, most: int) -> list[AgentRun]:
    return list(ctx.db.query(AgentRun.by_task(task_id)).newest().take(most))


def _oldest(listed: list[Any], most: int) -> float:
    """When the oldest of a full list was made; there may be older ones then."""
    return float(listed[-1].creation_time) if len(listed) == most else 0.0
