"""Text of a model as Unicode: a character beyond U+FFFF that was cut in two deltas is whole again, half of one is U+FFFD.

JSON may escape the halves of a surrogate pair one by one (RFC 8259, section 8.2), so one delta can end with the first half and
the next begin with the second. Neither half can be stored or sent as UTF-8 alone.
"""

from __future__ import annotations

from chalicelib.data.json_text import whole
from chalicelib.llm.chunks import Chunk, Kind


class Halves:
    """Chunks in, whole chunks out: a first half at the end of one waits for the next chunk of its kind."""

    def __init__(self) -> None:
        self._kind: Kind | None = None
        self._held = ""

    def take(self, chunk: Chunk) -> list[Chunk]:
        """What can be told now, in order; empty while a half waits alone."""
        out = self.end() if chunk.kind != self._kind else []
        text, self._held, self._kind = self._held + chunk.text, "", chunk.kind
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return [*out, Chunk(chunk.kind, whole(text))] if text else out

    def end(self) -> list[Chunk]:
        """The half that is left when a block or the answer ends, as U+FFFD."""
        held, self._held = self._held, ""
        return [Chunk(self._kind, whole(held))] if held and self._kind is not None else []
