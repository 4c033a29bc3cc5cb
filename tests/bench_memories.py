"""What memories cost and how well they are found: the second half of `make bench-search`, each figure with its goal beside it.

Units are counted as DynamoDB would charge them, on the functions that callers call (`memory:remember`, `memories:search`,
`memory:recall` …), with the jobs that stand in their commits. Ranking is asked of the fables in `tests/embedders/fables.py`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chalicelib.data.blocks import LONG_TAIL, mover
from chalicelib.data.commit import commit
from chalicelib.data.database import Writer
from chalicelib.data.receipts import Intent
from chalicelib.data.sizes import item_bytes
from chalicelib.data.transaction import Transaction
from chalicelib.embedders.hashing import Hashing
from chalicelib.embedders.static import WordLlama
from chalicelib.schema import Memory
from infra.local.model.server import Pace, ScriptedModel
from tests.embedders.fables import FABLES, QUESTIONS
from tests.functions.conftest import House
from tests.support.goals import told
from tests.support.ranking import ranked

SIZES = (10, 1_000)
TOGETHER = 10
"""Memories of one commit, where a space is filled."""
SYSTEM = {"type": "system"}
QUESTION = "what does alice like to drink in the morning"


@dataclass
class Cost:
    """What one call takes, with its jobs."""

    wcu: float
    rcu: float
    bytes: int
    """Of its answer as JSON."""


GOALS: dict[str, tuple[float, float, float]] = {
    "memories:store, words alone": (20, 2, 1_000),
    "memories:store, with a vector": (30, 2, 1_000),
    "memories:store, embedded behind it": (50, 10, 1_000),
    "memory:remember, a turn": (180, 30, 4_000),
    "memories:search, 10 memories": (0, 50, 10_000),
    "memory:recall, 10 memories": (70, 80, 12_000),
    "memories:search, 1,000 memories": (0, 400, 10_000),
    "memories:search, 1,000 memories, again": (0, 100, 10_000),
    "memory:recall, 1,000 memories": (70, 120, 12_000),
}
"""Write units, read units and bytes of an answer at most. `again`: in a process that has the blocks of vectors already, as the
recall has them, too."""
STORED_GOAL = 6_000
"""Bytes that a memory of forty words takes at most, with its vector and its rows in both indexes."""
RANKING_GOALS = {"hashing-256": (0.50, 0.60), "wordllama-256": (0.60, 0.70)}
"""For both lists in one over all questions: recall of the first, and nDCG, at least."""


@contextmanager
def opened() -> Iterator[House]:
    """A backend of its own, with an embedder whose vectors are as dense as those of most models."""
    logging.disable(logging.INFO)
    try:
        with ScriptedModel(port=0, pace=Pace(tokens_per_s=0, first_token_s=0)) as model:
            yield House(model, embedder="wordllama")
    finally:
        logging.disable(logging.NOTSET)


def counted(house: House, call: Callable[[], Any]) -> Cost:
    """What a call takes."""
    house.work()
    house.store.reset()
    answer = call()
    house.work()
    size = len(json.dumps(answer, ensure_ascii=False).encode())
    return Cost(sum(house.store.wcu.values()), sum(house.store.rcu.values()), size)


def content(number: int) -> str:
    """A memory of some forty words."""
    fable = list(FABLES.values())[number % len(FABLES)].split()
    return " ".join([f"Note {number}: alice drinks tea.", *fable[:34]])


def costs(sizes: tuple[int, ...] = SIZES) -> tuple[dict[str, Cost], int]:
    """What each call takes, and the bytes that a stored memory takes in its table and in its indexes."""
    found: dict[str, Cost] = {}
    with opened() as house:
        org = house.person("backend", roles=("service",))
        vector, embedding = WordLlama().embed([content(0), QUESTION])
        stores: dict[str, dict[str, Any]] = {
            "words alone": {"generateEmbedding": False},
            "with a vector": {"embedding": vector},
            "embedded behind it": {},
        }
        for name, more in stores.items():
            args = {"space": name, "content": content(0), "source": SYSTEM, **more}
            found[f"memories:store, {name}"] = counted(house, lambda args=args: org.mutation("memories:store", **args))
        turn = {"space": "turns", "conversationId": "conv-1", "userId": "alice", "agentId": "helper"}
        said = {"userMessage": content(1), "agentResponse": content(2)}
        found["memory:remember, a turn"] = counted(house, lambda: org.mutation("memory:remember", **turn, **said))
        for size in sizes:
            _filled(house, size)
            asked = {"space": f"{size} memories", "query": QUESTION, "limit": 10}
            search = counted(house, lambda asked=asked: org.query("memories:search", **asked, embedding=embedding))
            found[f"memories:search, {size:,} memories"] = search
            if size > LONG_TAIL:
                again = counted(house, lambda asked=asked: org.query("memories:search", **asked, embedding=embedding))
                found[f"memories:search, {size:,} memories, again"] = again
            recall = counted(house, lambda asked=asked: org.action("memory:recall", **asked))
            found[f"memory:recall, {size:,} memories"] = recall
        return found, _stored(house, sizes[0])


def _filled(house: House, size: int) -> None:
    """A space of so many memories, as `memories:store` and its jobs leave them, and the sweep that moves a long tail."""
    vectors = WordLlama().embed([content(number) for number in range(size)])
    for start in range(0, size, TOGETHER):
        tx = Transaction(house.store, "acme", now_ms=float(house.clock.now_ms()), writable=True)
        for number in range(start, min(size, start + TOGETHER)):
            Writer(tx, lambda number=number: f"mem-{hashlib.md5(f'{size} {number}'.encode()).hexdigest()[:20]}").insert(
                Memory(
                    space=f"{size} memories",
                    content=content(number),
                    owner="user:alice",
                    user_id="alice",
                    source_type="system",
                    source_at=tx.now_ms,
                    updated_at=tx.now_ms,
                    embedding=[round(part, 6) for part in vectors[number]],
                    embedding_model=WordLlama().name,
                    indexed_version=1,
                )
            )
        at = f"filled-{size}-{start}"
        commit(house.store, tx, Intent(at, at, "call", "bench:fill", "acme", "null", int(tx.now_ms)))
    for index in (Memory.by_text, Memory.by_meaning):
        mover(house.store, index, index.address("acme", (f"{size} memories",)), time.time()).move()


def _stored(house: House, size: int) -> int:
    """Bytes of a memory in a space so small that its rows in the indexes are its own."""
    rows = [item for item in house.store.inner.scan("memories", limit=5_000).items if item["space"] == f"{size} memories"]
    side = [item for item in house.store.inner.scan("indexRows", limit=5_000).items if f"{size} memories" in str(item)]
    return sum(map(item_bytes, [*rows, *side])) // size


def main() -> None:
    """Print everything."""
    found, stored = costs()
    print("\nWhat memories take, with their jobs; each figure with its goal (at most):")
    for name, cost in found.items():
        goals = GOALS[name]
        wcu, rcu = told(cost.wcu, goals[0], "WCU"), told(cost.rcu, goals[1], "RCU")
        print(f"  {name:<36} {wcu}  {rcu}  {told(cost.bytes, goals[2], 'bytes')}")
    print(f"  {'a stored memory, its indexes too':<36} {told(stored, STORED_GOAL, 'bytes')}")
    print(f"\nHow well {len(QUESTIONS)} questions find {len(FABLES)} fables (recall@1, recall@5, MRR, nDCG@10):")
    with opened() as house:
        for embedder in (Hashing(256), WordLlama()):
            qualities = ranked(house, embedder)
            for (mode, kind), quality in qualities.items():
                print(f"  {embedder.name:<14} {mode:<8} {kind:<15} {quality.told()}")
            both, (first, gain) = qualities["both", "all"], RANKING_GOALS[embedder.name]
            print(f"  {'':<14} goals of both, all: {told(both.recall_1, first, 'recall@1', least=True)}", end="  ")
            print(told(both.gain, gain, "nDCG@10", least=True))


if __name__ == "__main__":
    main()
