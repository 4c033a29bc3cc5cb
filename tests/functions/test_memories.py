"""Memories: stored, found by words and by meaning, versions, archive, deletion, export, counts; and the refusals by code."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.schema import DIMENSIONS
from tests.functions.conftest import House, Person
from tests.support.memories import axis, code, ids, keep


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


# Storing and finding ---------------------------------------------------------------------------------------------------


def test_a_memory_is_there_with_all_that_was_stored(house: House, org: Person) -> None:
    made = org.mutation(
        "memories:store",
        space="home",
        content="Alice prefers tea",
        contentType="summarized",
        source={"type": "conversation", "userId": "alice", "userName": "Alice", "timestamp": 5},
        userId="alice",
        agentId="helper",
        participantId="tool-calendar",
        metadata={"importance": 80, "tags": ["taste", "drinks"], "mood": "calm"},
        conversationRef={"conversationId": "conv-1", "messageIds": ["msg-1", "msg-2"]},
        immutableRef={"type": "kb", "id": "tea", "version": 3},
        mutableRef={"namespace": "stock", "key": "tea", "snapshotValue": {"left": 4}, "snapshotAt": 7},
    )
    found = org.query("memories:get", space="home", memoryId=made["memoryId"])
    assert found == made
    assert found["source"] == {"type": "conversation", "userId": "alice", "userName": "Alice", "timestamp": 5}
    assert found["metadata"] == {"importance": 80, "tags": ["taste", "drinks"], "mood": "calm"}
    assert (found["version"], found["status"], found["contentType"]) == (1, "active", "summarized")
    assert (found["userId"], found["agentId"], found["participantId"]) == ("alice", "helper", "tool-calendar")
    assert found["conversationRef"] == {"conversationId": "conv-1", "messageIds": ["msg-1", "msg-2"]}
    assert found["immutableRef"] == {"type": "kb", "id": "tea", "version": 3}
    assert found["mutableRef"]["snapshotValue"] == {"left": 4}
    assert house.rows("memories") == 1


def test_words_are_found_at_once_and_the_meaning_when_the_row_says_so(house: House, org: Person) -> None:
    memory = keep(org, "Ein Café in Köln")
    assert ids(org.query("memories:search", space="home", query="koln caf")) == [memory]
    assert org.query("memories:get", space="home", memoryId=memory)["indexedVersion"] == 0
    house.work()
    found = org.query("memories:get", space="home", memoryId=memory, includeEmbedding=True)
    assert (found["indexedVersion"], len(found["embedding"])) == (1, DIMENSIONS)
    assert found["embeddingModel"] == house.backend.executor.embedder.name  # type: ignore[union-attr]
    meaning = {"embedding": found["embedding"], "embeddingModel": found["embeddingModel"]}
    assert ids(org.query("memories:search", space="home", **meaning)) == [memory]
    keep(org, "日本語の検索")
    assert len(org.query("memories:search", space="home", query="検索")) == 1


def test_a_callers_own_vector_is_found_at_once(org: Person) -> None:
    near, far = keep(org, "near", embedding=axis(1, 0.1)), keep(org, "far", embedding=axis(0.1, 1))
    found = org.query("memories:search", space="home", embedding=axis(1))
    assert ids(found) == [near, far]
    assert found[0]["score"] == pytest.approx(1 / math.sqrt(1.01), abs=1e-5)
    assert found[0]["indexedVersion"] == 1
    assert ids(org.query("memories:search", space="home", embedding=axis(1), minScore=0.5)) == [near]


def test_words_and_meaning_together_put_first_what_is_first_in_both(org: Person) -> None:
    both = keep(org, "green tea", embedding=axis(1))
    words = keep(org, "tea tea tea for two", embedding=axis(0, 1))
    meaning = keep(org, "a hot drink", embedding=axis(0.9, 0.1))
    found = org.query("memories:search", space="home", query="green tea", embedding=axis(1))
    assert ids(found) == [both, *([meaning, words] if found[1]["memoryId"] == meaning else [words, meaning])]
    assert found[0]["score"] == 1


def test_of_equal_scores_the_more_important_comes_first_and_then_the_newer(house: House, org: Person) -> None:
    low = keep(org, "same words", metadata={"importance": 1})
    high = keep(org, "same words", metadata={"importance": 99})
    house.clock.ahead += 1000
    newer = keep(org, "same words", metadata={"importance": 99})
    assert ids(org.query("memories:search", space="home", query="same words")) == [newer, high, low]


def test_a_memory_that_is_not_embedded_yet_comes_before_one_that_is_only_near(house: House, org: Person) -> None:
    words = keep(org, "I drink tea")
    house.clock.ahead += 1000
    near = keep(org, "Noted", embedding=axis(1), metadata={"importance": 99})
    found = org.query("memories:search", space="home", query="tea", embedding=axis(1))
    assert [each["score"] for each in found] == [0.5, 0.5]
    assert ids(found) == [words, near]


def test_filters_that_no_index_knows_still_find_as_many_as_there_are(org: Person) -> None:
    for _ in range(30):
        keep(org, "many words here words words", embedding=axis(1, 0), metadata={"importance": 10, "tags": ["common"]})
    rare = [
        keep(org, f"words {'and more of them ' * 9}", embedding=axis(0.2, 1), metadata={"importance": 90, "tags": ["rare", tag]})
        for tag in ("a", "b")
    ]
    for how in ({"query": "words"}, {"embedding": axis(1)}, {"query": "words", "embedding": axis(1)}):
        narrowed = org.query("memories:search", space="home", tags=["rare"], limit=2, **how)
        assert sorted(ids(narrowed)) == sorted(rare)
        assert sorted(ids(org.query("memories:search", space="home", minImportance=50, limit=2, **how))) == sorted(rare)
        only = org.query("memories:search", space="home", tags=["rare", "b"], tagsMatch="all", **how)
        assert ids(only) == [rare[1]]


def test_a_search_by_who_and_where_from_names_the_index(org: Person) -> None:
    mine = keep(org, "tea", userId="alice", agentId="a1", participantId="p1", source={"type": "tool"})
    keep(org, "tea", userId="bob", agentId="a2", participantId="p2")
    for narrow in ({"userId": "alice"}, {"agentId": "a1"}, {"participantId": "p1"}, {"sourceType": "tool"}):
        assert ids(org.query("memories:search", space="home", query="tea", **narrow)) == [mine]
        assert ids(org.query("memories:list", space="home", **narrow)) == [mine]
        assert org.query("memories:count", space="home", **narrow) == 1


# Versions ----------------------------------------------------------------------------------------------------------------


def test_every_change_is_a_version_and_none_is_lost(house: House, org: Person) -> None:
    ref = {"conversationId": "conv-1", "messageIds": ["msg-1"]}
    memory = keep(org, "one", metadata={"importance": 5, "tags": ["t"]}, conversationRef=ref)
    times = [org.query("memories:get", space="home", memoryId=memory)["updatedAt"]]
    for text in ("two", "three"):
        house.clock.ahead += 1000
        changed = org.mutation("memories:update", space="home", memoryId=memory, content=text)
        times.append(changed["updatedAt"])
    assert (changed["version"], changed["conversationRef"]) == (3, ref)
    assert changed["metadata"] == {"importance": 5, "tags": ["t"]}
    here = {"space": "home", "memoryId": memory}
    told = org.query("memories:getHistory", **here)
    assert [(each["version"], each["content"], each["timestamp"]) for each in told] == [
        *zip((1, 2, 3), ("one", "two", "three"), times, strict=True)
    ]
    assert [each["version"] for each in org.query("memories:getHistory", limit=1, offset=1, **here)] == [2]
    assert [each["content"] for each in org.query("memories:get", **here)["previousVersions"]] == ["two", "one"]
    assert org.query("memories:getVersion", version=1, **here)["content"] == "one"
    assert org.query("memories:getVersion", version=4, **here) is None
    assert [org.query("memories:getAtTimestamp", timestamp=at, **here)["content"] for at in times] == ["one", "two", "three"]
    assert org.query("memories:getAtTimestamp", timestamp=times[0] - 1, **here) is None
    assert org.query("memories:getAtTimestamp", timestamp=times[1] + 1, **here)["content"] == "two"


def test_a_memory_is_found_by_what_it_says_now_and_not_by_what_it_meant(house: House, org: Person) -> None:
    memory = keep(org, "apples", embedding=axis(1))
    org.mutation("memories:update", space="home", memoryId=memory, content="pears", generateEmbedding=False)
    assert org.query("memories:search", space="home", query="apples") == []
    assert org.query("memories:search", space="home", embedding=axis(1)) == []
    assert ids(org.query("memories:search", space="home", query="pears")) == [memory]
    org.mutation("memories:update", space="home", memoryId=memory, embedding=axis(0, 1))
    found = org.query("memories:search", space="home", embedding=axis(0, 1))
    assert [(each["version"], each["indexedVersion"]) for each in found] == [(3, 3)]


def test_changes_at_once_are_versions_without_gap_or_repeat(house: House, org: Person) -> None:
    memory = keep(org, "zero")
    with ThreadPoolExecutor(8) as pool:
        texts = [f"text {number}" for number in range(20)]
        told = list(
            pool.map(lambda text: org.mutation("memories:update", space="home", memoryId=memory, content=text)["version"], texts)
        )
    assert sorted(told) == list(range(2, 22))
    history = org.query("memories:getHistory", space="home", memoryId=memory)
    assert [each["version"] for each in history] == list(range(1, 22))
    assert sorted(each["content"] for each in history) == sorted([*texts, "zero"])


def test_a_vector_of_words_that_were_changed_meanwhile_is_not_kept(house: House, org: Person) -> None:
    memory = keep(org, "first")
    org.mutation("memories:update", space="home", memoryId=memory, content="second", generateEmbedding=False)
    late = {"memory_id": memory, "text": "first", "embedding": axis(1), "model": "m"}
    house.backend.executor.call("acme", "memory_jobs:keep", **late)
    assert org.query("memories:get", space="home", memoryId=memory)["indexedVersion"] == 0
    house.backend.executor.call("acme", "memory_jobs:keep", **late | {"text": "second"})
    assert org.query("memories:get", space="home", memoryId=memory)["indexedVersion"] == 2


# Archive -----------------------------------------------------------------------------------------------------------------


def test_what_is_archived_is_in_no_list_and_no_search_and_comes_back_as_it_was(org: Person) -> None:
    memory = keep(org, "old tea", embedding=axis(1), metadata={"importance": 77, "tags": ["x"]})
    before = org.query("memories:get", space="home", memoryId=memory)
    here = {"space": "home", "memoryId": memory}
    assert org.mutation("memories:archive", **here)["status"] == "archived"
    assert org.mutation("memories:archive", **here)["status"] == "archived"
    for how in ({"query": "tea"}, {"embedding": axis(1)}, {"query": "tea", "embedding": axis(1)}):
        assert org.query("memories:search", space="home", **how) == []
        assert ids(org.query("memories:search", space="home", includeArchived=True, **how)) == [memory]
    assert org.query("memories:list", space="home") == []
    assert ids(org.query("memories:list", space="home", includeArchived=True)) == [memory]
    assert org.query("memories:count", space="home") == 0
    assert org.query("memories:get", **here)["status"] == "archived"
    assert org.mutation("memories:restoreFromArchive", **here) == before
    assert ids(org.query("memories:search", space="home", query="tea")) == [memory]
    assert code(org, "mutation", "memories:restoreFromArchive", **here) == ("MEMORY_NOT_ARCHIVED", "memoryId")


# Deleting ----------------------------------------------------------------------------------------------------------------


def test_a_deleted_memory_is_found_by_nobody_and_its_receipt_says_when_the_index_is_cleared(house: House, org: Person) -> None:
    memory, other = keep(org, "secret tea", embedding=axis(1)), keep(org, "other tea", embedding=axis(0.5, 0.5))
    org.mutation("memories:update", space="home", memoryId=memory, content="secret coffee", embedding=axis(1))
    assert b"secret" in _stored(house)
    gone = org.mutation("memories:delete", space="home", memoryId=memory)
    assert (gone["deleted"], gone["state"]) == (True, "running")
    assert org.query("memories:get", space="home", memoryId=memory) is None
    for how in ({"query": "secret tea coffee"}, {"embedding": axis(1)}):
        assert ids(org.query("memories:search", space="home", **how)) == [other]
    house.work()
    receipt = org.query("memory:getErasure", receiptId=gone["receiptId"])
    assert receipt["state"] == "completed"
    assert receipt["erased"] == {"memories": 1, "memoryVersions": 1}
    assert house.rows("memoryVersions") == 0
    assert b"secret" not in _stored(house)
    assert code(org, "mutation", "memories:delete", space="home", memoryId=memory) == ("MEMORY_NOT_FOUND", None)


def _stored(house: House) -> bytes:
    """What the tables of memories and of the indexes hold."""
    store: Any = house.store.inner
    names = ("memories", "memoryVersions", "indexRows", "memoryErasures")
    found = [store._db.execute(f'SELECT item FROM "items.{name}"').fetchall() for name in names]
    return b"".join(bytes(item) for rows in found for (item,) in rows)


def test_many_are_deleted_after_a_look_and_beyond_a_threshold_only_by_who_means_it(house: House, org: Person) -> None:
    kept = keep(org, "tea", userId="bob")
    for number in range(25):
        keep(org, f"tea {number}", userId="alice", metadata={"tags": ["x"]})
    plan = org.action("memories:deleteMany", space="home", userId="alice", dryRun=True)
    assert (plan["deleted"], plan["wouldDelete"], len(plan["memoryIds"])) == (0, 25, 25)
    refused = code(org, "action", "memories:deleteMany", space="home", userId="alice")
    assert refused[0] == "DELETE_MANY_THRESHOLD_EXCEEDED"
    done = org.action("memories:deleteMany", space="home", userId="alice", confirmationThreshold=100)
    assert (done["deleted"], done["state"]) == (25, "completed")
    assert ids(org.query("memories:list", space="home")) == [kept]
    assert org.query("memory:getErasure", receiptId=done["receiptId"])["erased"] == {"memories": 25}
    named = org.action("memories:deleteMany", space="home", memoryIds=[kept, "mem-none"])
    assert (named["deleted"], named["memoryIds"]) == (1, [kept])
    assert org.query("memories:count", space="home") == 0


def test_many_get_a_new_version_at_once(org: Person) -> None:
    chosen = [keep(org, f"tea {number}", metadata={"tags": ["old"]}) for number in range(12)]
    other = keep(org, "tea", metadata={"tags": ["other"]})
    told = org.action("memories:updateMany", space="home", tags=["old"], importance=90, newTags=["new"])
    assert (told["updated"], sorted(told["memoryIds"])) == (12, sorted(chosen))
    found = {each["memoryId"]: each for each in org.query("memories:list", space="home")}
    assert {found[each]["metadata"]["importance"] for each in chosen} == {90}
    assert found[other]["version"] == 1
    assert code(org, "action", "memories:updateMany", space="home") == ("MISSING_REQUIRED_FIELD", None)


def test_a_deleted_conversation_takes_its_references_away_and_leaves_the_memory(house: House, org: Person) -> None:
    alice = house.person("alice")
    made = alice.mutation("conversations:create", type="user-agent", participants={"userId": "alice", "agentId": "a"})
    talk = made["conversationId"]
    told = alice.mutation("conversations:addMessage", conversationId=talk, message={"role": "user", "content": "tea"})
    ref = {"conversationId": talk, "messageIds": [told["messages"][0]["id"]]}
    memory = keep(alice, "tea", source={"type": "conversation"}, conversationRef=ref)
    assert alice.query("memories:get", space="home", memoryId=memory)["conversationRef"] == ref
    alice.mutation("conversations:delete", conversationId=talk)
    found = alice.query("memories:get", space="home", memoryId=memory)
    assert (found["content"], "conversationRef" in found) == ("tea", False)


# Lists, counts, export ---------------------------------------------------------------------------------------------------


def test_counts_agree_with_lists_whatever_happens(house: House, org: Person) -> None:
    rng, alive = random.Random(5), list[str]()
    users, spaces = ["alice", "bob"], ["home", "work"]
    where: dict[str, str] = {}
    for step in range(80):
        match rng.choice(["store", "store", "update", "archive", "restore", "delete"]):
            case "store":
                space = rng.choice(spaces)
                memory = keep(org, f"tea {step}", space=space, userId=rng.choice([*users, None]) or None)
                where[memory] = space
                alive.append(memory)
            case "delete" if alive:
                gone = alive.pop(rng.randrange(len(alive)))
                org.mutation("memories:delete", space=where[gone], memoryId=gone)
            case "update" if alive:
                one = rng.choice(alive)
                org.mutation("memories:update", space=where[one], memoryId=one, importance=rng.randrange(101))
            case "archive" if alive:
                one = rng.choice(alive)
                org.mutation("memories:archive", space=where[one], memoryId=one)
            case "restore" if alive:
                one = rng.choice(alive)
                if org.query("memories:get", space=where[one], memoryId=one)["status"] == "archived":
                    org.mutation("memories:restoreFromArchive", space=where[one], memoryId=one)
    for caller in (org, house.person("alice"), house.person("bob"), house.person("carol")):
        for space in spaces:
            for who in ({}, {"userId": "alice"}, {"userId": "bob"}, {"sourceType": "system"}, {"sourceType": "tool"}):
                for archived in (False, True):
                    asked = {"space": space, "includeArchived": archived, **who}
                    found = caller.query("memories:list", **asked)
                    assert caller.query("memories:count", **asked) == len(found), asked
    everything = [each for space in spaces for each in ids(org.query("memories:list", space=space, includeArchived=True))]
    assert sorted(everything) == sorted(alive)


def test_a_list_that_an_answer_does_not_hold_says_so(org: Person) -> None:
    kept = [keep(org, "x" * 30_000) for _ in range(5)]
    first = org.query("memories:list", space="home")
    assert (len(first), first[-1]["listTruncated"]) == (3, True)
    rest = org.query("memories:list", space="home", offset=3)
    assert ids([*first, *rest]) == kept[::-1]
    assert "listTruncated" not in rest[-1]


@pytest.mark.parametrize("format", ["json", "csv"])
def test_an_export_has_every_memory_once_in_parts(org: Person, format: str) -> None:
    kept = [keep(org, f"=1+1 {'y' * 20_000}", embedding=axis(1)) for _ in range(7)]
    org.mutation("memories:archive", space="home", memoryId=kept[0])
    parts, cursor = [], {}
    while True:
        part = org.query("memories:export", space="home", format=format, includeEmbeddings=True, **cursor)
        parts.append(part)
        if part["isDone"]:
            break
        cursor = {"cursor": part["continueCursor"]}
    assert len(parts) > 1
    assert sum(part["count"] for part in parts) == 7
    if format == "json":
        rows = [each for part in parts for each in json.loads(part["data"])]
        assert rows[0]["embedding"] == axis(1)
    else:
        rows = list(csv.DictReader(io.StringIO("".join(part["data"] for part in parts))))
        assert rows[0]["content"].startswith("'=1+1")
        assert json.loads(rows[0]["embedding"]) == axis(1)
    assert [each["memoryId"] for each in rows] == kept[::-1]
    bare = org.query("memories:export", space="home", format=format)
    assert "embedding" not in bare["data"]
    assert code(org, "query", "memories:export", space="home", format=format, cursor="nonsense")[0] == "INVALID_FORMAT"
