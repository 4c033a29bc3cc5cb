"""Queries that stay true: the official `convex` client's subscriptions, read as this package's types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

from concave_client.calls import Call
from concave_client.errors import ConversationError, CortexError
from concave_client.transport import Token

T = TypeVar("T")


class Live:
    """One socket for all subscriptions of a client, opened with the first."""

    def __init__(self, url: str, token: Token) -> None:
        self._url, self._token = url, token
        self._client: Any = None

    def _subscription(self, call: Call[Any]) -> Any:
        if self._client is None:
            try:
                from convex import ConvexClient
            except ImportError as error:
                raise CortexError("watching needs the official client: pip install concave-client[live]") from error
            self._client = ConvexClient(self._url)
        bearer = self._token() if callable(self._token) else self._token
        if bearer is not None:
            self._client.set_auth(bearer)
        return self._client.subscribe(call.function, call.wire)

    def values(self, call: Call[T]) -> Iterator[T]:
        """The value now, and after each change, until the caller stops. Raises `ConversationError`."""
        subscription = self._subscription(call)
        try:
            for value in subscription:
                yield call.read(value)
        except Exception as error:
            raise _told(error) from error
        finally:
            subscription.unsubscribe()

    async def values_async(self, call: Call[T]) -> AsyncIterator[T]:
        """The same in an event loop."""
        subscription = self._subscription(call)
        try:
            async for value in subscription:
                yield call.read(value)
        except Exception as error:
            raise _told(error) from error
        finally:
            subscription.unsubscribe()


def _told(error: Exception) -> Exception:
    """A refusal of the backend as this package's error; anything else as it is."""
    data = getattr(error, "data", None)
    if isinstance(data, dict) and "code" in data:
        return ConversationError(data["code"], data.get("message", ""), data.get("field"), data)
    return error
