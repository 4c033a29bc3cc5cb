"""Controls of replies, sessions and tasks on a chat socket, each with the event that answers it: rows."""

from __future__ import annotations

from chalicelib.doors.event_rows import Row


def _control(function: str, told: str, *, query: bool = False, socket: bool = True, failed: str = "error") -> Row:
    return Row(function, query=query, socket=socket, sent=(told, ""), failed=failed)


CONTROLS: dict[str, Row] = {
    "subscribe-session": _control("controls:subscribeSession", "session-subscribed"),
    "unsubscribe-session": _control("controls:unsubscribeSession", "session-unsubscribed"),
    "subscribe-task": _control("controls:subscribeTask", "task-subscribed"),
    "unsubscribe-task": _control("controls:unsubscribeTask", "task-unsubscribed"),
    "claude-command": Row("controls:command", failed="claude-error"),
    "abort-session": _control("controls:abort", "session-aborted", socket=False),
    "check-session-status": _control("controls:status", "session-status", query=True, socket=False),
    "get-active-sessions": _control("controls:active", "active-sessions", query=True, socket=False),
}
