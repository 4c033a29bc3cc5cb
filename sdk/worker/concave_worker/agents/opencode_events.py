"""The events of `opencode serve` in the words of this package, one turn of one session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from concave_worker.agents.events import Event, Failed, Finished, Permission, Text, Thought, Tool, ToolStatus, Usage

STATUS: dict[str, ToolStatus] = {"pending": "pending", "running": "running", "completed": "completed", "error": "failed"}
ABORTED = "MessageAbortedError"


class Reader:
    """What is known of a turn: whose a message is, what kind a part is, and how much of it was said.

    A delta does not say whether it is of the answer or of a thought, nor whose: that comes with the message and the part.
    Until then deltas wait.

    Args:
        session: the turn's session; sessions that it opens for helpers only ask permissions here.
    """

    def __init__(self, session: str) -> None:
        self.cancelled = False
        self.questions: dict[str, str] = {}
        self._session = session
        self._mine: set[str] = set()
        self._kinds: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._error: Failed | None = None
        self._busy = False

    def read(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """What an event of the server's says."""
        said = event.get("properties") or {}
        if event.get("type") == "permission.asked":
            yield self._asked(said)
        elif said.get("sessionID", (said.get("info") or said.get("part") or {}).get("sessionID")) == self._session:
            yield from self._own(str(event.get("type")), said)

    def _own(self, kind: str, said: Mapping[str, Any]) -> Iterator[Event]:
        match kind:
            case "message.updated" if said["info"].get("role") == "assistant":
                self._mine.add(str(said["info"]["id"]))
            case "message.part.updated":
                yield from self._part(said["part"])
            case "message.part.delta" if said.get("field") == "text":
                yield from self._delta(str(said["partID"]), str(said["delta"]))
            case "session.error":
                error = said.get("error") or {}
                if error.get("name") != ABORTED:
                    text = (error.get("data") or {}).get("message") or error.get("name") or "unknown"
                    self._error = Failed("agent_error", str(text))
            case "session.status":
                status = said["status"].get("type")
                self._busy = self._busy or status != "idle"
                if status == "idle" and self._busy:
                    yield self._end()
            case "session.idle":
                yield self._end()

    def _end(self) -> Event:
        if self.cancelled:
            return Finished("cancelled")
        return self._error or Finished("end_turn")

    def _part(self, part: Mapping[str, Any]) -> Iterator[Event]:
        number, kind = str(part["id"]), str(part["type"])
        if str(part.get("messageID")) not in self._mine:
            return
        self._kinds[number] = kind
        if kind in ("text", "reasoning"):
            whole = str(part.get("text") or "")
            said = self._said.get(number, "") + self._waiting.pop(number, "")
            rest = whole[len(said) :] if whole.startswith(said) else ""
            yield from self._words(number, said[len(self._said.get(number, "")) :] + rest)
        elif kind == "tool":
            yield _tool(part)
        elif kind == "step-finish" and (tokens := part.get("tokens")):
            yield Usage(_usage(tokens))

    def _delta(self, number: str, delta: str) -> Iterator[Event]:
        if number in self._kinds:
            yield from self._words(number, delta)
        else:
            self._waiting[number] = self._waiting.get(number, "") + delta

    def _words(self, number: str, words: str) -> Iterator[Event]:
        if words:
            self._said[number] = self._said.get(number, "") + words
            yield Text(words) if self._kinds[number] == "text" else Thought(words)

    def _asked(self, said: Mapping[str, Any]) -> Permission:
        call = str((said.get("tool") or {}).get("callID") or said["id"])
        self.questions[call] = str(said["id"])
        patterns = [str(each) for each in said.get("patterns") or []]
        title = ", ".join(patterns) or str(said.get("permission"))
        given = {**(said.get("metadata") or {}), "patterns": patterns}
        return Permission(call, tool=str(said.get("permission") or "tool"), title=title, input=given)


def _tool(part: Mapping[str, Any]) -> Tool:
    state = part.get("state") or {}
    output = state.get("output") or state.get("error") or (state.get("metadata") or {}).get("output") or ""
    return Tool(
        str(part.get("callID") or part["id"]),
        name=str(part.get("tool") or ""),
        title=str(state.get("title") or ""),
        status=STATUS.get(str(state.get("status")), "pending"),
        input=state.get("input"),
        output=str(output),
        diff=str((state.get("metadata") or {}).get("diff") or ""),
    )


def _usage(tokens: Mapping[str, Any]) -> dict[str, int]:
    cache = tokens.get("cache") or {}
    return {
        "input_tokens": int(tokens.get("input") or 0),
        "output_tokens": int(tokens.get("output") or 0),
        "cache_read_input_tokens": int(cache.get("read") or 0),
        "cache_creation_input_tokens": int(cache.get("write") or 0),
    }
