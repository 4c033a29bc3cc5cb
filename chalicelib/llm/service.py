"""The model, as built-in actions get it: settings in, replies out. The SDK loads with the first reply, not with this file."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from chalicelib.llm.claude import ModelSettings, reply
from chalicelib.llm.outcome import Event
from chalicelib.llm.pieces import Joiner
from chalicelib.llm.prompt import Prompt
from chalicelib.settings import Settings


class ModelService:
    """Replies of the model that this deployment is configured for.

    Args:
        settings: the key and the flush interval.
        url: the API's base; None is Anthropic's.
    """

    def __init__(self, settings: Settings, url: str | None) -> None:
        self._settings, self._url = settings, url

    def reply(self, prompt: Prompt, stopped: Callable[[], bool], seconds: float | None = None) -> Generator[Event, None, None]:
        """A reply's pieces, joined for storing, then `Finished`.

        Args:
            stopped: asked at least every 200 ms; cheap.
            seconds: after this long the reply ends with the reason `deadline`.

        Raises:
            ModelFailed: after the last joined piece.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        where = ModelSettings(url=self._url, api_key=self._settings.anthropic_key, deadline=deadline)
        joiner = Joiner(lambda: time.monotonic() * 1000, max_ms=self._settings.chunk_flush_ms)
        return reply(prompt, where, stopped, joiner)
