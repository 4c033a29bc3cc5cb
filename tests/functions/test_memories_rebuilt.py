"""The indexes of memories lost and made again, on each store: the same answers to every question."""

from __future__ import annotations

from typing import Any

from chalicelib.data.entries import ROWS
from chalicelib.data.store import Delete, Key
from chalicelib.runtime.indexes import Indexes
from tests.functions.conftest import House, Person
from tests.support.memories import axis, keep

INDEXES = ("memories.by_text", "memories.by_meaning", "facts.by_text")
WORDS = ("検索", "cafe", "tea gree")


def filled(house: House) -> Person:
    """Memories in two spaces, of two users: with accents, in Japanese, changed, archived, deleted, some moved into blocks."""
    org, alice = house.person("backend", roles=("service",)), house.person("alice")
    keep(org, "Ein Café in Köln", embedding=axis(1, 0.2))
    keep(org, "日本語の検索", embedding=axis(0, 1))
    changed = keep(org, "Bob drinks green tea", userId="bob", embedding=axis(0.5, 0.5))
    org.mutation("memories:update", space="home", memoryId=changed, content="Bob drinks black tea", embedding=axis(0.4, 0.6))
    archived = keep(org, "an archived café", embedding=axis(1))
    org.mutation("memories:archive", space="home", memoryId=archived)
    gone = keep(org, "a café that is gone", embedding=axis(1))
    org.mutation("memories:delete", space="home", memoryId=gone)
    for number in range(70):
        more = {"embedding": axis(number, 1)} if number % 2 else {"generateEmbedding": False}
        keep(alice, f"Alice drinks green tea, cup {number}", **more)
    alice.mutation("memory:storeFact", space="home", fact="Alice likes green tea")
    house.work()
    house.sweep()
    keep(alice, "Alice drinks green tea in the café", space="work", embedding=axis(1, 1))
    return org


def answers(house: House, org: Person) -> list[Any]:
    """What each question is answered: ids and scores, best first."""
    found: list[Any] = []
    for person in (org, house.person("alice")):
        for space in ("home", "work"):
            for words in WORDS:
                for vector in ({}, {"embedding": axis(1, 0.5)}):
                    asked = {"space": space, "query": words, **vector}
                    found += [person.query("memories:search", **asked), person.action("memory:recall", limit=5, **asked)]
            found.append(person.query("memories:search", space=space, embedding=axis(0.3, 1), includeArchived=True))
    return [[(each["memoryId"], each["score"], each.get("highlights")) for each in memories(one)] for one in found] + [
        [each["factId"] for each in one["facts"]] for one in found if isinstance(one, dict)
    ]


def memories(answer: Any) -> list[Any]:
    return list(answer["memories"] if isinstance(answer, dict) else answer)


def lose(house: House) -> int:
    """Every row of the indexes goes, and what this process has read of them."""
    store = house.store.inner
    rows = [Key(ROWS, item["pk"], item["sk"]) for item in store.scan(ROWS, limit=5_000).items]
    for key in rows:
        store.write(Delete(key))
    return len(rows)


def test_after_the_indexes_were_lost_and_built_again_every_question_has_its_answer(either: House) -> None:
    org = filled(either)
    before = answers(either, org)
    assert [each["content"] for each in org.query("memories:search", space="home", query="検索")] == ["日本語の検索"]
    assert "Café" in str(org.query("memories:search", space="home", query="cafe")[0]["highlights"])
    assert lose(either) > 0
    indexes = Indexes(either.backend.executor)
    indexes.begin(INDEXES)
    either.clock.ahead += 60_000  # no process remembers what was ready
    for name in INDEXES:
        assert indexes.build(name).clean, name
    either.clock.ahead += 60_000
    assert answers(either, org) == before
    assert indexes.building() == {}
