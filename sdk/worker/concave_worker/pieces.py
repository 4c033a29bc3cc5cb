"""The pieces of a reply on their way: numbered, in order, one at a time, each until the backend has it.

Words wait a moment for more. While one write is on its way everything else waits, and words that wait side by side become
one piece. A piece keeps its number however often it is sent, so that it counts once.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from concave_worker import limits

Write = Callable[[int, str, dict[str, Any] | None], Awaitable[None]]
"""(sequence, chunk, part): write a piece, or raise."""


@dataclass
class Piece:
    """Words of the answer, or a part of another kind; `thought` are words of a thought."""

    text: str = ""
    thought: bool = False
    part: dict[str, Any] | None = None

    def size(self) -> int:
        """Bytes, about."""
        return len(self.text.encode()) if self.part is None else len(json.dumps(self.part))


class Pieces:
    """The one writer of a reply.

    Args:
        write: writes one piece; it repeats what may be repeated, and what it raises ends the writing.
        first: the number of the first piece.
    """

    def __init__(self, write: Write, first: int) -> None:
        self._write, self._next = write, first
        self._waiting: deque[Piece] = deque()
        self._size = 0
        self._news, self._ripe = asyncio.Event(), asyncio.Event()
        self._closing = False
        self.overflown = False
        """More waited than is kept: the pieces after that are not sent."""
        self._task = asyncio.create_task(self._run())

    @property
    def done(self) -> asyncio.Task[None]:
        """Ends with what ended the writing."""
        return self._task

    def say(self, text: str) -> None:
        """Words of the answer."""
        self._add(Piece(text))

    def think(self, text: str) -> None:
        """Words of a thought."""
        self._add(Piece(text, thought=True))

    def put(self, part: dict[str, Any]) -> None:
        """A part of another kind, sent without delay."""
        self._add(Piece(part=part))
        self._ripe.set()

    async def close(self) -> None:
        """Send what waits. Raises what ended the writing."""
        self._closing = True
        self._ripe.set()
        self._news.set()
        await self._task

    def drop(self) -> None:
        """Send no more."""
        self._task.cancel()

    def _add(self, piece: Piece) -> None:
        if self.overflown:
            return
        last = self._waiting[-1] if self._waiting else None
        if piece.part is None and last is not None and last.part is None and last.thought == piece.thought:
            last.text += piece.text
        else:
            if last is not None:
                self._ripe.set()  # words before something of another kind are complete
            self._waiting.append(piece)
        self._size += piece.size()
        if self._size >= limits.FLUSH_BYTES:
            self._ripe.set()
        if self._size > limits.BUFFER_BYTES:
            self.overflown = True
            self._waiting.clear()
        self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._waiting and not self._ripe.is_set():
                try:
                    async with asyncio.timeout(limits.FLUSH_S):
                        await self._ripe.wait()
                except TimeoutError:
                    pass  # the moment is over
            self._ripe.clear()
            ripe, self._waiting = self._waiting, deque()  # what comes meanwhile waits for more of its own
            while ripe and not self.overflown:
                await self._send(ripe.popleft())
            if self._closing and (self.overflown or not self._waiting):
                return

    async def _send(self, piece: Piece) -> None:
        self._size = max(0, self._size - piece.size())
        if piece.part is not None:
            await self._number("", piece.part)
            return
        for text in cut(piece.text, limits.LARGEST_FIELD if piece.thought else limits.LARGEST_PART):
            await self._number(*(("", {"type": "thinking", "text": text}) if piece.thought else (text, None)))

    async def _number(self, chunk: str, part: dict[str, Any] | None) -> None:
        await self._write(self._next, chunk, part)
        self._next += 1


def cut(text: str, most: int) -> list[str]:
    """A text in parts of at most so many bytes of UTF-8, none of which breaks a character."""
    if len(text.encode()) <= most:
        return [text] if text else []
    half = len(text) // 2
    return [*cut(text[:half], most), *cut(text[half:], most)]
