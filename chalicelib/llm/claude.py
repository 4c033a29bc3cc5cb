"""One reply of the model, through the official SDK.

A thread of its own reads, because a read blocks: it puts what it hears into a queue, and the generator the caller holds
takes it out, looking up at least every `WAKE_S` to see whether it was stopped, the deadline came or the line went silent.
Then it cuts the socket (`wire.Line`), which wakes the reader and tells the server, in milliseconds. So does closing the
generator. The reader owns every object of the HTTP library; nobody else touches them.

The SDK is slow to import (1.5 s, 77 MB), so that happens in the first call, not with this file. Its retries are off
(`retry.py` says why), its key is passed explicitly (it would look for one in the environment and on disk), and its
tracing is off.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from chalicelib.llm import prompt as prompts
from chalicelib.llm.blocks import Blocks
from chalicelib.llm.chunks import Chunk, Joiner
from chalicelib.llm.outcome import PAUSED, STOPPED, TOOL_USE, Event, Finished, ModelFailed, Tool, Usage, add_usage, no_usage
from chalicelib.llm.prompt import Prompt
from chalicelib.llm.retry import WAKE_S, Retry, Time, retrying

logger = logging.getLogger("concave.llm")

ANTHROPIC = "https://api.anthropic.com"
PAUSES = 5
"""So often a paused turn is asked to go on."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class ModelSettings:
    """Where the model is and how long to wait for it.

    Args:
        url: the API's base, without `/v1`; None is Anthropic's.
        api_key: sent as a bearer token.
        timeout_s: seconds without a byte in the middle of a reply.
        first_byte_s: seconds until the first byte of a reply.
        deadline: a moment of `time.monotonic()` at which every reply ends, None for no such moment.
    """

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0
    first_byte_s: float = 60.0
    deadline: float | None = None


def reply(
    prompt: Prompt,
    settings: ModelSettings,
    stopped: Callable[[], bool] = _never,
    joiner: Joiner | None = None,
    policy: Retry | None = None,
    clock: Time | None = None,
) -> Generator[Event, None, None]:
    """A whole reply as it should be stored: asked for again where that is allowed, its chunks joined (also before a failure).

    A pause of the model holds nothing back: what was said before it comes out when the joiner's time is up.

    Args:
        joiner: default: 250 ms, 1024 characters.
        The rest is as in `stream` and `retrying`.

    Raises:
        ModelFailed: after the last joined chunk was yielded.
    """
    joiner = joiner or Joiner(lambda: time.monotonic() * 1000)
    ask_again = partial(retrying, policy=policy, stopped=stopped, deadline=settings.deadline, clock=clock)
    try:
        with closing(_turns(prompt, partial(_events, settings=settings, stopped=stopped), ask_again)) as events:
            for event in events:
                match event:
                    case Chunk():
                        yield from joiner.add(event)
                    case Finished() | Tool():
                        yield from joiner.end()
                        yield event
                    case None:
                        yield from joiner.due()
    except ModelFailed:
        yield from joiner.end()
        raise


def _turns(
    prompt: Prompt,
    ask: Callable[[Prompt], Generator[Event | None, None, None]],
    ask_again: Callable[..., Generator[Event | None, None, None]],
) -> Generator[Event | None, None, None]:
    """The turns of one reply. The provider pauses a turn whose tools take long; it is asked to go on with what it has said.

    `max_tokens` bounds all turns together, and so does the usage count them. A turn may be asked for again on its own.
    """
    said: tuple[dict[str, Any], ...] = ()
    spent = no_usage()
    for turn in range(1 + PAUSES):
        asked = replace(prompt, said=said, max_tokens=prompt.max_tokens - spent["outputTokens"])
        ended = Finished(STOPPED)
        try:
            with closing(ask_again(partial(ask, asked))) as events:
                for event in events:
                    if isinstance(event, Finished):
                        ended = event
                    else:
                        yield event
        except ModelFailed as failed:
            failed.usage = add_usage(failed.usage, spent)
            raise
        said, spent = (*said, *ended.blocks), add_usage(ended.usage, spent)
        exhausted = prompt.max_tokens - spent["outputTokens"] < prompts.least_tokens(prompt)
        if ended.stop_reason != PAUSED or not ended.blocks or exhausted or turn == PAUSES:
            reason = "max_tokens" if ended.stop_reason == PAUSED and exhausted else ended.stop_reason
            yield Finished(reason, spent, said if reason == TOOL_USE else ())
            return


def stream(prompt: Prompt, settings: ModelSettings, stopped: Callable[[], bool] = _never) -> Generator[Event, None, None]:
    """One request, its chunks as they come, then `Finished`. Nothing is retried or joined.

    Args:
        stopped: asked before the request, after every chunk and at least every `WAKE_S`; so it must be cheap. When it says
            True, the connection is cut and the last event is `Finished("stopped", …)`.

    Raises:
        ModelFailed: with the usage as far as it is known. Chunks yielded before stay valid.
    """
    with closing(_events(prompt, settings, stopped)) as events:
        for event in events:
            if event is not None:
                yield event


def _events(prompt: Prompt, settings: ModelSettings, stopped: Callable[[], bool]) -> Generator[Event | None, None, None]:
    """As `stream`, with None for every wake at which nothing was new."""
    if stopped():
        yield Finished(STOPPED)
        return
    reader = _Reader(prompt, settings)
    if late := reader.too_late():
        raise late
    reader.start()
    try:
        while True:
            heard = reader.next(min(WAKE_S, reader.time_left()))
            if stopped():
                yield Finished(STOPPED, reader.count.usage())
                return
            if isinstance(heard, ModelFailed):
                heard.usage = reader.count.usage()
                raise heard
            if isinstance(heard, Exception):  # a mistake of ours: what was said and what it cost is known all the same
                logger.error("the model's answer could not be taken in", exc_info=heard)
                sentence = f"the model's answer could not be taken in ({type(heard).__name__})"
                raise ModelFailed("model_error", sentence, retryable=False, usage=reader.count.usage()) from heard
            late = reader.too_late()
            if heard is not None or late is None:
                yield heard
            if isinstance(heard, Finished):
                return
            # A line that was silent before this chunk is not silent now; a deadline that has come stays.
            if late is not None and (heard is None or late.reason == "deadline"):
                raise late
    finally:
        reader.close()


class _Reader:
    """The thread that reads one reply, and the queue it fills: chunks, then `Finished` or the error that ended it."""

    def __init__(self, prompt: Prompt, settings: ModelSettings) -> None:
        """Everything that can fail at once fails here, in the caller's thread; the slow import is paid here too."""
        if not settings.api_key:
            raise ModelFailed("unauthorized", "no API key is set for the model")
        try:
            self._arguments = prompts.request(prompt)
        except ValueError as wrong:
            raise ModelFailed("invalid_request", str(wrong)) from None
        from chalicelib.llm import faults, wire  # the slow import, before any clock is read

        self._wire, self._faults = wire, faults
        self._settings = settings
        self.count = _Count()
        self._line = wire.Line()
        self._heard: queue.SimpleQueue[Event | Exception] = queue.SimpleQueue()
        self._blocks = Blocks()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._read, name="model-reader", daemon=True)

    def start(self) -> None:
        """Ask."""
        self._thread.start()

    def next(self, wait_s: float) -> Event | Exception | None:
        """What was heard next; None when nothing was within `wait_s`."""
        try:
            return self._heard.get(timeout=max(0.0, wait_s))
        except queue.Empty:
            return None

    def time_left(self) -> float:
        """Seconds until `too_late`."""
        heard = self._line.heard
        silence = self._began + self._settings.first_byte_s if heard is None else heard + self._settings.timeout_s
        deadline = self._settings.deadline
        return (silence if deadline is None else min(silence, deadline)) - time.monotonic()

    def too_late(self) -> ModelFailed | None:
        """Why there is no time left; None while there is."""
        if self.time_left() > 0:
            return None
        usage, settings = self.count.usage(), self._settings
        if settings.deadline is not None and time.monotonic() >= settings.deadline:
            return ModelFailed("deadline", "the time for this reply is up", usage=usage)
        if self._line.heard is None:
            return ModelFailed("timeout", f"the model sent nothing for {settings.first_byte_s:g} s", usage=usage)
        return ModelFailed("timeout", f"the model fell silent for {settings.timeout_s:g} s", usage=usage)

    def close(self) -> None:
        """Cut the line and see the thread end. While it still connects it ends by itself, and its line as it opens."""
        if self._line.cut():
            self._thread.join(timeout=1.0)

    def _read(self) -> None:
        try:
            self._ask()
        except self._faults.EXPECTED as error:
            self._heard.put(self._faults.failure(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the caller's thread says so
            self._heard.put(error)

    def _ask(self) -> None:
        from anthropic import Anthropic

        settings, url = self._settings, self._settings.url or ANTHROPIC
        patience = max(settings.first_byte_s, settings.timeout_s)  # `time_left` is exact; this one frees a reader left alone
        http = self._wire.client(url, self._line, read_s=patience, connect_s=min(10.0, settings.first_byte_s))
        with Anthropic(api_key=settings.api_key, base_url=url, max_retries=0, http_client=http, open_telemetry=False) as sdk:
            ask: Any = sdk.beta.messages.create if "betas" in self._arguments else sdk.messages.create
            answer: Any = ask(**self._arguments, stream=True)
            for event in answer:
                self._take(event)
            if not self.count.stopped:
                self._heard.put(ModelFailed("truncated", "the model's answer ended in the middle"))

    def _take(self, event: Any) -> None:
        """One event of the wire. Blocks that are neither text, thinking nor a tool have no place in a reply."""
        match getattr(event, "type", None):  # an unknown event may be anything
            case "message_start":
                self.count.start(event.message.usage)
            case "content_block_start":
                self._say(event.content_block)
                self._tool(self._blocks.begin(event.content_block))
            case "content_block_delta":
                self._say(event.delta)
                self._blocks.grow(event.delta)
            case "content_block_stop":
                self._tool(self._blocks.end())
            case "message_delta":
                self.count.end(event.usage)
                self.count.stop_reason = event.delta.stop_reason or self.count.stop_reason
            case "message_stop":
                self._stop()

    def _say(self, said: Any) -> None:
        chunk: Chunk | None = None
        match getattr(said, "type", None):
            case "text" | "text_delta":
                chunk = Chunk("text", said.text)
            case "thinking" | "thinking_delta":
                chunk = Chunk("thinking", said.thinking)
        if chunk is not None and chunk.text:
            self.count.said(chunk.text)
            self._heard.put(chunk)

    def _tool(self, event: Tool | None) -> None:
        if event is not None:
            self._heard.put(event)

    def _stop(self) -> None:
        reason = self.count.stop_reason
        if reason is None:
            return  # the same as no end at all: `_ask` reports it
        self.count.stopped = True
        if reason == "refusal":
            self._heard.put(ModelFailed("refused", "the model declined to answer"))
        else:
            self._heard.put(Finished(reason, self.count.usage(), self._blocks.whole() if reason in (PAUSED, TOOL_USE) else ()))


class _Count:
    """What a reply costs: the API's numbers where they came, an estimate of the output where they did not."""

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        self.stopped = False
        self._known = no_usage()
        self._final = False
        self._guess = 0.0

    def start(self, usage: Any) -> None:
        self._merge(usage)

    def said(self, text: str) -> None:
        # The smallest unit of `tokens` would count every syllable as a whole token, so the thirds are added up.
        self._guess += len(text.encode("utf-8", "surrogatepass")) / 3

    def end(self, usage: Any) -> None:
        """`message_delta` counts from the start of the reply and replaces what `message_start` said."""
        self._merge(usage)
        self._final = True

    def usage(self) -> Usage:
        known = dict(self._known)
        if not self._final:
            known["outputTokens"] = max(known["outputTokens"], round(self._guess))
        return known

    def _merge(self, usage: Any) -> None:
        for ours, theirs in (
            ("inputTokens", "input_tokens"),
            ("outputTokens", "output_tokens"),
            ("cacheReadTokens", "cache_read_input_tokens"),
            ("cacheCreationTokens", "cache_creation_input_tokens"),
        ):
            number = getattr(usage, theirs, None)
            if isinstance(number, int):
                self._known[ours] = number
