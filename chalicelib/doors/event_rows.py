"""Which function an event of a chat socket calls, and what its sender is told beside the acknowledgement: rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.data import mount


@dataclass(frozen=True)
class Row:
    """One client event.

    Args:
        function: what it calls; a query is answered without being stored as a change.
        socket: whether the function is told which socket asks.
        sent: a further event to the sender, with this part of the result as its data; the whole result where none is named.
        failed: a further event to the sender when it was refused.
        empty: what the acknowledgement says when the result is no object.
        responds: a request of AgentX's engine: its response is an event of its own, with the request's id.
        wrap: under which name a response holds the result.
    """

    function: str
    query: bool = False
    sent: tuple[str, str] | None = None
    failed: str = "error"
    empty: str = "result"
    names: Mapping[str, str] = field(default_factory=dict)
    socket: bool = True
    responds: bool = False
    wrap: str = ""
    missing: str = ""
    """The code of a response whose result is null."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", mount.path(self.function))

    def response(self, event: str) -> str:
        """The name of a request's response."""
        return event.removesuffix("_request") + "_response"


ROOMS: dict[str, Row] = {
    "conversation:join": Row("gateway:join"),
    "conversation:leave": Row("gateway:leave", empty="conversationId"),
    "conversation:online": Row("gateway:online", query=True),
    "message:send": Row("rooms:send", sent=("message:sent", "message"), failed="message:error"),
    "message:typing": Row("gateway:typing"),
    "message:read": Row("receipts:read", socket=False),
}
