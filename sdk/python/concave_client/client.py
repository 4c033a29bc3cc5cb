"""`Cortex` and `AsyncCortex`: the calls of `calls.py` as methods."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from concave_client import calls
from concave_client.calls import Call, Part
from concave_client.immutable import AsyncImmutableStore, ImmutableStore
from concave_client.live import Live
from concave_client.memories import AsyncMemories, Memories
from concave_client.memory import AsyncMemoryApi, MemoryApi
from concave_client.models import Conversation, Exported, Format, Message
from concave_client.mutable import AsyncMutableStore, MutableStore
from concave_client.transport import AsyncTransport, Token, Transport

P = ParamSpec("P")
T = TypeVar("T")


def _sync(make: Callable[P, Call[T]]) -> Callable[Concatenate[Conversations, P], T]:
    """A call as a method that makes it."""

    def method(self: Conversations, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._transport.send(make(*args, **kwargs))

    return functools.update_wrapper(method, make)


def _async(make: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncConversations, P], Coroutine[Any, Any, T]]:
    """A call as a method to be awaited. Its arguments are checked at once, when it is called."""

    def method(self: AsyncConversations, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._transport.send(make(*args, **kwargs))

    return functools.update_wrapper(method, make)


def _sync_list(make: Callable[P, Call[list[Conversation]]]) -> Callable[Concatenate[Conversations, P], list[Conversation]]:
    """A call of a list as a method that goes on until it has all that was asked for."""

    def method(self: Conversations, /, *args: P.args, **kwargs: P.kwargs) -> list[Conversation]:
        found: list[Conversation] = []
        call: Call[list[Conversation]] | None = make(*args, **kwargs)
        while call is not None:
            answer = self._transport.send(call)
            found, call = [*found, *answer], calls.rest_of_list(call, answer)
        return [dataclasses.replace(each, list_truncated=False) for each in found]

    return functools.update_wrapper(method, make)


def _async_list(
    make: Callable[P, Call[list[Conversation]]],
) -> Callable[Concatenate[AsyncConversations, P], Coroutine[Any, Any, list[Conversation]]]:
    """The same, to be awaited. Its arguments are checked at once, when it is called."""

    async def rest(self: AsyncConversations, call: Call[list[Conversation]] | None) -> list[Conversation]:
        found: list[Conversation] = []
        while call is not None:
            answer = await self._transport.send(call)
            found, call = [*found, *answer], calls.rest_of_list(call, answer)
        return [dataclasses.replace(each, list_truncated=False) for each in found]

    def method(self: AsyncConversations, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, list[Conversation]]:
        return rest(self, make(*args, **kwargs))

    return functools.update_wrapper(method, make)


class Conversations:
    """`cortex.conversations`: see `calls.py` for each method."""

    def __init__(self, transport: Transport, live: Live) -> None:
        self._transport, self._live = transport, live

    create = _sync(calls.create)
    get = _sync(calls.get)
    add_message = _sync(calls.add_message)
    list = _sync_list(calls.list_conversations)
    count = _sync(calls.count)
    delete = _sync(calls.delete)
    get_message = _sync(calls.get_message)
    get_messages_by_ids = _sync(calls.get_messages_by_ids)
    get_history = _sync(calls.get_history)
    find_conversation = _sync(calls.find_conversation)
    get_or_create = _sync(calls.get_or_create)
    search = _sync(calls.search)
    delete_many = _sync(calls.delete_many)
    delete_by_ids = _sync(calls.delete_by_ids)
    purge_all = _sync(calls.purge_all)
    get_erasure = _sync(calls.get_erasure)

    def messages(self, conversation_id: str, *, page: int = 100) -> Iterator[Message]:
        """Every message of a conversation, oldest first, a page at a time."""
        offset = 0
        while True:
            found = self.get_history(conversation_id, limit=page, offset=offset)
            yield from found.messages
            offset = found.next_offset
            if not found.has_more:
                return

    def export(self, *, format: Format, **filters: Any) -> Exported:
        """Conversations with all their messages as text; filters are `type`, `user_id`, `agent_id`, `conversation_ids`,
        `date_range`."""
        parts: Any = [self._transport.send(calls.export_part(format=format, **filters))]
        while (cursor := parts[-1].cursor) is not None:
            parts.append(self._transport.send(calls.export_part(format=format, cursor=cursor, **filters)))
        return _joined(format, parts)

    def watch(self, conversation_id: str) -> Iterator[Conversation | None]:
        """A conversation now, and after every change; None while it is not there."""
        return self._live.values(calls.get(conversation_id))

    def watch_list(self, **filters: Any) -> Iterator[Any]:
        """A list now, and after every change; the arguments are those of `list`."""
        return self._live.values(calls.list_conversations(**filters))

    def watch_count(self, **filters: Any) -> Iterator[int]:
        """A count now, and after every change; the arguments are those of `count`."""
        return self._live.values(calls.count(**filters))


class AsyncConversations:
    """`cortex.conversations` of the async client: see `calls.py` for each method."""

    def __init__(self, transport: AsyncTransport, live: Live) -> None:
        self._transport, self._live = transport, live

    create = _async(calls.create)
    get = _async(calls.get)
    add_message = _async(calls.add_message)
    list = _async_list(calls.list_conversations)
    count = _async(calls.count)
    delete = _async(calls.delete)
    get_message = _async(calls.get_message)
    get_messages_by_ids = _async(calls.get_messages_by_ids)
    get_history = _async(calls.get_history)
    find_conversation = _async(calls.find_conversation)
    get_or_create = _async(calls.get_or_create)
    search = _async(calls.search)
    delete_many = _async(calls.delete_many)
    delete_by_ids = _async(calls.delete_by_ids)
    purge_all = _async(calls.purge_all)
    get_erasure = _async(calls.get_erasure)

    async def messages(self, conversation_id: str, *, page: int = 100) -> AsyncIterator[Message]:
        """Every message of a conversation, oldest first, a page at a time."""
        offset = 0
        while True:
            found = await self.get_history(conversation_id, limit=page, offset=offset)
            for each in found.messages:
                yield each
            offset = found.next_offset
            if not found.has_more:
                return

    async def export(self, *, format: Format, **filters: Any) -> Exported:
        """Conversations with all their messages as text; filters are `type`, `user_id`, `agent_id`, `conversation_ids`,
        `date_range`."""
        parts: Any = [await self._transport.send(calls.export_part(format=format, **filters))]
        while (cursor := parts[-1].cursor) is not None:
            parts.append(await self._transport.send(calls.export_part(format=format, cursor=cursor, **filters)))
        return _joined(format, parts)

    def watch(self, conversation_id: str) -> AsyncIterator[Conversation | None]:
        """A conversation now, and after every change; None while it is not there."""
        return self._live.values_async(calls.get(conversation_id))

    def watch_list(self, **filters: Any) -> AsyncIterator[Any]:
        """A list now, and after every change; the arguments are those of `list`."""
        return self._live.values_async(calls.list_conversations(**filters))

    def watch_count(self, **filters: Any) -> AsyncIterator[int]:
        """A count now, and after every change; the arguments are those of `count`."""
        return self._live.values_async(calls.count(**filters))


def _joined(format: Format, parts: list[Part]) -> Exported:
    """The parts of an export as one: a CSV file in order; in JSON the halves of a long conversation put together."""
    count = sum(part.exported.count for part in parts)
    if format == "csv":
        return Exported(format=format, data="".join(part.exported.data for part in parts), count=count)
    found: dict[str, Any] = {}
    for part in parts:
        for each in json.loads(part.exported.data):
            known = found.setdefault(each["conversationId"], each)
            if known is not each:
                known["messages"] += each["messages"]
    return Exported(format=format, data=json.dumps([*found.values()], ensure_ascii=False), count=count)


class Cortex:
    """A Concave backend, for ordinary code and threads.

    Args:
        url: the backend's address.
        token: who calls; a string, or a function that is asked before each request.
        timeout_s: how long one request may take, in seconds.
    """

    def __init__(self, url: str, token: Token = None, *, timeout_s: float = 30.0) -> None:
        self._transport = Transport(url, token, timeout_s)
        live = Live(url, token)
        self.conversations = Conversations(self._transport, live)
        self.memories = self.vector = Memories(self._transport, live)
        self.memory = MemoryApi(self._transport)
        self.mutable = MutableStore(self._transport)
        self.immutable = ImmutableStore(self._transport)

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncCortex:
    """A Concave backend, for an event loop. The arguments are those of `Cortex`."""

    def __init__(self, url: str, token: Token = None, *, timeout_s: float = 30.0) -> None:
        self._transport = AsyncTransport(url, token, timeout_s)
        live = Live(url, token)
        self.conversations = AsyncConversations(self._transport, live)
        self.memories = self.vector = AsyncMemories(self._transport, live)
        self.memory = AsyncMemoryApi(self._transport)
        self.mutable = AsyncMutableStore(self._transport)
        self.immutable = AsyncImmutableStore(self._transport)

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
