"""`cortex.memory`: the calls of `calls_memory.py` as methods, and streams that are remembered."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from concave_client import calls_memory as calls
from concave_client.errors import ValidationError
from concave_client.groups import AsyncGroup, Group, awaited, method
from concave_client.models_memory import OnFailure, Remembered, Streamed
from concave_client.streams import Plan, StreamFailed


class MemoryApi(Group):
    """Remembering and recalling: see `calls_memory.py` for each method."""

    remember = method(calls.remember)
    remember_part = method(calls.remember_part)
    get_part = method(calls.get_part)
    drop_part = method(calls.drop_part)
    recall = method(calls.recall)
    get = method(calls.get)
    forget = method(calls.forget)
    erase = method(calls.erase)
    get_erasure = method(calls.get_erasure)
    set_retention = method(calls.set_retention)
    get_retention = method(calls.get_retention)
    store_fact = method(calls.store_fact)
    get_fact = method(calls.get_fact)
    list_facts = method(calls.list_facts)
    count_facts = method(calls.count_facts)
    get_fact_history = method(calls.get_fact_history)
    delete_fact = method(calls.delete_fact)

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

    remember = awaited(calls.remember)
    remember_part = awaited(calls.remember_part)
    get_part = awaited(calls.get_part)
    drop_part = awaited(calls.drop_part)
    recall = awaited(calls.recall)
    get = awaited(calls.get)
    forget = awaited(calls.forget)
    erase = awaited(calls.erase)
    get_erasure = awaited(calls.get_erasure)
    set_retention = awaited(calls.set_retention)
    get_retention = awaited(calls.get_retention)
    store_fact = awaited(calls.store_fact)
    get_fact = awaited(calls.get_fact)
    list_facts = awaited(calls.list_facts)
    count_facts = awaited(calls.count_facts)
    get_fact_history = awaited(calls.get_fact_history)
    delete_fact = awaited(calls.delete_fact)

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
