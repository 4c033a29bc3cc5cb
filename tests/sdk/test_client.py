"""The Python SDK against a real server: sync, async, live, repeated; and what it refuses by itself."""

from __future__ import annotations

import asyncio
import csv
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from concave_client import AsyncCortex, ConversationError, Cortex, CortexError, NewMessage, Participants, ValidationError

from tests.sdk.conftest import Mint
from tests.support.loop import alone
from tests.walk.server import Served

PAIR = Participants(user_id="user-123", agent_id="agent-456")


@pytest.fixture
def cortex(served: Served, token: Mint) -> Iterator[Cortex]:
    with Cortex(served.url, token()) as client:
        yield client


def test_a_client_written_from_the_document_works(cortex: Cortex) -> None:
    """In the document's own shapes."""
    made = cortex.conversations.create(
        type="user-agent", participants={"userId": "user-123", "agentId": "agent-456"}, metadata={"a": [1, None]}
    )
    assert (made.message_count, made.messages, made.metadata) == (0, [], {"a": [1, None]})
    assert made.participants == PAIR
    updated = cortex.conversations.add_message(made.conversation_id, {"role": "user", "content": "Hello, agent!"})
    updated = cortex.conversations.add_message(
        made.conversation_id, NewMessage(role="agent", content="Hello!", agent_id="agent-456", metadata={"m": 1})
    )
    assert [(each.role, each.agent_id, each.sequence) for each in updated.messages] == [
        ("user", None, 1),
        ("agent", "agent-456", 2),
    ]
    assert cortex.conversations.get(made.conversation_id) == updated
    assert cortex.conversations.list(user_id="user-123", limit=10, include_messages=True) == [updated]
    (bare,) = cortex.conversations.list(user_id="user-123")
    assert (bare.message_count, bare.messages, bare.messages_truncated) == (2, [], True)
    assert isinstance(cortex.conversations.count(agent_id="agent-456"), int)
    assert cortex.conversations.count(agent_id="agent-456") == 1
    gone = cortex.conversations.delete(made.conversation_id)
    assert (gone.deleted, gone.messages_deleted, gone.restorable) == (True, 2, False)
    assert cortex.conversations.get(made.conversation_id) is None
    receipt = cortex.conversations.get_erasure(gone.receipt_id)
    assert receipt is not None
    assert receipt.erased["chatMessages"] == 2


def test_what_the_backend_refuses_has_its_code(cortex: Cortex) -> None:
    cortex.conversations.create(type="user-agent", participants=PAIR, conversation_id="taken")
    with pytest.raises(ConversationError, match="CONVERSATION_ALREADY_EXISTS") as refused:
        cortex.conversations.create(type="user-agent", participants=PAIR, conversation_id="taken")
    assert (refused.value.code, refused.value.field) == ("CONVERSATION_ALREADY_EXISTS", "conversationId")
    with pytest.raises(ConversationError) as missing:
        cortex.conversations.delete("conv-none")
    assert missing.value.code == "CONVERSATION_NOT_FOUND"


def test_a_bad_token_is_told(served: Served) -> None:
    with Cortex(served.url, "nonsense") as client, pytest.raises(ConversationError) as refused:
        client.conversations.count()
    assert refused.value.code == "Unauthenticated"


def test_the_rest_of_the_api(cortex: Cortex) -> None:
    here = cortex.conversations
    one = here.get_or_create(type="user-agent", participants=PAIR)
    assert here.get_or_create(type="user-agent", participants=PAIR) == one
    assert here.find_conversation(type="user-agent", participants=PAIR) == one
    for number in range(5):
        last = here.add_message(one.conversation_id, {"role": "user", "content": f"word{number} common"}, tail=1)
    assert [each.content for each in last.messages] == ["word4 common"]
    assert last.messages_truncated
    page = here.get_history(one.conversation_id, limit=2, sort_order="desc")
    assert ([each.sequence for each in page.messages], page.total, page.has_more) == ([5, 4], 5, True)
    everything = list(here.messages(one.conversation_id, page=2))
    assert [each.sequence for each in everything] == [1, 2, 3, 4, 5]
    assert here.get_message(one.conversation_id, everything[2].id) == everything[2]
    wanted = [everything[3].id, everything[0].id]
    assert here.get_messages_by_ids(one.conversation_id, wanted) == [everything[0], everything[3]]
    answer = here.search("word3", limit=5)
    assert (len(answer), answer.complete) == (1, True)
    assert [each.highlights for each in answer] == [["word3 common"]]
    assert here.list(message_count={"min": 5}, sort_by="updatedAt")[0].conversation_id == one.conversation_id
    plan = here.delete_many(user_id="user-123", dry_run=True)
    assert (plan.would_delete, plan.would_delete_messages) == (1, 5)
    done = here.delete_by_ids([one.conversation_id, "conv-none"])
    assert (done.deleted, done.not_found, done.state) == (1, ["conv-none"], "completed")
    here.get_or_create(type="agent-agent", participants=Participants(agent_ids=["a", "b"]))
    assert here.purge_all(confirm=True).deleted == 1
    assert here.count() == 0


def test_an_export_in_parts_is_one_file(cortex: Cortex) -> None:
    for number in range(3):
        made = cortex.conversations.create(type="user-agent", participants=PAIR, conversation_id=f"e{number}")
        for _ in range(8):
            cortex.conversations.add_message(made.conversation_id, {"role": "user", "content": "x" * 9_000}, tail=0)
    exported = cortex.conversations.export(format="json", user_id="user-123")
    told = {each["conversationId"]: [one["sequence"] for one in each["messages"]] for each in json.loads(exported.data)}
    assert told == {f"e{number}": list(range(1, 9)) for number in range(3)}
    assert exported.count == 3
    lines = list(csv.DictReader(io.StringIO(cortex.conversations.export(format="csv").data)))
    assert {each["conversationId"] for each in lines} == set(told)


def test_the_async_client_does_the_same(served: Served, token: Mint) -> None:
    async def work() -> tuple[int, int]:
        async with AsyncCortex(served.url, token) as cortex:
            made = await cortex.conversations.create(type="user-agent", participants=PAIR)
            adding = [
                cortex.conversations.add_message(made.conversation_id, {"role": "user", "content": f"m{number}"}, tail=0)
                for number in range(20)
            ]
            await asyncio.gather(*adding)
            seen = [each async for each in cortex.conversations.messages(made.conversation_id, page=7)]
            exported = await cortex.conversations.export(format="json")
            return len(seen), len(json.loads(exported.data)[0]["messages"])

    assert alone(work()) == (20, 20)


def test_a_conversation_is_watched_until_it_is_gone(served: Served, token: Mint, cortex: Cortex) -> None:
    """Over the WebSocket: what another one writes is seen, and a deletion ends in None."""
    made = cortex.conversations.create(type="user-agent", participants={"userId": "alice", "agentId": "helper"})
    watcher = Cortex(served.url, token("alice")).conversations
    seen: list[int | None] = []
    for conversation in watcher.watch(made.conversation_id):
        seen.append(None if conversation is None else conversation.message_count)
        if len(seen) == 1:
            cortex.conversations.add_message(made.conversation_id, {"role": "user", "content": "Hello"})
        elif len(seen) == 2:
            assert conversation is not None
            assert conversation.messages[0].content == "Hello"
            cortex.conversations.delete(made.conversation_id)
        else:
            break
    assert seen == [0, 1, None]


def test_lists_and_counts_are_watched_in_an_event_loop(served: Served, token: Mint) -> None:
    async def work() -> list[list[str]]:
        async with AsyncCortex(served.url, token("alice")) as alice:
            seen: list[list[str]] = []
            async for found in alice.conversations.watch_list(limit=10, include_messages=False):
                seen.append([each.conversation_id for each in found])
                if len(seen) == 2:
                    return seen
                who = Participants(user_id="alice", agent_id="helper")
                await alice.conversations.create(type="user-agent", participants=who, conversation_id="watched")
        return []

    assert alone(work()) == [[], ["watched"]]
    counts = Cortex(served.url, token("alice")).conversations.watch_count()
    assert next(counts) == 1


def test_a_list_goes_on_until_it_has_all_that_was_asked_for(cortex: Cortex, served: Served, token: Mint) -> None:
    """An answer holds 96 KB; a list of conversations with much metadata comes in several."""
    for number in range(12):
        cortex.conversations.create(
            type="user-agent", participants=PAIR, conversation_id=f"much-{number}", metadata={"notes": "x" * 16_000}
        )
    wanted = [f"much-{number}" for number in reversed(range(12))]
    listed = cortex.conversations.list(user_id=PAIR.user_id, limit=12)
    assert [each.conversation_id for each in listed] == wanted
    assert not any(each.list_truncated for each in listed)

    async def work() -> list[str]:
        async with AsyncCortex(served.url, token()) as client:
            return [each.conversation_id for each in await client.conversations.list(user_id=PAIR.user_id, limit=12)]

    assert alone(work()) == wanted


def test_history_search_and_export_take_what_the_documents_library_takes(cortex: Cortex) -> None:
    made = cortex.conversations.create(type="user-agent", participants=PAIR, metadata={"topic": "Café"})
    for role in ("user", "agent", "user"):
        last = cortex.conversations.add_message(made.conversation_id, {"role": role, "content": "hello"})
    times = [each.timestamp for each in last.messages]
    assert cortex.conversations.get_history(made.conversation_id, since=times[1], until=times[2]).total == 2
    assert [each.sequence for each in cortex.conversations.get_history(made.conversation_id, roles=["user"]).messages] == [1, 3]
    assert len(cortex.conversations.get(made.conversation_id, message_limit=1).messages) == 1  # type: ignore[union-attr]
    found = cortex.conversations.search("cafe", search_in="metadata")
    assert made.conversation_id in [each.conversation.conversation_id for each in found]
    assert made.conversation_id in [each.conversation_id for each in cortex.conversations.list(metadata={"topic": "Café"})]
    dated = cortex.conversations.export(format="json", date_range={"start": made.created_at})
    assert made.conversation_id in dated.data


# What is told before any request ----------------------------------------------------------------------------------------

CALLS: list[tuple[Callable[[Any], Any], str, str | None]] = [
    (lambda c: c.create(type="group", participants=PAIR), "INVALID_TYPE", "type"),
    (lambda c: c.create(type=None, participants=PAIR), "MISSING_REQUIRED_FIELD", "type"),
    (lambda c: c.create(type="user-agent", participants=None), "MISSING_REQUIRED_FIELD", "participants"),
    (lambda c: c.create(type="user-agent", participants={"userId": "u"}), "INVALID_PARTICIPANTS", "participants"),
    (lambda c: c.create(type="user-agent", participants={"userId": "u", "agent": "a"}), "INVALID_PARTICIPANTS", "participants"),
    (lambda c: c.create(type="user-agent", participants={"userId": " ", "agentId": "a"}), "INVALID_PARTICIPANTS", "participants"),
    (lambda c: c.create(type="agent-agent", participants={"agentIds": ["a"]}), "INVALID_PARTICIPANTS", "participants.agentIds"),
    (lambda c: c.create(type="agent-agent", participants={"agentIds": ["a", "a"]}), "DUPLICATE_VALUES", "participants.agentIds"),
    (
        lambda c: c.create(type="agent-agent", participants={"agentIds": [str(number) for number in range(21)]}),
        "INVALID_ARRAY_LENGTH",
        "participants.agentIds",
    ),
    (lambda c: c.create(type="user-agent", participants=PAIR, conversation_id="a\nb"), "INVALID_ID_FORMAT", "conversationId"),
    (lambda c: c.create(type="user-agent", participants=PAIR, metadata=object()), "INVALID_FORMAT", "metadata"),
    (lambda c: c.create(type="user-agent", participants=PAIR, metadata="x" * 20_000), "METADATA_TOO_LARGE", "metadata"),
    (lambda c: c.get(""), "MISSING_REQUIRED_FIELD", "conversationId"),
    (lambda c: c.get(None), "MISSING_REQUIRED_FIELD", "conversationId"),
    (lambda c: c.get(5), "INVALID_FORMAT", "conversationId"),
    (lambda c: c.add_message("c", None), "MISSING_REQUIRED_FIELD", "message"),
    (lambda c: c.add_message("c", {"role": "robot", "content": "x"}), "INVALID_ROLE", "message.role"),
    (lambda c: c.add_message("c", {"role": "user"}), "MISSING_REQUIRED_FIELD", "message.content"),
    (lambda c: c.add_message("c", {"role": "user", "content": " "}), "MISSING_REQUIRED_FIELD", "message.content"),
    (lambda c: c.add_message("c", {"role": "user", "content": "é" * 33_000}), "CONTENT_TOO_LONG", "message.content"),
    (lambda c: c.add_message("c", {"role": "user", "content": "x", "sender": "y"}), "INVALID_FORMAT", "message"),
    (lambda c: c.list(limit=0), "INVALID_RANGE", "limit"),
    (lambda c: c.list(limit=1001), "INVALID_RANGE", "limit"),
    (lambda c: c.list(limit=1.5), "INVALID_RANGE", "limit"),
    (lambda c: c.get_history("c", roles=["robot"]), "INVALID_ROLE", "roles"),
    (lambda c: c.get_history("c", since=5, until=5), "INVALID_DATE_RANGE", "since"),
    (
        lambda c: c.find_conversation(type="agent-agent", participants={"agentIds": ["a"]}),
        "INVALID_ARRAY_LENGTH",
        "participants.agentIds",
    ),
    (
        lambda c: c.find_conversation(type="user-agent", participants={"userId": "u"}),
        "MISSING_REQUIRED_FIELD",
        "participants.agentId",
    ),
    (lambda c: c.export(format="json", date_range={"start": 5, "end": 5}), "INVALID_DATE_RANGE", "filters.dateRange"),
    (lambda c: c.list(sort_by="name"), "INVALID_SORT_ORDER", "sortBy"),
    (lambda c: c.list(sort_order="up"), "INVALID_SORT_ORDER", "sortOrder"),
    (lambda c: c.list(created_after=5, created_before=5), "INVALID_DATE_RANGE", "createdAfter"),
    (lambda c: c.list(message_count={"min": 2, "max": 1}), "INVALID_RANGE", "messageCount"),
    (lambda c: c.count(user_id=" "), "EMPTY_STRING", "userId"),
    (lambda c: c.get_messages_by_ids("c", []), "EMPTY_ARRAY", "messageIds"),
    (lambda c: c.get_messages_by_ids("c", "abc"), "INVALID_FORMAT", "messageIds"),
    (lambda c: c.search(" "), "EMPTY_STRING", "query"),
    (lambda c: c.export(format="xml"), "INVALID_FORMAT", "format"),
    (lambda c: c.delete_many(), "MISSING_REQUIRED_FIELD", None),
    (lambda c: c.delete_by_ids(["x"] * 101), "INVALID_ARRAY_LENGTH", "conversationIds"),
    (lambda c: c.purge_all(), "CONFIRMATION_REQUIRED", "confirm"),
]


@pytest.mark.parametrize(("call", "code", "field"), CALLS)
def test_a_wrong_argument_is_told_at_the_call_without_a_network(call: Any, code: str, field: str | None) -> None:
    """Nobody listens at this address."""
    with Cortex("http://127.0.0.1:9") as cortex, pytest.raises(ValidationError) as refused:
        call(cortex.conversations)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_the_async_client_tells_it_when_the_method_is_called_and_not_when_it_is_awaited() -> None:
    cortex = AsyncCortex("http://127.0.0.1:9")
    with pytest.raises(ValidationError, match="MISSING_REQUIRED_FIELD"):
        cortex.conversations.get("")  # never awaited
    alone(cortex.close())


# The way there ----------------------------------------------------------------------------------------------------------


class Losing(http.server.BaseHTTPRequestHandler):
    """A road to the real server that loses some answers after the server gave them."""

    target = ""
    lose: list[bool] = []  # noqa: RUF012 - set by the test
    seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        keep = {name: self.headers[name] for name in ("Authorization", "Idempotency-Key") if name in self.headers}
        type(self).seen.append((self.path, self.headers.get("Idempotency-Key")))
        answer = httpx2.post(self.target + self.path, content=body, headers=keep)
        if type(self).lose and type(self).lose.pop(0):
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def road(served: Served) -> Iterator[type[Losing]]:
    Losing.target, Losing.lose, Losing.seen = served.url, [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Losing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Losing.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield Losing
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_message_whose_answer_was_lost_is_sent_again_and_added_once(road: Any, token: Mint) -> None:
    """Invariant 6: the same key is the same message."""
    with Cortex(road.url, token()) as cortex:
        made = cortex.conversations.create(type="user-agent", participants=PAIR)
        road.lose = [True, True]
        told = cortex.conversations.add_message(made.conversation_id, {"role": "user", "content": "once"})
        assert (told.message_count, len(told.messages)) == (1, 1)
        keys = [key for _, key in road.seen[1:]]
        assert len(keys) == 3
        assert len(set(keys)) == 1
        got = cortex.conversations.get(made.conversation_id)
        assert got is not None
        assert got.message_count == 1


def test_an_action_is_sent_once_and_a_backend_that_is_away_is_an_error(road: Any, token: Mint) -> None:
    with Cortex(road.url, token()) as cortex:
        road.lose = [True]
        with pytest.raises(CortexError, match="did not answer"):
            cortex.conversations.delete_many(user_id="nobody")
        assert len(road.seen) == 1
    with Cortex("http://127.0.0.1:9") as nobody, pytest.raises(CortexError, match="did not answer"):
        nobody.conversations.count()
