"""A reader that follows a reply as the page does (`web/src/lib/following.ts`): it keeps the text, and adds what updates tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

QUERY = "chat:followReply"
PAGE, WIDEST, CLOSE, CALM = 64, 8, 2, 16


@dataclass
class ReplyText:
    """A reply as far as it is followed.

    Args:
        modify: sends these modifications of the query set.
        number: a query id that is new.
        about: the session and the reply, as arguments.
    """

    modify: Callable[[list[dict[str, Any]]], None]
    number: Callable[[], int]
    about: Mapping[str, Any]
    text: str = ""
    """What has arrived."""
    last: int = -1
    width: int = 1
    gaps: int = 0
    """How often what came was not the next."""
    updates: int = 0
    _calm: int = CLOSE
    _gap: bool = False
    _newest: int | None = None
    _missing: int | None = None
    _values: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def begin(self) -> None:
        """Follow."""
        self._newest = self._ask([], limit=self.width)

    def take(self, transition: Mapping[str, Any]) -> None:
        """A Transition, in its turn."""
        for change in transition["modifications"]:
            if "value" in change:
                self._values[change["queryId"]] = change["value"]
        if self._missing is not None and (page := self._values.pop(self._missing, None)) is not None:
            self._add(page)
            self.modify([{"type": "Remove", "queryId": self._missing}])
            self._missing = None
        self._look()

    def _look(self) -> None:
        newest = self._values.get(self._newest) if self._newest is not None else None
        if not newest or self._missing is not None:
            return
        if newest[0]["sequence"] > self.last + 1:
            self._miss(newest[-1]["sequence"])
        elif newest[-1]["sequence"] > self.last or self._gap:
            self._add(newest)
            self.updates += 1
            self._gap = False
            if self.width > 1 and self._calm >= CALM:
                self._widen(self.width // 2, CLOSE)
            else:
                self._calm += 1

    def _miss(self, newest: int) -> None:
        """There is a gap: ask for what is missing, or for wider updates where gaps come one upon another."""
        if not self._gap:
            close, self._gap, self._calm = self._calm < CLOSE, True, 0
            self.gaps += 1
            if close and self.width < WIDEST:
                self._widen(2 * self.width, 0)
                return
        self._missing = self._ask([], after=self.last, limit=min(newest - self.last, PAGE))

    def _widen(self, width: int, calm: int) -> None:
        self.width, self._calm = width, calm
        self._newest = self._ask([{"type": "Remove", "queryId": self._newest}], limit=width)

    def _add(self, chunks: list[dict[str, Any]]) -> None:
        fresh = [each for each in chunks if each["sequence"] > self.last]
        self.text += "".join(each["chunk"] for each in fresh)
        self.last = fresh[-1]["sequence"] if fresh else self.last

    def _ask(self, before: list[dict[str, Any]], **args: int) -> int:
        query = self.number()
        asked = {"type": "Add", "queryId": query, "udfPath": QUERY, "args": [{**self.about, **args}]}
        self.modify([*before, asked])
        return query
