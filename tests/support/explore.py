"""Every interleaving of a few processes at a store, with and without a crash: not some of them by chance.

A process is ordinary code that calls a store. It is run again from its start at each step, with the answers that it got so
far, until it asks something new; so its whole state is the list of its answers, and equal states are explored once.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Action, Check, Delete, Item, Key, Put, Rows, Store, Update, Write
from infra.local.sqlite.values import holds, updated

Process = Callable[[Store], None]
Items = dict[tuple[str, str, str], Item]


class _Asks(BaseException):
    """The process wants something of the store that it has not asked yet."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.request = request


class _Replay:
    """A store that repeats its answers, and then stops the process."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self._answers = list(answers)

    def _ask(self, *request: Any) -> Any:
        if not self._answers:
            raise _Asks(request)
        answer = self._answers.pop(0)
        if isinstance(answer, ConditionFailed):
            raise answer
        return copy.deepcopy(answer)

    def get(self, key: Key) -> Item | None:
        """As the port says."""
        found: Item | None = self._ask("get", key)
        return found

    def query(self, table: str, partition: str, **_: Any) -> Rows:
        """As the port says, without bounds."""
        return Rows(self._ask("query", (table, partition)), False)

    def write(self, write: Write) -> Item | None:
        """As the port says."""
        found: Item | None = self._ask("write", write)
        return found

    def transact(self, actions: Sequence[Action]) -> None:
        """As the port says."""
        self._ask("transact", list(actions))


def answer(items: Items, kind: str, what: Any) -> Any:
    """Carry out one request on the items."""
    if kind == "get":
        return items.get(_place(what))
    if kind == "query":
        return [item for (table, pk, _), item in sorted(items.items()) if (table, pk) == what]
    actions: list[Action] = what if kind == "transact" else [what]
    olds = [items.get(_place_of(action)) for action in actions]
    refused = [
        action.condition is not None and not holds(action.condition, old) for action, old in zip(actions, olds, strict=True)
    ]
    failed = [number for number, no in enumerate(refused) if no]
    if failed:
        return ConditionFailed(failed, [copy.deepcopy(olds[number]) for number in failed])
    new: Item | None = None
    for action, old in zip(actions, olds, strict=True):
        if isinstance(action, Delete):
            items.pop(_place_of(action), None)
        elif not isinstance(action, Check):
            new = updated(old, action) if isinstance(action, Update) else dict(action.item)
            items[_place_of(action)] = new
    return copy.deepcopy(new) if kind == "write" and isinstance(what, Update) else None


def _place(key: Key) -> tuple[str, str, str]:
    return key.table, key.pk, key.sk or ""


def _place_of(action: Action) -> tuple[str, str, str]:
    return (action.table, action.item["pk"], action.item.get("sk", "")) if isinstance(action, Put) else _place(action.key)


@dataclass
class End:
    """Where one interleaving came to."""

    items: Items
    crashed: str | None
    """The process that died, if one did."""
    path: tuple[str, ...]
    """Who took a step, in order."""


def explore(processes: dict[str, Process], items: Items, *, crashes: Sequence[str] = ()) -> Iterator[End]:
    """The ends of all interleavings. Each of `crashes` may die once, at any step (one of them in a run)."""
    seen: set[str] = set()
    stack: list[tuple[Items, dict[str, list[Any]], frozenset[str], str | None, tuple[str, ...]]] = [
        (items, {name: [] for name in processes}, frozenset(processes), None, ())
    ]
    while stack:
        now, answers, alive, crashed, path = stack.pop()
        state = json.dumps([sorted(map(str, now.items())), {k: str(v) for k, v in answers.items()}, sorted(alive), crashed])
        if state in seen:
            continue
        seen.add(state)
        asking = {name: request for name in sorted(alive) if (request := _next(processes[name], answers[name])) is not None}
        if not asking:
            yield End(now, crashed, path)
        for name, (kind, what) in asking.items():
            after = copy.deepcopy(now)
            told = answer(after, kind, what)
            stack.append((after, {**answers, name: [*answers[name], told]}, frozenset(asking), crashed, (*path, name)))
            if crashed is None and name in crashes:
                stack.append((now, answers, frozenset(asking) - {name}, name, (*path, f"{name} dies")))


def _next(process: Process, answers: list[Any]) -> tuple[str, Any] | None:
    """What a process asks next; None when it has ended."""
    try:
        process(_Replay(answers))  # type: ignore[arg-type]
    except _Asks as asks:
        request: tuple[str, Any] = asks.request
        return request
    return None
