"""`cortex.memories` (and `cortex.vector`): the calls of `calls_memories.py` as methods."""

from __future__ import annotations

import builtins
import dataclasses
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from concave_client import calls_memories as calls
from concave_client.calls import Call, Part
from concave_client.groups import AsyncGroup, Group, async_method, sync_method
from concave_client.models import Exported, Format
from concave_client.models_memory import Memory


class Memories(Group):
    """Texts that are found by words and by meaning: see `calls_memories.py` for each method."""

    store = sync_method(calls.store)
    get = sync_method(calls.get)
    search = sync_method(calls.search)
    count = sync_method(calls.count)
    update = sync_method(calls.update)
    update_many = sync_method(calls.update_many)
    get_version = sync_method(calls.get_version)
    get_history = sync_method(calls.get_history)
    get_at_timestamp = sync_method(calls.get_at_timestamp)
    archive = sync_method(calls.archive)
    restore_from_archive = sync_method(calls.restore_from_archive)
    delete = sync_method(calls.delete)
    delete_many = sync_method(calls.delete_many)

    def list(self, space: str, **filters: Any) -> builtins.list[Memory]:
        """The memories of a space, newest first, all that was asked for: see `calls_memories.list_memories` for the filters."""
        found: builtins.list[Memory] = []
        call: Call[builtins.list[Memory]] | None = calls.list_memories(space, **filters)
        while call is not None:
            answer = self._transport.send(call)
            found, call = [*found, *answer], calls.rest_of_list(call, answer)
        return [dataclasses.replace(each, list_truncated=False) for each in found]

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

    store = async_method(calls.store)
    get = async_method(calls.get)
    search = async_method(calls.search)
    count = async_method(calls.count)
    update = async_method(calls.update)
    update_many = async_method(calls.update_many)
    get_version = async_method(calls.get_version)
    get_history = async_method(calls.get_history)
    get_at_timestamp = async_method(calls.get_at_timestamp)
    archive = async_method(calls.archive)
    restore_from_archive = async_method(calls.restore_from_archive)
    delete = async_method(calls.delete)
    delete_many = async_method(calls.delete_many)

    def list(self, space: str, **filters: Any) -> Coroutine[Any, Any, builtins.list[Memory]]:
        """The memories of a space, newest first, all that was asked for. The arguments are checked at once."""
        return self._rest(calls.list_memories(space, **filters))

    async def _rest(self, call: Call[builtins.list[Memory]] | None) -> builtins.list[Memory]:
        found: builtins.list[Memory] = []
        while call is not None:
            answer = await self._transport.send(call)
            found, call = [*found, *answer], calls.rest_of_list(call, answer)
        return [dataclasses.replace(each, list_truncated=False) for each in found]

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
