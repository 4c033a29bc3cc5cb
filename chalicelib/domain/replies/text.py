"""The text of a reply while it is put together from its chunks."""

from __future__ import annotations

from typing import Any


class ReplyText:
    """The chunks of a reply, put together: its text, and the parts of one that is more than text.

    Parts, in order: `{type: "text", text}`, `{type: "thinking", text}`, `{type: "tool_call", id, name, server, input}` and
    `{type: "tool_result", id, isError, content}`. A tool's part that was too large has `text` and `cut` instead.
    """

    def __init__(self) -> None:
        self.text = ""
        self._parts: list[dict[str, Any]] = []
        self._tools = False
        self.size = 0
        """Bytes of the text, and of the parts where there are any."""

    @classmethod
    def of(cls, parts: list[dict[str, Any]]) -> ReplyText:
        """A text that is gone on with, of what `shown` was."""
        found = cls()
        for part in parts:
            if part["type"] == "text":
                found.add(part["text"])
            else:
                found.add("", part)
        return found

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What there is so far, in order, whether a tool was called or not."""
        return self._parts

    @property
    def has_parts(self) -> bool:
        """Whether a tool was called, so that a message holds the text twice."""
        return self._tools

    def add(self, text: str, part: dict[str, Any] | None = None) -> None:
        """A chunk of text, a tool's part, or a worker's thought."""
        if part is not None and part.get("type") == "thinking":
            self.think(str(part.get("text", "")))
            return
        self.text += text
        self.size += len(text.encode("utf-8", "surrogatepass")) * (2 if self._tools else 1)
        if part is not None:
            self._parts.append(part)
            self.size += len(self.text.encode("utf-8", "surrogatepass")) if not self._tools else 0
            self._tools = True
        else:
            self._say("text", text)

    def think(self, text: str) -> None:
        """A chunk of a thought."""
        self.size += len(text.encode("utf-8", "surrogatepass"))
        self._say("thinking", text)

    def parts(self) -> list[Any] | None:
        """The parts; None where no tool was called: then the text, and the reasoning before it, are all there is."""
        return self._parts if self._tools else None

    def _say(self, kind: str, text: str) -> None:
        if text and self._parts and self._parts[-1]["type"] == kind:
            self._parts[-1]["text"] += text
        elif text:
            self._parts.append({"type": kind, "text": text})
