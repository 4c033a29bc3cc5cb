"""`cortex.memory`: the calls of `calls_memory.py` as methods, and streams that are remembered."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from concave_client import calls_memory as calls
from concave_client.errors import ValidationError
from concave_client.groups import AsyncGroup, Group, async_method, sync_method
from concave_client.models_memory import OnFailure, Remembered, Streamed
from concave_client.streams import Plan, StreamFailed


class MemoryApi(Group):
    """Remembering and recalling: see `calls_memory.py` for each method."""

    remember = sync_method(calls.remember)
    remember_part = sync_method(calls.remember_part)
    get_part = sync_method(calls.get_part)
    drop_part = sync_method(calls.drop_part)
    recall = sync_method(calls.recall)
    get = sync_method(calls.get)
    forget = sync_method(calls.forget)
    erase = sync_method(calls.erase)
    get_erasure = sync_method(calls.get_erasure)
    store_fact = sync_method(calls.store_fact)
    get_fact = sync_method(calls.get_fact)
    list_facts = sync_method(calls.list_facts)
    count_facts = sync_method(calls.count_facts)
    get_fact_history = sync_method(calls.get_fact_history)
    delete_fact = sync_method(calls.delete_fact)

    def remember_stream(
        self,
        *,
        stream: Iterable[str] | Callable[[], Iterable[str]],
        key: str | None = None,
        every: int = 20,
        on_failure: OnFailure = "store-partial",
        **turn: Any,
    ) -> Streamed:
        """Remember a turn whose answer is still being said. `streams.py` says what `on_failure` does.

        Args:
            stream: the pieces of the agent's response, or a function that makes them.
            every: after so many pieces what has come is kept.
            turn: the arguments of `remember`, but for `agent_response`.

        Raises: `ValidationError` (`INVALID_STREAM`), `StreamFailed`.
        """
        plan = Plan(stream, key, every, on_failure, turn)
        while True:
            try:
                for piece in plan.begin():
                    kept = plan.take(piece)
                    if kept is not None:
                        self._transport.send(kept)
                return Streamed(key=plan.key, text=plan.text, remembered=self._transport.send(plan.whole()))
            except ValidationError:
                raise
            except Exception as error:
                if plan.again:
                    continue
                if on_failure == "best-effort":
                    remembered = self._transport.send(plan.whole()) if plan.text.strip() else None
                    return Streamed(key=plan.key, text=plan.text, remembered=remembered, error=str(error))
                if on_failure == "rollback":
                    self._transport.send(plan.dropped())
                elif plan.text.strip():
                    self._transport.send(plan.kept())
                raise StreamFailed(plan.key, plan.text, error) from error


class AsyncMemoryApi(AsyncGroup):
    """`cortex.memory` of the async client: see `calls_memory.py` for each method."""

    remember = async_method(calls.remember)
    remember_part = async_method(calls.remember_part)
    get_part = async_method(calls.get_part)
    drop_part = async_method(calls.drop_part)
    recall = async_method(calls.recall)
    get = async_method(calls.get)
    forget = async_method(calls.forget)
    erase = async_method(calls.erase)
    get_erasure = async_method(calls.get_erasure)
    store_fact = async_method(calls.store_fact)
    get_fact = async_method(calls.get_fact)
    list_facts = async_method(calls.list_facts)
    count_facts = async_method(calls.count_facts)
    get_fact_history = async_method(calls.get_fact_history)
    delete_fact = async_method(calls.delete_fact)

    async def remember_stream(
        self,
        *,
        stream: AsyncIterable[str] | Callable[[], AsyncIterable[str]],
        key: str | None = None,
        every: int = 20,
        on_failure: OnFailure = "store-partial",
        **turn: Any,
    ) -> Streamed:
        """Remember a turn whose answer is still being said, from an async stream: see `MemoryApi.remember_stream`."""
        plan = Plan(stream, key, every, on_failure, turn)
        while True:
            try:
                async for piece in plan.begin():
                    kept = plan.take(piece)
                    if kept is not None:
                        await self._transport.send(kept)
                whole: Remembered = await self._transport.send(plan.whole())
                return Streamed(key=plan.key, text=plan.text, remembered=whole)
            except ValidationError:
                raise
            except Exception as error:
                if plan.again:
                    continue
                if on_failure == "best-effort":
                    told: Remembered | None = None
                    if plan.text.strip():
                        told = await self._transport.send(plan.whole())
                    return Streamed(key=plan.key, text=plan.text, remembered=told, error=str(error))
                if on_failure == "rollback":
                    await self._transport.send(plan.dropped())
                elif plan.text.strip():
                    await self._transport.send(plan.kept())
                raise StreamFailed(plan.key, plan.text, error) from error
