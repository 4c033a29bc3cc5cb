"""`cortex.mutable`: values by namespace and key, of which only the newest is kept."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from concave_client import mutable_calls as calls
from concave_client.errors import ConversationError
from concave_client.groups import AsyncGroup, Group, awaited, listing, listing_awaited, method
from concave_client.mutable_calls import MutableRecord

TRIES = 100
"""How often an update reads again when others were quicker."""
LONGEST_PAUSE_S = 0.5


class MutableStore(Group):
    """`cortex.mutable` of the sync client: see `mutable_calls.py` for each method."""

    set = method(calls.set)
    get = method(calls.get)
    get_record = method(calls.get_record)
    exists = method(calls.exists)
    replace = method(calls.replace)
    increment = method(calls.increment)
    decrement = method(calls.decrement)
    list = listing(calls.list_records)
    count = method(calls.count)
    delete = method(calls.delete)
    purge = method(calls.delete)
    purge_namespace = method(calls.purge_namespace)
    purge_many = method(calls.purge_many)
    transaction = method(calls.transaction)

    def update(self, namespace: str, key: str, change: Callable[[Any], Any], *, space: str | None = None) -> MutableRecord:
        """Change a value by a function of it, old → new. Where somebody else was quicker, the function is asked again with what
        is there now: no change is lost.

        Raises `ConversationError`: `MUTABLE_KEY_NOT_FOUND`; `REVISION_CONFLICT` after a hundred lost races.
        """
        for tried in range(TRIES):
            read = self.get_record(namespace, key, space=space)
            if read is None:
                raise _absent()
            try:
                return self.replace(namespace, key, change(read.value), revision=read.revision, space=space)
            except ConversationError as error:
                _unless_lost(error, tried)
            time.sleep(_pause(tried))
        raise AssertionError("the last try raises")  # pragma: no cover


class AsyncMutableStore(AsyncGroup):
    """`cortex.mutable` of the async client: see `mutable_calls.py` for each method."""

    set = awaited(calls.set)
    get = awaited(calls.get)
    get_record = awaited(calls.get_record)
    exists = awaited(calls.exists)
    replace = awaited(calls.replace)
    increment = awaited(calls.increment)
    decrement = awaited(calls.decrement)
    list = listing_awaited(calls.list_records)
    count = awaited(calls.count)
    delete = awaited(calls.delete)
    purge = awaited(calls.delete)
    purge_namespace = awaited(calls.purge_namespace)
    purge_many = awaited(calls.purge_many)
    transaction = awaited(calls.transaction)

    async def update(
        self, namespace: str, key: str, change: Callable[[Any], Any | Awaitable[Any]], *, space: str | None = None
    ) -> MutableRecord:
        """The same in an event loop; the function may be a coroutine function."""
        for tried in range(TRIES):
            read = await self.get_record(namespace, key, space=space)
            if read is None:
                raise _absent()
            value = change(read.value)
            if isinstance(value, Awaitable):
                value = await value
            try:
                return await self.replace(namespace, key, value, revision=read.revision, space=space)
            except ConversationError as error:
                _unless_lost(error, tried)
            await asyncio.sleep(_pause(tried))
        raise AssertionError("the last try raises")  # pragma: no cover


def _absent() -> ConversationError:
    return ConversationError("MUTABLE_KEY_NOT_FOUND", "there is no such key in this namespace", "key")


def _unless_lost(error: ConversationError, tried: int) -> None:
    """Raise everything but a lost race, and the last of these."""
    if error.code != "REVISION_CONFLICT" or tried == TRIES - 1:
        raise error


def _pause(tried: int) -> float:
    """How long to wait after a lost race, in seconds: longer each time, and at random, so that not all come at once again."""
    return random.uniform(0, min(LONGEST_PAUSE_S, 0.01 * 2 ** min(tried, 8)))
