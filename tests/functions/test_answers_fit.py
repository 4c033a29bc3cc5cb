"""Every list and page of conversations, rooms and agents opens, however long its texts are and in whatever script.

What an answer has no room for says so, and comes with the next call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.answer_size import ANSWER_BYTES, shortened, text_of, weight
from chalicelib.domain.rooms.views import RoomMessage
from chalicelib.live.messages import FRAME_BYTES, LARGEST_LOGS, LARGEST_POST
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person
from tests.functions.rooms import Gateway, Socket, room_of
from tests.support.conversations import Cortex, backend, opened, say

CARRIED = LARGEST_POST - LARGEST_LOGS - FRAME_BYTES
SCRIPTS = {
    "Latin": "All work and no play. ",
    "Chinese": "春眠不覺曉處處聞啼鳥",
    "Arabic": "ذهبت إلى السوق ",
    "Devanagari": "मैं हिन्दी बोलता हूँ ",
    "emoji": "👩‍👩‍👧🏳️‍🌈🎉",
    "quotes": '"\\"\n',
}


def text(script: str, characters: int) -> str:
    """Of a message; bounded as a message of the conversations' door is, by bytes too."""
    return (SCRIPTS[script] * characters)[:characters]


def carried(person: Person, path: str, **args: Any) -> Any:
    """A query's answer, which a message to a client must be able to carry."""
    outcome = person.house.backend.executor.query(path, args, person.user)
    assert outcome.ok, outcome.error
    assert len(outcome.text.encode()) <= CARRIED, (path, len(outcome.text.encode()))
    return outcome.value


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Conversations ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def person(house: House) -> Person:
    return house.person("backend", "acme", ("service",))


@pytest.fixture
def cortex(person: Person) -> Cortex:
    return Cortex.of(person)


def long_talk(cortex: Cortex, script: str, messages: int = 14) -> str:
    """A conversation of messages of 9,900 characters."""
    name = opened(cortex)
    for number in range(messages):
        say(cortex, name, f"{number} {text(script, 9_900)}", tail=0)
    return name


def test_a_conversation_of_long_messages_opens_at_every_function(person: Person, cortex: Cortex, script: str) -> None:
    name = long_talk(cortex, script)
    shown = carried(person, "conversations:get", conversationId=name)
    assert (shown["messageCount"], shown["messagesTruncated"]) == (14, True)
    assert shown["messages"][-1]["content"].startswith("13 ")
    for view in carried(person, "conversations:list", includeMessages=True):
        assert view["messages"]
    ids = [each["id"] for each in history(person, name)]
    assert len(ids) == 14
    found = carried(person, "conversations:getMessagesByIds", conversationId=name, messageIds=ids)
    assert [each["id"] for each in found] == ids
    assert [each.get("contentTruncated", False) for each in found].count(True) > 0
    carried(person, "conversations:search", query="13")
    said = say(cortex, name, "the last word")
    assert weight(said) <= CARRIED


def history(person: Person, name: str) -> list[Any]:
    """Every message, page by page."""
    found: list[Any] = []
    while True:
        page = carried(person, "conversations:getHistory", conversationId=name, offset=len(found))
        found += page["messages"]
        assert page["nextOffset"] == len(found)
        if not page["hasMore"]:
            return found


@pytest.mark.parametrize("format", ["json", "csv"])
def test_an_export_of_long_messages_comes_in_parts_that_a_message_carries(
    person: Person, cortex: Cortex, script: str, format: str
) -> None:
    """A part is text inside JSON, so every quote of it is written once more."""
    name = long_talk(cortex, script, 6)
    for number in range(40):
        say(cortex, name, f"short {number}", tail=0, metadata={"a": number, "b": '"quoted"'})
    told, cursor = "", {}
    while True:
        part = carried(person, "conversations:export", format=format, **cursor)
        told += part["data"]
        if part["isDone"]:
            break
        cursor = {"cursor": part["continueCursor"]}
    assert all(f"short {number}" in told for number in range(40))


def test_a_message_that_no_answer_holds_is_cut_says_so_and_is_read_in_parts(person: Person, cortex: Cortex) -> None:
    name = opened(cortex)
    whole = '"' * 65_536
    say(cortex, name, whole, tail=0, id="huge")
    for shown in (
        carried(person, "conversations:get", conversationId=name)["messages"],
        carried(person, "conversations:getHistory", conversationId=name)["messages"],
        carried(person, "conversations:getMessagesByIds", conversationId=name, messageIds=["huge"]),
        json.loads(carried(person, "conversations:export", format="json")["data"])[0]["messages"],
    ):
        assert shown[0]["contentTruncated"]
        assert len(shown[0]["content"]) > 10_000
    read, place = "", 0
    while place is not None:
        part = carried(person, "conversations:getMessage", conversationId=name, messageId="huge", fromCharacter=place)
        read, place = read + part["content"], part.get("nextCharacter")
    assert read == whole


def test_a_list_of_conversations_with_much_metadata_ends_where_the_answer_does_and_goes_on(
    person: Person, cortex: Cortex, script: str
) -> None:
    bulk = text(script, 2_500)
    names = [opened(cortex, agent=f"a{number}", metadata={"notes": bulk}) for number in range(30)]
    seen: list[str] = []
    while True:
        page = carried(person, "conversations:list", offset=len(seen))
        seen += [each["conversationId"] for each in page]
        assert [each.get("listTruncated") for each in page[:-1]] == [None] * (len(page) - 1)
        if not page[-1].get("listTruncated"):
            break
    assert seen == names[::-1]


def test_a_search_with_many_long_results_says_how_many_have_no_place(person: Person, cortex: Cortex, script: str) -> None:
    for number in range(20):
        name = opened(cortex, agent=f"a{number}", metadata={"notes": text(script, 2_500)})
        say(cortex, name, f"needle {text(script, 1_500)}", tail=0)
    seen: set[str] = set()
    while True:
        answer = carried(person, "conversations:search", query="needle", filters={"limit": 100, "offset": len(seen)})
        seen |= {each["conversation"]["conversationId"] for each in answer["results"]}
        if "moreResults" not in answer:
            break
    assert len(seen) == 20


def test_what_is_deleted_at_once_is_told_in_one_answer_however_long_its_ids_are(house: House, person: Person) -> None:
    cortex = backend(house)
    ids = [f"{number:03}{'春' * 197}" for number in range(60)]
    for each in ids:
        opened(cortex, conversationId=each)
    done = cortex.delete_many(userId="alice", confirmationThreshold=100)
    assert (done["deleted"], cortex.count()) == (60, 0)
    assert 10 < len(done["conversationIds"]) < 60


# Rooms ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gateway(model: ScriptedModel) -> Gateway:
    return Gateway(model)


def pages(person: Person, path: str, **args: Any) -> Iterator[list[Any]]:
    """The pages of a room's messages, newest page first."""
    before: dict[str, Any] = {}
    while True:
        page = carried(person, path, **args, **before)
        yield page["data"]
        if "before" not in page["meta"]:
            return
        before = {"before": page["meta"]["before"]}


def test_a_room_of_long_messages_opens_at_every_function(gateway: Gateway, script: str) -> None:
    bot = Socket(gateway.agent("bot", history=20), "s1")
    room = {"conversationId": room_of(bot)}
    first = bot.send(f"0 {text(script, 9_900)}")["message"]["messageId"]
    for number in range(1, 14):
        bot.send(f"{number} {text(script, 9_900)}", parentId=first)
    for path, more in (
        ("history:messages", {"limit": 200}),
        ("history:messages", {"limit": 200, "role": "assistant"}),
        ("history:search", {"limit": 200, "text": text(script, 5)}),
    ):
        seen = [each["content"].split()[0] for page in pages(bot.person, path, **room, **more) for each in reversed(page)]
        assert seen == [str(number) for number in range(13, -1, -1)], path
    thread: list[Any] = []
    while True:
        after = {"after": thread[-1]["sequence"]} if thread else {}
        thread += carried(bot.person, "history:thread", **room, messageId=first, **after)
        if "more" not in thread[-1]:
            break
    assert [each["sequence"] for each in thread] == list(range(1, 15))
    carried(bot.person, "history:statistics", **room)
    carried(bot.person, "feeds:feed", socket=Socket(bot.person, "s2").name)


def test_a_message_of_a_room_that_no_answer_holds_is_cut_and_read_in_parts(gateway: Gateway, script: str) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    room, whole = {"conversationId": room_of(bot)}, text(script, 90_000 if script == "Latin" else 60_000)
    sent = bot.send(whole, toolCalls=[{"input": text(script, 20_000)}])["message"]
    assert weight(sent) <= CARRIED
    (shown,) = carried(bot.person, "history:messages", **room)["data"]
    assert shown["cut"]
    assert whole.startswith(shown["content"])
    assert bot.person.query("history:message", **room, messageId=shown["messageId"])["content"] == whole
    read, place = "", 0
    while place is not None:
        part = carried(bot.person, "history:message", **room, messageId=shown["messageId"], fromCharacter=place)
        read, place = read + part["content"], part.get("nextCharacter")
    assert read == whole


def test_a_list_of_rooms_with_long_texts_goes_on_where_a_page_ended(gateway: Gateway, script: str) -> None:
    alice = gateway.person("alice")
    names = []
    for number in range(24):
        made = alice.mutation("rooms:create", title=text(script, 190), description=text(script, 2_000))
        names.append(made["conversationId"])
        if number % 3 == 0:
            alice.mutation("rooms:close", conversationId=made["conversationId"])
    for status, wanted in ((None, names), ("closed", names[::3])):
        seen: list[str] = []
        more: dict[str, Any] = {} if status is None else {"status": status}
        offset, done = 0, False
        while not done:
            page = carried(alice, "rooms:list", limit=5, offset=offset, **more)
            seen += [each["conversationId"] for each in page["data"]]
            offset, done = page["meta"]["offset"], page["meta"]["isDone"]
        assert seen == wanted[::-1], status


def test_a_list_of_agents_with_long_instructions_opens(gateway: Gateway, script: str) -> None:
    alice = gateway.person("alice")
    for number in range(12):
        gateway.act(alice, "agents:create", id=f"bot{number}", settings={"instruction": text(script, 19_000)})
    listed = carried(alice, "agents:list")
    assert len(listed) == 12
    assert all("instruction" in each["cut"] for each in listed)
    assert carried(alice, "agents:get", agentId="bot3")["instruction"].startswith(text(script, 1_000))


# What shortens ----------------------------------------------------------------------------------------------------------

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(ANY, st.integers(0, 1_000))
def test_a_text_is_cut_to_what_fits_and_not_much_more(whole: str, most: int) -> None:
    kept = text_of(whole, most)
    assert whole.startswith(kept)
    assert weight(kept) <= most or kept == ""
    assert kept == whole or most < 10 or weight(whole[: len(kept) + 40]) > most // 2


@settings(max_examples=50)
@given(ANY, ANY, st.lists(ANY, max_size=5), st.integers(500, 3_000))
def test_a_message_is_shortened_to_what_fits_and_names_what_was_cut(content: str, name: str, calls: list[str], most: int) -> None:
    view = RoomMessage(
        id="m", message_id="m", conversation_id="c", sequence=1, role="user", content=content * 5, type="text", status="sent",
        created_at=1.0, name=name, tool_calls=calls,
    )  # fmt: skip
    told = shortened(view, most)
    assert weight(told) <= most
    changed = {field for field in ("content", "name", "tool_calls") if getattr(told, field) != getattr(view, field)}
    assert {"toolCalls" if each == "tool_calls" else each for each in changed} == set(told.cut or ())
    assert (told.cut is None) == (weight(view) <= most)


def test_the_budget_leaves_room_for_the_envelope() -> None:
    assert ANSWER_BYTES + 8 * 1024 < CARRIED
