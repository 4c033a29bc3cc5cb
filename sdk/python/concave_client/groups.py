"""Calls as methods: what the groups of a client, such as `cortex.mutable`, are made of."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from concave_client.calls import Call
from concave_client.transport import AsyncTransport, Transport

P = ParamSpec("P")
T = TypeVar("T")


class Group:
    """Some calls of the sync client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class AsyncGroup:
    """Some calls of the async client."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


def method(make: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], T]:
    """A call as a method that makes it."""

    def made(self: Group, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._transport.send(make(*args, **kwargs))

    return functools.update_wrapper(made, make)


def awaited(make: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """A call as a method to be awaited. Its arguments are checked at once, when it is called."""

    def made(self: AsyncGroup, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._transport.send(make(*args, **kwargs))

    return functools.update_wrapper(made, make)


def _rest(call: Call[list[T]], answer: list[T]) -> Call[list[T]] | None:
    """The call for what a list had no room for; None: an answer that ends because of its bytes says so in its last element."""
    last: Any = answer[-1] if answer else None
    if last is None or not last.list_truncated:
        return None
    offset, limit = int(call.args["offset"] or 0) + len(answer), int(call.args["limit"] or 100) - len(answer)
    return dataclasses.replace(call, args={**call.args, "offset": offset, "limit": limit})


def _whole(found: list[Any]) -> list[Any]:
    return [dataclasses.replace(each, list_truncated=False) for each in found]


def listing(make: Callable[P, Call[list[T]]]) -> Callable[Concatenate[Any, P], list[T]]:
    """A call of a list as a method that goes on until it has all that was asked for."""

    def made(self: Group, /, *args: P.args, **kwargs: P.kwargs) -> list[T]:
        found: list[T] = []
        call: Call[list[T]] | None = make(*args, **kwargs)
        while call is not None:
            answer = self._transport.send(call)
            found, call = [*found, *answer], _rest(call, answer)
        return _whole(found)

    return functools.update_wrapper(made, make)


def listing_awaited(make: Callable[P, Call[list[T]]]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, list[T]]]:
    """The same, to be awaited. Its arguments are checked at once, when it is called."""

    async def rest(self: AsyncGroup, call: Call[list[T]] | None) -> list[T]:
        found: list[T] = []
        while call is not None:
            answer = await self._transport.send(call)
            found, call = [*found, *answer], _rest(call, answer)
        return _whole(found)

    def made(self: AsyncGroup, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, list[T]]:
        return rest(self, make(*args, **kwargs))

    return functools.update_wrapper(made, make)
