"""What the document's later library adds: history, messages by id, find, getOrCreate, search, export."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functions.conftest import House
from tests.support.conversations import Cortex, Failed, backend, member, opened, say


@pytest.fixture
def cortex(house: House) -> Cortex:
    return backend(house)


@pytest.fixture
def ten(cortex: Cortex) -> str:
    """A conversation of ten messages."""
    conversation = opened(cortex)
    for number in range(1, 11):
        say(cortex, conversation, f"Message {number}", "user" if number % 2 else "agent", tail=0)
    return conversation


def contents(page: Any) -> list[str]:
    return [each["content"].removeprefix("Message ") for each in page["messages"]]


def test_history_is_whole_by_default(cortex: Cortex, ten: str) -> None:
    page = cortex.get_history(conversationId=ten)
    assert contents(page) == [str(number) for number in range(1, 11)]
    assert (page["conversationId"], page["total"], page["hasMore"]) == (ten, 10, False)


@pytest.mark.parametrize(
    ("args", "expected", "more"),
    [
        ({"limit": 3}, ["1", "2", "3"], True),
        ({"limit": 3, "offset": 3}, ["4", "5", "6"], True),
        ({"limit": 3, "offset": 9}, ["10"], False),
        ({"limit": 3, "sortOrder": "desc"}, ["10", "9", "8"], True),
        ({"limit": 3, "offset": 8, "sortOrder": "desc"}, ["2", "1"], False),
        ({"offset": 100}, [], False),
        ({"offset": 100, "sortOrder": "desc"}, [], False),
    ],
)
def test_history_comes_in_pages_from_either_end(
    cortex: Cortex, ten: str, args: dict[str, Any], expected: list[str], more: bool
) -> None:
    page = cortex.get_history(conversationId=ten, **args)
    assert (contents(page), page["total"], page["hasMore"]) == (expected, 10, more)


def test_history_of_nothing_is_refused(cortex: Cortex) -> None:
    with pytest.raises(Failed, match="CONVERSATION_NOT_FOUND"):
        cortex.get_history(conversationId="conv-none")


def test_a_page_ends_where_96_kb_do_and_says_where_the_next_begins(cortex: Cortex) -> None:
    conversation = opened(cortex)
    for number in range(30):
        say(cortex, conversation, f"{number}:" + "x" * 9_000, tail=0)
    seen, offset, pages = [], 0, 0
    while True:
        page = cortex.get_history(conversationId=conversation, offset=offset)
        assert len(json.dumps(page)) < 100_000
        seen += [each["content"].partition(":")[0] for each in page["messages"]]
        pages, offset = pages + 1, page["nextOffset"]
        if not page["hasMore"]:
            break
    assert seen == [str(number) for number in range(30)]
    assert pages == 3


def test_a_log_beyond_16_kb_shows_its_newest_and_says_that_there_is_more(cortex: Cortex) -> None:
    conversation = opened(cortex)
    for number in range(14):
        last = say(cortex, conversation, f"{number}:" + "x" * 3_000, tail=100)
    stored = cortex.get(conversationId=conversation)
    assert stored == last
    assert (stored["messageCount"], stored["messagesTruncated"]) == (14, True)
    assert [each["sequence"] for each in stored["messages"]] == list(range(10, 15))
    assert "messagesTruncated" not in cortex.get(conversationId=opened(cortex))


def test_an_added_message_comes_back_with_those_before_it_that_768_bytes_hold(cortex: Cortex) -> None:
    """A result is kept with its commit, so it does not grow with the conversation."""
    conversation = opened(cortex)
    assert say(cortex, conversation, "one").get("messagesTruncated") is None
    assert [each["content"] for each in say(cortex, conversation, "two")["messages"]] == ["one", "two"]
    told = [say(cortex, conversation, f"{number}:" + "x" * 100) for number in range(10)][-1]
    assert [each["sequence"] for each in told["messages"]] == [10, 11, 12]
    assert (told["messageCount"], told["messagesTruncated"]) == (12, True)
    assert len(json.dumps(told["messages"], separators=(",", ":"))) <= 768 + 4  # the commas and brackets of a list
    long = say(cortex, conversation, "y" * 2_000)
    assert [each["content"] for each in long["messages"]] == ["y" * 2_000]
    assert len(say(cortex, conversation, "with a tail", tail=6)["messages"]) == 6


def test_a_message_may_weigh_64_kb_and_is_always_shown(cortex: Cortex) -> None:
    """Quotes weigh twice as much on the wire, so one message may be too much for an answer: it is shown in part."""
    conversation = opened(cortex)
    plain = say(cortex, conversation, "A" * 65_536)
    assert plain["messages"][0]["content"] == "A" * 65_536
    shown = cortex.get(conversationId=opened(cortex, agent="b"))
    assert shown["messages"] == []
    say(cortex, conversation, '"' * 65_536, tail=0)
    (cut,) = cortex.get(conversationId=conversation)["messages"]
    assert cut["contentTruncated"] is True
    assert set(cut["content"]) == {'"'}
    assert cortex.get_message(conversationId=conversation, messageId=cut["id"])["content"] == '"' * 65_536
    with pytest.raises(Failed, match="CONTENT_TOO_LONG"):
        say(cortex, conversation, "é" * 32_769)


def test_messages_are_found_by_their_ids_ours_and_chosen_ones(cortex: Cortex, ten: str) -> None:
    say(cortex, ten, "mine", id="msg-3-looks-like-ours")
    listed = cortex.get_history(conversationId=ten)["messages"]
    for each in listed:
        assert cortex.get_message(conversationId=ten, messageId=each["id"]) == each
    wanted = [listed[6]["id"], "msg-none", "msg-3-looks-like-ours", listed[1]["id"], "msg-99-abc"]
    found = cortex.get_messages_by_ids(conversationId=ten, messageIds=wanted)
    assert [each["content"] for each in found] == ["Message 2", "Message 7", "mine"]
    assert cortex.get_message(conversationId="conv-none", messageId=listed[0]["id"]) is None
    other = opened(cortex, agent="other")
    assert cortex.get_message(conversationId=other, messageId=listed[0]["id"]) is None


def test_the_same_message_id_is_the_same_message(cortex: Cortex) -> None:
    conversation = opened(cortex)
    first = say(cortex, conversation, "once", id="own", metadata={"a": 1})
    assert say(cortex, conversation, "once", id="own", metadata={"a": 1}) == first
    with pytest.raises(Failed, match="MESSAGE_ALREADY_EXISTS"):
        say(cortex, conversation, "something else", id="own")
    assert cortex.get(conversationId=conversation)["messageCount"] == 1
    ours = say(cortex, conversation, "second")["messages"][1]["id"]
    with pytest.raises(Failed, match="MESSAGE_ALREADY_EXISTS"):
        say(cortex, conversation, "another", id=ours)


def test_agents_are_found_in_any_order_and_only_exactly_these(cortex: Cortex) -> None:
    made = cortex.create(type="agent-agent", participants={"agentIds": ["a", "b", "c"]})
    found = cortex.find_conversation(type="agent-agent", participants={"agentIds": ["c", "a", "b"]})
    assert found["conversationId"] == made["conversationId"]
    assert found["participants"] == {"agentIds": ["a", "b", "c"]}
    assert cortex.find_conversation(type="agent-agent", participants={"agentIds": ["a", "b"]}) is None
    assert cortex.find_conversation(type="user-agent", participants={"userId": "a", "agentId": "b"}) is None


def test_get_or_create_gives_what_is_there_the_oldest_first_and_stays_with_it(cortex: Cortex) -> None:
    who = {"type": "user-agent", "participants": {"userId": "u", "agentId": "a"}}
    first, second = cortex.create(**who)["conversationId"], cortex.create(**who)["conversationId"]
    assert cortex.get_or_create(**who)["conversationId"] == first
    assert cortex.find_conversation(**who)["conversationId"] == first
    cortex.delete(conversationId=first)
    assert cortex.get_or_create(**who)["conversationId"] == second
    cortex.delete(conversationId=second)
    made = cortex.get_or_create(**who, metadata={"by": "us"})
    assert made["conversationId"] not in (first, second)
    assert cortex.get_or_create(**who) == made


@pytest.mark.parametrize(
    "participants", [("user-agent", {"userId": "u", "agentId": "a"}), ("agent-agent", {"agentIds": ["x", "y"]})]
)
def test_fifty_simultaneous_get_or_create_make_one(cortex: Cortex, participants: Any) -> None:
    kind, who = participants

    def ask(_: int) -> str:
        return str(cortex.get_or_create(type=kind, participants=who)["conversationId"])

    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(ask, range(50)))) == 1
    assert cortex.count() == 1


def test_a_hundred_concurrent_messages_lose_nothing(cortex: Cortex) -> None:
    """All there, numbered without a gap, and every count agrees."""
    conversation = opened(cortex)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: say(cortex, conversation, f"m{number}", tail=1), range(100)))
    stored = cortex.get(conversationId=conversation)
    assert stored["messageCount"] == len(stored["messages"]) == 100
    assert sorted(each["content"] for each in stored["messages"]) == sorted(f"m{number}" for number in range(100))
    assert [each["sequence"] for each in stored["messages"]] == list(range(1, 101))
    times = [each["timestamp"] for each in stored["messages"]]
    assert times == sorted(set(times))
    assert cortex.list()[0]["messageCount"] == 100
    assert cortex.get_history(conversationId=conversation)["total"] == 100


# Search -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def library(cortex: Cortex) -> Cortex:
    """Three conversations, two of them of one user."""
    talks = {
        "s1": ("reader", ["What is the password of the system?", "The password is Blue123!"]),
        "s2": ("reader", ["Tell me about the weather", "It is sunny, and no password is needed"]),
        "s3": ("other", ["Nothing to see here", "Straße und ＰＡＳＳ"]),
    }
    for name, (user, texts) in talks.items():
        opened(cortex, user, "librarian", conversationId=name)
        for text in texts:
            say(cortex, name, text, tail=0)
    return cortex


def found(answer: Any) -> list[str]:
    return [each["conversation"]["conversationId"] for each in answer["results"]]


def test_search_finds_words_best_first_with_highlights(library: Cortex) -> None:
    answer = library.search(query="password")
    assert found(answer) == ["s1", "s2"]
    scores = [each["score"] for each in answer["results"]]
    assert all(0 < score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)
    for each in answer["results"]:
        assert all("password" in highlight.lower() for highlight in each["highlights"])
        assert len(each["matchedMessages"]) == len(each["highlights"]) > 0
    assert (answer["complete"], answer["searchedMessages"]) == (True, 6)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("PASSWORD blue", ["s1"]),
        ("weather password", ["s2"]),
        ("pass", ["s1", "s2", "s3"]),
        ("strasse", ["s3"]),
        ("word", []),
        ("nonexistent", []),
    ],
)
def test_search_wants_every_word_at_the_beginning_of_a_word(library: Cortex, query: str, expected: list[str]) -> None:
    assert sorted(found(library.search(query=query))) == expected


@pytest.mark.parametrize(("query", "text"), [("cafe", "Un Café, s'il vous plaît"), ("検索", "日本語の検索"), ("ＡＢＣ", "abc")])
def test_search_folds_accents_width_and_scripts_without_spaces(cortex: Cortex, query: str, text: str) -> None:
    name = opened(cortex, agent="polyglot")
    say(cortex, name, "something else", tail=0)
    say(cortex, name, text, tail=0)
    answer = cortex.search(query=query)
    assert found(answer) == [name]
    assert answer["results"][0]["highlights"] == [text]


def test_search_keeps_to_its_filters_and_limit(library: Cortex) -> None:
    assert found(library.search(query="nothing", filters={"userId": "reader"})) == []
    assert found(library.search(query="password", filters={"userId": "reader", "limit": 1})) == ["s1"]
    with pytest.raises(Failed, match="EMPTY_STRING"):
        library.search(query="  ?! ")


def test_search_reads_a_bounded_part_and_says_where_to_go_on(house: House, cortex: Cortex) -> None:
    for number in range(3):
        house.clock.ahead += 1_000
        conversation = opened(cortex, agent=f"a{number}")
        for _ in range(10):
            say(cortex, conversation, "needle " + "x" * 60_000, tail=0)
    answer = cortex.search(query="needle")
    assert (answer["complete"], answer["searchedMessages"]) == (False, 16)
    older = cortex.search(query="needle", filters={"createdBefore": answer["continueBefore"]})
    assert (older["complete"], older["searchedMessages"]) == (True, 10)


# Export -----------------------------------------------------------------------------------------------------------------


def test_export_as_json_with_and_without_metadata(cortex: Cortex) -> None:
    opened(cortex, "exporter", "a1", conversationId="e1", metadata={"campaign": "summer"})
    say(cortex, "e1", "hello", metadata={"m": 1})
    cortex.create(conversationId="e2", type="agent-agent", participants={"agentIds": ["a1", "a2"]})
    part = cortex.export(format="json", filters={"agentId": "a1"})
    assert (part["format"], part["count"], part["isDone"]) == ("json", 2, True)
    told = {each["conversationId"]: each for each in json.loads(part["data"])}
    assert told["e1"]["metadata"] == {"campaign": "summer"}
    assert told["e1"]["messages"][0]["metadata"] == {"m": 1}
    (bare,) = json.loads(cortex.export(format="json", filters={"conversationIds": ["e1"]}, includeMetadata=False)["data"])
    assert "metadata" not in bare
    assert "metadata" not in bare["messages"][0]
    chosen = cortex.export(format="json", filters={"conversationIds": ["e2", "none", "e1"]})
    assert [each["conversationId"] for each in json.loads(chosen["data"])] == ["e2", "e1"]
    created = told["e1"]["createdAt"]
    dated = cortex.export(format="json", filters={"dateRange": {"start": created, "end": created + 60_000}})
    assert dated["count"] == 2
    assert cortex.export(format="json", filters={"dateRange": {"end": created - 1}})["data"] == "[]"


def test_export_as_csv_has_a_line_a_conversation_and_no_formulas(cortex: Cortex) -> None:
    opened(cortex, "=1+1", "a", conversationId="=cmd()")
    say(cortex, "=cmd()", 'two\nlines, "quoted"')
    opened(cortex, "plain", "a")
    part = cortex.export(format="csv", includeMetadata=False)
    lines = part["data"].splitlines()
    assert len(lines) == part["count"] + 1 == 3
    assert lines[0] == "conversationId,type,participants,messageCount,createdAt,updatedAt,messages"
    rows = list(csv.DictReader(io.StringIO(part["data"])))
    assert rows[1]["conversationId"] == "'=cmd()"
    assert json.loads(rows[1]["messages"])[0]["content"] == 'two\nlines, "quoted"'


@pytest.mark.parametrize("by_ids", [False, True])
def test_a_large_export_comes_in_parts_and_nothing_twice_or_missing(cortex: Cortex, by_ids: bool) -> None:
    names = [opened(cortex, agent=f"a{number}") for number in range(7)]
    for name in names:
        for number in range(6):
            say(cortex, name, f"{number}" + "x" * 6_000, tail=0)
    seen: dict[str, list[int]] = {}
    cursor, count, parts = None, 0, 0
    filters = {"conversationIds": names} if by_ids else {}
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        part = cortex.export(format="json", filters=filters, **more)
        for each in json.loads(part["data"]):
            seen.setdefault(each["conversationId"], []).extend(message["sequence"] for message in each["messages"])
        count, parts, cursor = count + part["count"], parts + 1, part["continueCursor"]
        if part["isDone"]:
            break
    assert seen == {name: [1, 2, 3, 4, 5, 6] for name in names}
    assert (count, parts) == (7, 3)


# What one changes, all see ----------------------------------------------------------------------------------------------


def test_a_change_is_seen_at_once_by_every_reader(cortex: Cortex) -> None:
    kept, name = opened(cortex, "p"), opened(cortex, "p", agent="b")
    say(cortex, name, "PROPAGATE this")
    assert cortex.get(conversationId=name)["messageCount"] == 1
    assert {each["conversationId"]: each["messageCount"] for each in cortex.list(userId="p")} == {kept: 0, name: 1}
    assert found(cortex.search(query="propagate")) == [name]
    assert cortex.get_history(conversationId=name)["total"] == 1
    assert "PROPAGATE" in cortex.export(format="csv")["data"]
    cortex.delete(conversationId=name)
    assert cortex.get(conversationId=name) is None
    assert [each["conversationId"] for each in cortex.list(userId="p")] == [kept]
    assert cortex.count(userId="p") == 1
    assert found(cortex.search(query="propagate")) == []
    assert "PROPAGATE" not in cortex.export(format="csv")["data"]
    with pytest.raises(Failed, match="CONVERSATION_NOT_FOUND"):
        cortex.get_history(conversationId=name)


def test_a_reply_that_is_being_written_is_shown_as_such_and_counted(house: House) -> None:
    """The 003 door onto a chat: `agent` for `assistant`, and `metadata.completed` while the reply is on its way."""
    alice, cortex = house.person("alice"), member(house, "alice")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:sendMessage", sessionId=session, content="hello")
    (chat,) = cortex.list(includeMessages=True)
    assert [(each["role"], each.get("metadata")) for each in chat["messages"]] == [
        ("user", None),
        ("agent", {"completed": False}),
    ]
    assert chat["messageCount"] == len(chat["messages"]) == 2
    house.work()
    reply = cortex.get(conversationId=chat["conversationId"])["messages"][1]
    assert reply["content"]
    assert "metadata" not in reply
