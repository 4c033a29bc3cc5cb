"""Text that a model sends in parts, whole again: the two halves of a character may come in two deltas.

JSON may name each half of a surrogate pair by itself (`"\\ud83d"`), and a delta may end between the two. A half alone is no
character and cannot be stored or sent as UTF-8, so it waits for the other one; where that never comes it is U+FFFD, the mark
for what could not be read (RFC 8259 section 8.2, Unicode chapter 3.9).
"""

from __future__ import annotations


def mended(text: str) -> str:
    """The same text with its pairs joined; a half without the other one is U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Halves:
    """Mends the text of one kind as it comes. What `take` and `rest` return, put together, is `mended` of the whole."""

    def __init__(self) -> None:
        self._first = ""

    def take(self, text: str) -> str:
        """What can be told of this and what waited; a first half at the end waits for the next one."""
        text, self._first = self._first + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._first = text[:-1], text[-1]
        return mended(text)

    def rest(self) -> str:
        """What waited for a second half that will not come."""
        left, self._first = self._first, ""
        return mended(left)
