"""`cortex.memories` and `cortex.memory` of the Python SDK against a real server; and what they refuse by themselves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from concave_client import AsyncCortex, ConversationError, Cortex, Memory, StreamFailed, ValidationError

from tests.sdk.conftest import Mint
from tests.support.loop import alone
from tests.walk.server import Served

NEAR = [1.0, *[0.0] * 255]
FAR = [0.0, 1.0, *[0.0] * 254]
TURN: dict[str, Any] = {"space": "home", "conversation_id": "talk", "user_message": "I drink tea", "agent_id": "helper"}


@pytest.fixture
def cortex(served: Served, token: Mint) -> Iterator[Cortex]:
    with Cortex(served.url, token("alice")) as client:
        yield client


def until(ask: Callable[[], Any]) -> Any:
    """What a question is answered, asked again until there is an answer."""
    for _ in range(200):
        found = ask()
        if found:
            return found
    raise AssertionError("it never came")


def test_a_memory_is_stored_found_changed_put_away_and_deleted(cortex: Cortex) -> None:
    here = cortex.memories
    made = here.store("home", "Alice drinks tea", source={"type": "tool"}, metadata={"importance": 80, "tags": ["taste"], "x": 1})
    assert (made.version, made.source.type, made.metadata["tags"]) == (1, "tool", ["taste"])
    assert [each.memory_id for each in here.search("home", "tea")] == [made.memory_id]
    changed = here.update("home", made.memory_id, content="Alice drinks coffee", importance=60, embedding=NEAR)
    assert (changed.version, changed.metadata["importance"], changed.indexed_version) == (2, 60, 2)
    found = here.get("home", made.memory_id, include_embedding=True)
    assert isinstance(found, Memory)
    assert found.embedding == NEAR
    assert [each.content for each in found.previous_versions] == ["Alice drinks tea"]
    assert [each.version for each in here.get_history("home", made.memory_id)] == [1, 2]
    first = here.get_version("home", made.memory_id, 1)
    assert first is not None
    assert here.get_at_timestamp("home", made.memory_id, first.timestamp) == first
    assert [each.score for each in cortex.vector.search("home", embedding=NEAR)] == [1]
    assert here.archive("home", made.memory_id).status == "archived"
    assert (here.list("home"), here.count("home"), len(here.list("home", include_archived=True))) == ([], 0, 1)
    assert here.restore_from_archive("home", made.memory_id).metadata == changed.metadata
    assert here.update_many("home", new_tags=["new"]).updated == 1
    gone = here.delete("home", made.memory_id)
    assert here.get("home", made.memory_id) is None
    receipt = until(lambda: (told := cortex.memory.get_erasure(gone.receipt_id)) and told.state == "completed" and told)
    assert receipt.erased == {"memories": 1, "memoryVersions": 2}


def test_long_lists_and_exports_come_whole(cortex: Cortex) -> None:
    kept = [
        cortex.memories.store("home", f"{number} " + "x" * 30_000, source={"type": "system"}, embedding=FAR).memory_id
        for number in range(5)
    ]
    assert [each.memory_id for each in cortex.memories.list("home")] == kept[::-1]
    assert not any(each.list_truncated for each in cortex.memories.list("home"))
    told = cortex.memories.export("home", format="json", include_embeddings=True)
    assert (told.count, [each["memoryId"] for each in json.loads(told.data)]) == (5, kept[::-1])
    rows = list(csv.DictReader(io.StringIO(cortex.memories.export("home", format="csv").data)))
    assert [row["memoryId"] for row in rows] == kept[::-1]
    assert cortex.memories.delete_many("home", dry_run=True).would_delete == 5
    done = cortex.memories.delete_many("home", memory_ids=kept)
    assert (done.deleted, done.state) == (5, "completed")


def test_a_turn_is_remembered_once_recalled_and_erased(cortex: Cortex) -> None:
    facts: Any = [{"fact": "Alice lives in Rom", "subject": "alice", "predicate": "lives in", "object": "Rom"}]
    turn = {**TURN, "agent_response": "Noted", "key": "k1", "facts": facts}
    made, again = (cortex.memory.remember(**turn) for _ in range(2))
    assert (made.added, again.added, len(made.memories)) == (True, False, 2)
    assert made.conversation.message_count == 2
    told = cortex.memory.recall("home", "tea in rom", include_conversation=True)
    assert "I drink tea" in told.context
    assert [each.object for each in told.facts] == ["Rom"]
    assert told.messages
    moved = cortex.memory.store_fact("home", "Alice lives in Köln", subject="alice", predicate="lives in", object="Köln")
    assert moved.action == "SUPERSEDE"
    assert [each.object for each in cortex.memory.get_fact_history("home", moved.fact.fact_id)] == ["Rom", "Köln"]
    assert [each.object for each in cortex.memory.list_facts("home")] == ["Köln"]
    assert cortex.memory.count_facts("home", include_superseded=True) == 2
    whole = cortex.memory.get("home", made.memories[0].memory_id, include_conversation=True)
    assert whole is not None
    assert [each.content for each in whole.messages] == ["I drink tea"]
    assert cortex.memory.forget("home", made.memories[0].memory_id).facts_deleted == 1
    receipt = cortex.memory.erase(user_id="alice", confirm=True)
    assert (receipt.state, receipt.erased["conversations"]) == ("completed", 1)
    assert cortex.conversations.count() == cortex.memories.count("home") == cortex.memory.count_facts("home") == 0


def test_a_summary_may_be_made_by_the_caller(cortex: Cortex) -> None:
    made = cortex.memory.remember(**TURN, agent_response="Noted", extract_content=lambda said, answered: f"{said}; {answered}")
    assert [(each.content, each.content_type) for each in made.memories] == [("I drink tea; Noted", "summarized")]


def test_the_backend_says_how_long_memories_are_kept(cortex: Cortex, served: Served, token: Mint) -> None:
    with pytest.raises(ConversationError, match="FORBIDDEN"):
        cortex.memory.set_retention("home", days=30)
    with Cortex(served.url, token()) as backend:
        rule = backend.memory.set_retention("home", days=30, keep_importance=80)
        assert rule is not None
        assert (rule.days, rule.keep_importance) == (30, 80)
        assert backend.memory.get_retention("home") == rule
        assert backend.memory.set_retention("home") is None
        assert backend.memory.get_retention("home") is None


# Streams -----------------------------------------------------------------------------------------------------------------


def broken() -> Iterator[str]:
    """A stream that breaks off."""
    yield from ("No", "ted", ": ")
    raise OSError("the model hung up")


def test_a_stream_is_remembered_when_it_has_ended(cortex: Cortex) -> None:
    told = cortex.memory.remember_stream(stream=iter(["No", "ted", ": tea"]), every=1, key="k", **TURN)
    assert told.text == "Noted: tea"
    assert told.remembered is not None
    assert [each.content for each in told.remembered.memories] == ["I drink tea", "Noted: tea"]
    assert cortex.memory.get_part("home", "k", agent_id="helper") is None
    assert cortex.memories.count("home") == 2


@pytest.mark.parametrize(
    ("on_failure", "kept", "remembered", "tries"),
    [
        ("store-partial", True, False, 1),
        ("rollback", False, False, 1),
        ("retry", True, False, 3),
        ("best-effort", False, True, 1),
    ],
)
def test_a_stream_that_breaks_off_is_kept_as_was_said(
    cortex: Cortex, on_failure: Any, kept: bool, remembered: bool, tries: int
) -> None:
    begun: list[int] = []

    def stream() -> Iterator[str]:
        begun.append(1)
        return broken()

    if on_failure == "best-effort":
        told = cortex.memory.remember_stream(stream=stream, every=2, key="k", on_failure=on_failure, **TURN)
        assert (told.text, told.error) == ("Noted: ", "the model hung up")
    else:
        with pytest.raises(StreamFailed) as failed:
            cortex.memory.remember_stream(stream=stream, every=2, key="k", on_failure=on_failure, **TURN)
        assert (failed.value.key, failed.value.text) == ("k", "Noted: ")
    part = cortex.memory.get_part("home", "k")
    assert (part is not None and part.content == "Noted: ") == kept
    assert cortex.memories.count("home") == (2 if remembered else 0)
    assert len(begun) == tries


def test_a_retry_that_succeeds_remembers_the_whole_once(cortex: Cortex) -> None:
    streams: Iterator[Any] = iter([broken(), iter(["all", " of it"])])
    told = cortex.memory.remember_stream(stream=lambda: next(streams), every=1, key="k", on_failure="retry", **TURN)
    assert told.text == "all of it"
    assert cortex.memory.get_part("home", "k") is None
    assert cortex.memories.count("home") == 2


@pytest.mark.parametrize("stream", ["text", None, [1], [], [" "]])
def test_what_is_no_stream_is_refused(cortex: Cortex, stream: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        cortex.memory.remember_stream(stream=stream, **TURN)
    assert (refused.value.code, refused.value.field) == ("INVALID_STREAM", "stream")


def test_the_async_client_does_the_same(served: Served, token: Mint) -> None:
    async def pieces() -> AsyncIterator[str]:
        for each in ("No", "ted"):
            yield each

    async def walk() -> None:
        async with AsyncCortex(served.url, token("alice")) as cortex:
            told = await cortex.memory.remember_stream(stream=pieces(), every=1, **TURN)
            assert told.text == "Noted"
            assert len(await cortex.memories.list("home")) == await cortex.memories.count("home") == 2
            found = await cortex.memories.search("home", "tea")
            assert [each.content for each in found] == ["I drink tea"]
            assert (await cortex.memories.export("home", format="json")).count == 2
            assert (await cortex.memory.recall("home", "tea")).context.startswith("- I drink tea")
            with pytest.raises(ValidationError, match="INVALID_EMBEDDING"):
                cortex.memories.search("home", embedding=[1.0])  # before it is awaited

    alone(walk())


def test_a_search_is_live(cortex: Cortex) -> None:
    watching = cortex.memories.watch_search("home", "tea")
    assert next(watching) == []
    cortex.memories.store("home", "green tea", source={"type": "system"})
    assert [each.content for each in next(watching)] == ["green tea"]
    watching.close()  # type: ignore[attr-defined]


# Refusals ----------------------------------------------------------------------------------------------------------------

SYSTEM: Any = {"type": "system"}
LOUD: Any = {"importance": 101}
NOBODY: Any = {**TURN, "agent_id": None, "agent_response": "x"}


@pytest.mark.parametrize(
    ("call", "code", "field"),
    [
        (lambda c: c.memories.store("", "x", source=SYSTEM), "INVALID_ID_FORMAT", "space"),
        (lambda c: c.memories.store("s", " ", source=SYSTEM), "MISSING_REQUIRED_FIELD", "content"),
        (lambda c: c.memories.store("s", "x" * 65_537, source=SYSTEM), "CONTENT_TOO_LONG", "content"),
        (lambda c: c.memories.store("s", "x", source={"type": "dream"}), "INVALID_SOURCE_TYPE", "source.type"),
        (lambda c: c.memories.store("s", "x", source={"type": "conversation"}), "MISSING_CONVERSATION_REF", "conversationRef"),
        (lambda c: c.memories.store("s", "x", source=SYSTEM, embedding=[]), "INVALID_EMBEDDING", "embedding"),
        (lambda c: c.memories.store("s", "x", source=SYSTEM, embedding=[float("nan")] * 256), "INVALID_EMBEDDING", "embedding"),
        (
            lambda c: c.memories.store("s", "x", source=SYSTEM, metadata={"importance": 101}),
            "INVALID_IMPORTANCE",
            "metadata.importance",
        ),
        (lambda c: c.memories.store("s", "x", source=SYSTEM, metadata={"tags": "a"}), "INVALID_TAGS", "metadata.tags"),
        (lambda c: c.memories.update("s", "mem-1"), "MISSING_REQUIRED_FIELD", None),
        (lambda c: c.memories.get_version("s", "mem-1", 0), "INVALID_RANGE", "version"),
        (lambda c: c.memories.get_at_timestamp("s", "mem-1", "now"), "INVALID_TIMESTAMP", "timestamp"),
        (lambda c: c.memories.search("s"), "MISSING_REQUIRED_FIELD", "query"),
        (
            lambda c: c.memory.remember(**{**TURN, "agent_id": None}, agent_response="x"),
            "AGENT_REQUIRED_FOR_USER_CONVERSATION",
            "agentId",
        ),
        (lambda c: c.memory.erase(), "MISSING_REQUIRED_FIELD", "userId"),
        (lambda c: c.memory.erase(user_id="alice"), "CONFIRMATION_REQUIRED", "confirm"),
        (lambda c: c.memory.store_fact("s", "x", subject="a"), "MISSING_REQUIRED_FIELD", "predicate"),
        (lambda c: c.memory.store_fact("s", "x", confidence=101), "INVALID_CONFIDENCE", "confidence"),
        (
            lambda c: c.memory.forget("s", "mem-1", delete_conversation=True),
            "ENTIRE_CONVERSATION_ONLY",
            "deleteEntireConversation",
        ),
    ],
)
def test_what_is_wrong_is_told_before_any_request(call: Callable[[Any], Any], code: str, field: str | None) -> None:
    with Cortex("http://127.0.0.1:9", "nobody") as nowhere, pytest.raises(ValidationError) as refused:
        call(nowhere)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_what_the_backend_refuses_has_its_code(cortex: Cortex, served: Served, token: Mint) -> None:
    made = cortex.memories.store("home", "x", source=SYSTEM)
    for space, client_of, code in (("work", "alice", "PERMISSION_DENIED"), ("home", "bob", "MEMORY_NOT_FOUND")):
        with Cortex(served.url, token(client_of)) as client, pytest.raises(ConversationError) as refused:
            client.memories.archive(space, made.memory_id)
        assert refused.value.code == code
