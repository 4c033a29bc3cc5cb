"""Another embedder than before: its vectors and the old ones are never compared, and a job embeds what is there again."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.data.errors import EmbedderFailed
from chalicelib.domain.memories import searching
from chalicelib.domain.memory import embedding
from chalicelib.embedders.hashing import Hashing
from chalicelib.embedders.static import WordLlama
from infra.admin import upkeep
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.support.memories import axis, ids, keep

OLD, NEW = "hashing-256", "wordllama-256"


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend, which has the embedder that knows words."""
    house.backend.executor.embedder = Hashing(256)
    return house.person("backend", roles=("service",))


def changed(house: House) -> None:
    """As after a restart with another EMBEDDER."""
    house.backend.executor.embedder = WordLlama()


def models(house: House) -> dict[str, int]:
    """How many memories have a vector of which model."""
    found: dict[str, int] = {}
    for item in house.store.inner.scan("memories", limit=5_000).items:
        if "embedding" in item:
            found[item["embeddingModel"]] = found.get(item["embeddingModel"], 0) + 1
    return found


def indexes(house: House) -> list[dict[str, Any]]:
    """What `concave indexes` prints."""
    return [line.told for line in upkeep.indexed(house.backend, upkeep.IndexesAsked())]


def test_vectors_of_different_models_are_never_compared(house: House, org: Person) -> None:
    mine = keep(org, "one", embedding=axis(1))
    named = keep(org, "two", embedding=axis(1), embeddingModel="model-a")
    other = keep(org, "three", embedding=axis(1), embeddingModel="model-b")
    worked_out = keep(org, "four")
    house.work()
    (vector,) = house.backend.executor.embedder.embed(["four"])  # type: ignore[union-attr]
    search: dict[str, Any] = {"space": "home", "embedding": axis(1)}
    assert ids(org.query("memories:search", **search)) == [mine]
    assert ids(org.query("memories:search", **search, embeddingModel="model-a")) == [named]
    assert ids(org.query("memories:search", **search, embeddingModel="model-b")) == [other]
    assert ids(org.query("memories:search", space="home", embedding=vector, embeddingModel=OLD)) == [worked_out]
    assert ids(org.action("memory:recall", space="home", query="four")["memories"]) == [worked_out]
    assert org.query("memories:search", **search, embeddingModel="nobody's") == []


def test_after_a_change_memories_are_found_by_words_until_the_job_has_embedded_them_again(house: House, org: Person) -> None:
    for number in range(25):
        keep(org, f"the refund of order {number} was paid")
    own = keep(org, "a vector that was brought", embedding=axis(1))
    house.work()
    assert models(house) == {OLD: 25, "given": 1}
    changed(house)
    question: dict[str, Any] = {"space": "home", "query": "give me back my money", "limit": 100}
    (vector,) = WordLlama().embed([question["query"]])
    assert org.query("memories:search", space="home", embedding=vector, embeddingModel=NEW) == []
    assert len(org.action("memory:recall", space="home", query="refund", limit=100)["memories"]) == 25, "by its words"
    house.sweep()
    assert [line for line in indexes(house) if "embedding" in line] == [
        {"embedding": OLD, "successor": NEW, "org": "acme", "done": 0}
    ]
    house.work()
    assert models(house) == {NEW: 25, "given": 1}
    house.sweep()
    assert [line for line in indexes(house) if "embedding" in line] == []
    assert len(org.action("memory:recall", **question)["memories"]) == 25, "by its meaning"
    assert org.query("memories:get", space="home", memoryId=own)["version"] == 1
    assert all(each["indexedVersion"] == 1 for each in org.query("memories:list", space="home"))
    assert house.rows("memoryModels") == 1
    house.clock.ahead += 2 * embedding.HOUR_MS
    house.sweep()
    assert house.work() == 0, "there is nothing to do twice"


def test_many_are_embedded_again_part_by_part_and_how_far_it_has_come_is_told(house: House, org: Person) -> None:
    for number in range(25):
        keep(org, f"note {number}")
    house.work()
    changed(house)
    told = []
    with swapped((embedding, "A_PART", 10)):
        for _ in range(4):
            house.sweep()
            house.work()
            told += [line["done"] for line in indexes(house) if "embedding" in line]
    assert told == [10, 20, 25]
    assert models(house) == {NEW: 25}


@pytest.mark.parametrize("step", ["a search names the model", "what was changed since is looked at"])
def test_each_step_protects(house: House, org: Person, step: str) -> None:
    """Switched off, one at a time, vectors are compared that do not belong together, or a text has another's vector."""
    mine = keep(org, "a canary")
    house.work()
    changed(house)
    if step == "a search names the model":
        with swapped((searching, "GIVEN", OLD)):
            assert ids(org.query("memories:search", space="home", embedding=axis(1))) == [mine]
        assert ids(org.query("memories:search", space="home", embedding=axis(1))) == []
        return
    org.mutation("memories:update", space="home", memoryId=mine, embedding=axis(1))
    told = {"model": OLD, "successor": NEW, "texts": {mine: "a canary"}, "vectors": {mine: axis(0, 1)}}
    house.backend.executor.call("acme", "memory_jobs:replace", **told)
    assert models(house) == {"given": 1}
    with swapped((embedding, "_is_still", lambda row, text, model: True)):
        house.backend.executor.call("acme", "memory_jobs:replace", **told)
    assert models(house) == {NEW: 1}


def test_what_is_changed_or_deleted_meanwhile_is_left_as_it_is(house: House, org: Person) -> None:
    kept, gone, brought = (keep(org, text) for text in ("a canary", "a goldfish", "a hamster"))
    house.work()
    texts = house.backend.executor.call
    changed(house)
    made = {
        each: WordLlama().embed([text])[0] for each, text in ((kept, "a canary"), (gone, "a goldfish"), (brought, "a hamster"))
    }
    org.mutation("memories:delete", space="home", memoryId=gone)
    org.mutation("memories:update", space="home", memoryId=brought, embedding=axis(1))
    org.mutation("memories:update", space="home", memoryId=kept, content="a parrot", generateEmbedding=False)
    said = {kept: "a canary", gone: "a goldfish", brought: "a hamster"}
    texts("acme", "memory_jobs:replace", model=OLD, successor=NEW, texts=said, vectors=made)
    assert models(house) == {"given": 1}


def test_a_job_that_fails_or_is_lost_is_taken_up_again(house: House, org: Person) -> None:
    for number in range(15):
        keep(org, f"note {number}")
    house.work()
    changed(house)
    house.sweep()
    house.later.asked.clear()  # its process died before it began
    house.backend.executor.embedder = Failing()
    house.clock.ahead += embedding.LOST_MS + 1_000
    house.sweep()
    house.work()
    assert models(house) == {OLD: 15}, "its embedder did not answer"
    changed(house)
    house.clock.ahead += embedding.LOST_MS + 1_000
    house.sweep()
    house.work()
    assert models(house) == {NEW: 15}


class Failing(WordLlama):
    """An embedder that does not answer."""

    def embed(self, texts: Any) -> list[list[float]]:
        raise EmbedderFailed("not today")


def test_without_an_embedder_nothing_is_embedded_again(house: House, org: Person) -> None:
    keep(org, "note")
    house.work()
    house.backend.executor.embedder = None
    house.sweep()
    house.work()
    assert models(house) == {OLD: 1}
