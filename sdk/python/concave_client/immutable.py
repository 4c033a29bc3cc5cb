"""`cortex.immutable`: records by type and id, of which every version is kept."""

from __future__ import annotations

import builtins
import dataclasses

from concave_client import immutable_calls as calls
from concave_client.groups import AsyncGroup, Group, awaited, listing, listing_awaited, method
from concave_client.immutable_calls import ImmutableVersion


class ImmutableStore(Group):
    """`cortex.immutable` of the sync client: see `immutable_calls.py` for each method."""

    store = method(calls.store)
    get = method(calls.get)
    get_version = method(calls.get_version)
    get_at_timestamp = method(calls.get_at_timestamp)
    list = listing(calls.list_records)
    count = method(calls.count)
    search = method(calls.search)
    purge = method(calls.purge)
    purge_many = method(calls.purge_many)
    purge_versions = method(calls.purge_versions)

    def get_history(self, type: str, id: str, *, space: str | None = None) -> builtins.list[ImmutableVersion]:
        """Every version that is kept, oldest first."""
        found: builtins.list[ImmutableVersion] = []
        while not found or found[-1].list_truncated:
            after = found[-1].version if found else 0
            part = self._transport.send(calls.history_part(type, id, after_version=after, space=space))
            if not part:
                break
            found += part
        return _whole(found)


class AsyncImmutableStore(AsyncGroup):
    """`cortex.immutable` of the async client: see `immutable_calls.py` for each method."""

    store = awaited(calls.store)
    get = awaited(calls.get)
    get_version = awaited(calls.get_version)
    get_at_timestamp = awaited(calls.get_at_timestamp)
    list = listing_awaited(calls.list_records)
    count = awaited(calls.count)
    search = awaited(calls.search)
    purge = awaited(calls.purge)
    purge_many = awaited(calls.purge_many)
    purge_versions = awaited(calls.purge_versions)

    async def get_history(self, type: str, id: str, *, space: str | None = None) -> builtins.list[ImmutableVersion]:
        """Every version that is kept, oldest first."""
        found: builtins.list[ImmutableVersion] = []
        while not found or found[-1].list_truncated:
            after = found[-1].version if found else 0
            part = await self._transport.send(calls.history_part(type, id, after_version=after, space=space))
            if not part:
                break
            found += part
        return _whole(found)


def _whole(found: list[ImmutableVersion]) -> list[ImmutableVersion]:
    return [dataclasses.replace(each, list_truncated=False) for each in found]
