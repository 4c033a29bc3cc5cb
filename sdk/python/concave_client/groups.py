"""What the groups of a client share: calls as methods, sync and async."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from concave_client.calls import Call
from concave_client.live import Live
from concave_client.transport import AsyncTransport, Transport

P = ParamSpec("P")
T = TypeVar("T")


class Group:
    """Calls that belong together, for ordinary code."""

    def __init__(self, transport: Transport, live: Live) -> None:
        self._transport, self._live = transport, live


class AsyncGroup:
    """Calls that belong together, for an event loop."""

    def __init__(self, transport: AsyncTransport, live: Live) -> None:
        self._transport, self._live = transport, live


def sync_method(make: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], T]:
    """A call as a method that makes it."""

    def method(self: Group, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._transport.send(make(*args, **kwargs))

    return functools.update_wrapper(method, make)


def async_method(make: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """A call as a method to be awaited. Its arguments are checked at once, when it is called."""

    def method(self: AsyncGroup, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._transport.send(make(*args, **kwargs))

    return functools.update_wrapper(method, make)
