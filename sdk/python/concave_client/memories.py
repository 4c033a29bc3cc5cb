"""`cortex.memories` (and `cortex.vector`): the calls of `calls_memories.py` as methods."""

from __future__ import annotations

import builtins
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from concave_client import calls_memories as calls
from concave_client.calls import Part
from concave_client.groups import AsyncGroup, Group, awaited, listing, listing_awaited, method
from concave_client.live import Live
from concave_client.models import Exported, Format
from concave_client.models_memory import Memory
from concave_client.transport import AsyncTransport, Transport


class Memories(Group):
    """Texts that are found by words and by meaning: see `calls_memories.py` for each method."""

    def __init__(self, transport: Transport, live: Live) -> None:
        super().__init__(transport)
        self._live = live

    store = method(calls.store)
    get = method(calls.get)
    list = listing(calls.list_memories)
    search = method(calls.search)
    count = method(calls.count)
    update = method(calls.update)
    update_many = method(calls.update_many)
    get_version = method(calls.get_version)
    get_history = method(calls.get_history)
    get_at_timestamp = method(calls.get_at_timestamp)
    archive = method(calls.archive)
    restore_from_archive = method(calls.restore_from_archive)
    delete = method(calls.delete)
    delete_many = method(calls.delete_many)

    def export(self, space: str, *, format: Format, **filters: Any) -> Exported:
        """The memories of a space as text; filters are `user_id`, `include_embeddings`, `include_archived`."""
        parts: Any = [self._transport.send(calls.export_part(space, format=format, **filters))]
        while (cursor := parts[-1].cursor) is not None:
            parts.append(self._transport.send(calls.export_part(space, format=format, cursor=cursor, **filters)))
        return _joined(format, parts)

    def watch_search(self, space: str, query: str = "", **filters: Any) -> Iterator[builtins.list[Memory]]:
        """What a search finds now, and after every change of it; the arguments are those of `search`."""
        return self._live.values(calls.search(space, query, **filters))

    def watch_list(self, space: str, **filters: Any) -> Iterator[builtins.list[Memory]]:
        """A list now, and after every change; the arguments are those of `list`."""
        return self._live.values(calls.list_memories(space, **filters))


class AsyncMemories(AsyncGroup):
    """`cortex.memories` of the async client: see `calls_memories.py` for each method."""

    def __init__(self, transport: AsyncTransport, live: Live) -> None:
        super().__init__(transport)
        self._live = live

    store = awaited(calls.store)
    get = awaited(calls.get)
    list = listing_awaited(calls.list_memories)
    search = awaited(calls.search)
    count = awaited(calls.count)
    update = awaited(calls.update)
    update_many = awaited(calls.update_many)
    get_version = awaited(calls.get_version)
    get_history = awaited(calls.get_history)
    get_at_timestamp = awaited(calls.get_at_timestamp)
    archive = awaited(calls.archive)
    restore_from_archive = awaited(calls.restore_from_archive)
    delete = awaited(calls.delete)
    delete_many = awaited(calls.delete_many)

    async def export(self, space: str, *, format: Format, **filters: Any) -> Exported:
        """The memories of a space as text; filters are `user_id`, `include_embeddings`, `include_archived`."""
        parts: Any = [await self._transport.send(calls.export_part(space, format=format, **filters))]
        while (cursor := parts[-1].cursor) is not None:
            parts.append(await self._transport.send(calls.export_part(space, format=format, cursor=cursor, **filters)))
        return _joined(format, parts)

    def watch_search(self, space: str, query: str = "", **filters: Any) -> AsyncIterator[builtins.list[Memory]]:
        """What a search finds now, and after every change of it; the arguments are those of `search`."""
        return self._live.values_async(calls.search(space, query, **filters))

    def watch_list(self, space: str, **filters: Any) -> AsyncIterator[builtins.list[Memory]]:
        """A list now, and after every change; the arguments are those of `list`."""
        return self._live.values_async(calls.list_memories(space, **filters))


def _joined(format: Format, parts: builtins.list[Part]) -> Exported:
    """The parts of an export as one."""
    count = sum(part.exported.count for part in parts)
    if format == "csv":
        return Exported(format=format, data="".join(part.exported.data for part in parts), count=count)
    found = [each for part in parts for each in json.loads(part.exported.data)]
    return Exported(format=format, data=json.dumps(found, ensure_ascii=False), count=count)
