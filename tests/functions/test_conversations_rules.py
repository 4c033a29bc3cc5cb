"""Lists and counts, who sees what, refusals by code, and what an append costs (invariant 9)."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functions.conftest import House
from tests.support.conversations import Cortex, Failed, backend, fill, member, opened, say


@pytest.fixture
def cortex(house: House) -> Cortex:
    return backend(house)


def ids(found: list[Any]) -> list[str]:
    return [each["conversationId"] for each in found]


# Lists --------------------------------------------------------------------------------------------------------


@pytest.fixture
def five(house: House, cortex: Cortex) -> Cortex:
    """c0 … c4, created a second apart; c0 has most messages and was written to last."""
    for number in range(5):
        house.clock.ahead += 1_000
        opened(cortex, "u", f"a{number}", conversationId=f"c{number}")
    for number in reversed(range(5)):
        for _ in range(5 - number):
            house.clock.ahead += 1_000
            say(cortex, f"c{number}", "text", tail=0)
    return cortex


def test_lists_are_newest_first_and_turn_around(five: Cortex) -> None:
    assert ids(five.list()) == ["c4", "c3", "c2", "c1", "c0"]
    assert ids(five.list(sortOrder="asc")) == ["c0", "c1", "c2", "c3", "c4"]


@pytest.mark.parametrize("sort_by", ["updatedAt", "lastMessageAt", "messageCount"])
@pytest.mark.parametrize("args", [{}, {"userId": "u"}])
def test_lists_are_sorted_by_what_is_asked(five: Cortex, sort_by: str, args: dict[str, str]) -> None:
    assert ids(five.list(sortBy=sort_by, **args)) == ["c0", "c1", "c2", "c3", "c4"]
    assert ids(five.list(sortBy=sort_by, sortOrder="asc", limit=2, **args)) == ["c4", "c3"]
    assert ids(five.list(sortBy=sort_by, limit=2, offset=1, **args)) == ["c1", "c2"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(3, ["c2"]), ({"min": 4}, ["c1", "c0"]), ({"max": 2}, ["c4", "c3"]), ({"min": 2, "max": 3}, ["c3", "c2"])],
)
def test_lists_are_narrowed_by_the_number_of_messages(five: Cortex, count: Any, expected: list[str]) -> None:
    assert ids(five.list(messageCount=count)) == expected


def test_lists_are_narrowed_by_times_and_walk_on_by_them(five: Cortex) -> None:
    created = {each["conversationId"]: each["createdAt"] for each in five.list()}
    updated = {each["conversationId"]: each["updatedAt"] for each in five.list()}
    assert ids(five.list(createdAfter=created["c1"], createdBefore=created["c4"])) == ["c3", "c2"]
    assert ids(five.list(updatedAfter=updated["c2"])) == ["c1", "c0"]
    assert ids(five.list(userId="u", sortBy="updatedAt", updatedBefore=updated["c2"])) == ["c3", "c4"]
    seen, before = [], {}
    while page := five.list(limit=2, **before):
        seen += ids(page)
        before = {"createdBefore": page[-1]["createdAt"]}
    assert seen == ["c4", "c3", "c2", "c1", "c0"]


def test_a_participant_is_found_whatever_it_is(five: Cortex) -> None:
    five.create(conversationId="room", type="agent-agent", participants={"agentIds": ["a1", "u"]})
    assert ids(five.list(participantId="a1")) == ["room", "c1"]
    assert ids(five.list(participantId="u", limit=2)) == ["room", "c4"]
    assert ids(five.list(participantId="u", type="agent-agent")) == ["room"]


def test_a_list_brings_messages_when_asked_as_far_as_96_kb_go(cortex: Cortex) -> None:
    for number in range(4):
        conversation = opened(cortex, agent=f"a{number}")
        for _ in range(5):
            say(cortex, conversation, "x" * 9_000, tail=0)
    shown = cortex.list(includeMessages=True)
    assert [len(each["messages"]) for each in shown] == [2, 2, 3, 3]
    assert all(each["messagesTruncated"] for each in shown)
    assert [(each["messages"], each["messagesTruncated"]) for each in cortex.list()] == [([], True)] * 4


def test_more_than_400_candidates_are_refused_and_not_silently_cut(cortex: Cortex) -> None:
    for number in range(401):
        opened(cortex, f"u{number % 2}", "a")
    with pytest.raises(Failed, match="FILTER_TOO_BROAD"):
        cortex.list(sortBy="messageCount")
    assert len(cortex.list(limit=500, includeMessages=False)) == cortex.count() == 401
    assert len(cortex.list(userId="u1", sortBy="messageCount", limit=500, includeMessages=False)) == 200


def test_counts_agree_with_lists_whatever_happens(house: House) -> None:
    """Any sequence of creations, messages and deletions, for every filter and every caller."""
    rng, cortex = random.Random(3), backend(house)
    users, agents, alive = ["u1", "u2"], ["a1", "a2", "a3"], list[str]()
    for step in range(80):
        match rng.choice(["user-agent", "agent-agent", "delete", "get-or-create", "say"]):
            case "user-agent":
                alive.append(opened(cortex, rng.choice(users), rng.choice(agents)))
            case "agent-agent":
                who = {"agentIds": rng.sample(agents, 2)}
                alive.append(cortex.create(type="agent-agent", participants=who)["conversationId"])
            case "get-or-create":
                who = {"userId": rng.choice(users), "agentId": rng.choice(agents)}
                alive.append(cortex.get_or_create(type="user-agent", participants=who)["conversationId"])
            case "delete" if alive:
                gone = rng.choice(alive)
                cortex.delete(conversationId=gone)
                alive = [each for each in alive if each != gone]
            case "say" if alive:
                say(cortex, rng.choice(alive), f"step {step}", tail=0)
    assert cortex.count() == len(set(alive)) == len(cortex.list())
    callers = [cortex, *(member(house, user) for user in users), *(member(house, agent, role="agent") for agent in agents)]
    for caller in callers:
        for kind in ({}, {"type": "user-agent"}, {"type": "agent-agent"}):
            for user in ({}, *({"userId": user} for user in users)):
                for agent in ({}, *({"agentId": agent} for agent in agents)):
                    filters = {**kind, **user, **agent}
                    found = caller.list(**filters)
                    assert caller.count(**filters) == len(found), filters
                    for each in found:
                        assert each["type"] == filters.get("type", each["type"])
                        named = each["participants"]
                        assert named.get("userId") == filters.get("userId", named.get("userId"))
                        everyone = [named.get("agentId"), *named.get("agentIds", [])]
                        assert filters.get("agentId", everyone[0] or everyone[1]) in everyone


def test_counts_agree_after_concurrent_creations_and_deletions(cortex: Cortex) -> None:
    def come_and_go(number: int) -> None:
        conversation = opened(cortex, f"u{number % 3}", "a")
        say(cortex, conversation, "text", tail=0)
        if number % 2:
            cortex.delete(conversationId=conversation)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(come_and_go, range(40)))
    assert cortex.count() == len(cortex.list()) == 20
    assert sum(cortex.count(userId=f"u{number}") for number in range(3)) == 20
    assert cortex.count(agentId="a") == 20


# Who sees what (invariant 9) --------------------------------------------------------------------------------------------

READS: list[tuple[str, dict[str, Any]]] = [
    ("get", {}),
    ("get_message", {"messageId": "own"}),
    ("get_messages_by_ids", {"messageIds": ["own"]}),
    ("get_history", {}),
    ("add_message", {"message": {"role": "user", "content": "x"}}),
    ("add_message", {"message": {"role": "user", "content": "secret", "id": "own"}}),
    ("delete", {}),
]


@pytest.mark.parametrize(
    "stranger", [("bob", "acme", ""), ("alice", "other", ""), ("alice", "acme", "agent"), ("backend", "x", "service")]
)
def test_a_stranger_gets_the_answer_for_a_random_id(house: House, stranger: tuple[str, str, str]) -> None:
    name = opened(member(house, "alice"), conversationId="conv-real")
    say(member(house, "alice"), name, "secret", id="own")
    other = member(house, *stranger)
    for path, args in READS:
        answers = []
        for target in (name, "conv-random"):
            try:
                answers.append(getattr(other, path)(conversationId=target, **args))
            except Failed as refused:
                answers.append((refused.data, str(refused).replace(str(refused).split("]")[0], "")))
        assert answers[0] == answers[1], path
    assert (other.list(), other.count()) == ([], 0)
    assert other.list(userId="alice") == other.list(agentId="helper") == other.list(participantId="alice") == []
    assert other.search(query="secret")["results"] == []
    assert other.export(format="json")["data"] == "[]"
    assert other.find_conversation(type="user-agent", participants={"userId": "alice", "agentId": "helper"}) is None
    assert member(house, "alice").get(conversationId=name)["messageCount"] == 1


def test_the_same_chosen_id_in_two_orgs_is_two_conversations(house: House) -> None:
    for org in ("acme", "other"):
        opened(backend(house, org), org, conversationId="the-same")
    assert backend(house, "other").get(conversationId="the-same")["participants"]["userId"] == "other"


def test_nobody_is_told_to_sign_in_or_sees_nothing(house: House) -> None:
    nobody = Cortex.of(house.anybody())
    assert nobody.get(conversationId="x") is None
    assert (nobody.list(), nobody.count()) == ([], 0)
    with pytest.raises(Failed, match="Unauthorized"):
        opened(nobody)
    with pytest.raises(Failed, match="Unauthorized"):
        nobody.delete_many(userId="x")


def test_members_see_their_conversations_and_others_do_not(house: House) -> None:
    alice, bob, helper = member(house, "alice"), member(house, "bob"), member(house, "helper", role="agent")
    mine, theirs = opened(alice), opened(bob, "bob")
    room = helper.create(type="agent-agent", participants={"agentIds": ["helper", "second"]})["conversationId"]
    assert ids(alice.list()) == [mine]
    assert ids(helper.list()) == [room, theirs, mine]
    assert ids(helper.list(userId="bob")) == [theirs]
    assert ids(member(house, "second", role="agent").list()) == [room]
    assert (alice.count(), helper.count(), helper.count(type="agent-agent")) == (1, 3, 1)
    assert alice.list(userId="bob") == []


def test_who_opens_a_conversation_takes_part_in_it(house: House) -> None:
    with pytest.raises(Failed, match="INVALID_PARTICIPANTS"):
        opened(member(house, "alice"), "bob")
    with pytest.raises(Failed, match="INVALID_PARTICIPANTS"):
        member(house, "mallory").get_or_create(type="user-agent", participants={"userId": "bob", "agentId": "helper"})
    with pytest.raises(Failed, match="INVALID_PARTICIPANTS"):
        member(house, "alice").create(type="agent-agent", participants={"agentIds": ["alice", "b"]})


@pytest.mark.parametrize(
    ("caller", "role", "speaker", "allowed"),
    [
        ("alice", "user", None, True),
        ("alice", "agent", None, False),
        ("alice", "system", None, False),
        ("alice", "user", "helper", False),
        ("helper", "agent", None, True),
        ("helper", "agent", "helper", True),
        ("helper", "agent", "another", False),
        ("helper", "user", None, False),
        ("helper", "system", None, False),
        ("backend", "system", None, True),
        ("backend", "agent", "helper", True),
    ],
)
def test_everybody_speaks_in_its_own_voice(house: House, caller: str, role: str, speaker: str | None, allowed: bool) -> None:
    """Check 22."""
    name = opened(member(house, "alice"))
    role_of = {"alice": "", "helper": "agent", "backend": "service"}
    who = member(house, caller, role=role_of[caller])
    more = {} if speaker is None else {"agentId": speaker}
    if allowed:
        (message,) = say(who, name, "hello", role, **more)["messages"]
        assert (message["role"], message.get("agentId")) == (role, "helper" if role == "agent" else None)
    else:
        with pytest.raises(Failed, match="ROLE_NOT_ALLOWED"):
            say(who, name, "hello", role, **more)


def test_what_is_added_here_asks_no_model(house: House) -> None:
    """Check 21."""
    asked = len(house.model.requests)
    say(backend(house), opened(backend(house)), "hello")
    house.work()
    assert len(house.model.requests) == asked


# Refusals by code ---------------------------------------------------------------------------------------------

PAIR = {"userId": "u", "agentId": "a"}
NEW: dict[str, Any] = {"type": "user-agent", "participants": PAIR}


def said(**message: Any) -> dict[str, Any]:
    return {"conversationId": "c", "message": message}


@pytest.mark.parametrize(
    ("path", "args", "code", "field"),
    [
        ("create", {"participants": PAIR}, "MISSING_REQUIRED_FIELD", "type"),
        ("create", {"type": "user-agent"}, "MISSING_REQUIRED_FIELD", "participants"),
        ("create", {**NEW, "type": "group"}, "INVALID_TYPE", "type"),
        ("create", {**NEW, "participants": {**PAIR, "userId": 5}}, "INVALID_FORMAT", "participants.userId"),
        ("create", {**NEW, "participants": {**PAIR, "x": 5}}, "INVALID_PARTICIPANTS", "participants"),
        ("create", {**NEW, "participants": {**PAIR, "userId": ""}}, "INVALID_PARTICIPANTS", "participants"),
        ("create", {**NEW, "participants": {**PAIR, "userId": "  "}}, "INVALID_PARTICIPANTS", "participants"),
        ("create", {**NEW, "conversationId": ""}, "INVALID_ID_FORMAT", "conversationId"),
        ("create", {"type": "agent-agent", "participants": {"agentIds": ["a"]}}, "INVALID_PARTICIPANTS", "participants.agentIds"),
        (
            "find_conversation",
            {"type": "agent-agent", "participants": {"agentIds": ["a"]}},
            "INVALID_ARRAY_LENGTH",
            "participants.agentIds",
        ),
        (
            "find_conversation",
            {"type": "user-agent", "participants": {"agentId": "a"}},
            "MISSING_REQUIRED_FIELD",
            "participants.userId",
        ),
        ("get", {"conversationId": ""}, "MISSING_REQUIRED_FIELD", "conversationId"),
        ("get_history", {"conversationId": " "}, "MISSING_REQUIRED_FIELD", "conversationId"),
        ("delete", {"conversationId": ""}, "MISSING_REQUIRED_FIELD", "conversationId"),
        ("create", {**NEW, "conversationId": "line\nbreak"}, "INVALID_ID_FORMAT", "conversationId"),
        ("create", {**NEW, "conversationId": "x" * 201}, "INVALID_ID_FORMAT", "conversationId"),
        ("create", {**NEW, "metadata": "x" * 20_000}, "METADATA_TOO_LARGE", "metadata"),
        (
            "create",
            {"type": "agent-agent", "participants": {"agentIds": ["a", "a"]}},
            "DUPLICATE_VALUES",
            "participants.agentIds",
        ),
        (
            "create",
            {"type": "agent-agent", "participants": {"agentIds": [str(number) for number in range(21)]}},
            "INVALID_ARRAY_LENGTH",
            "participants.agentIds",
        ),
        ("add_message", {"message": {"role": "user", "content": "x"}}, "MISSING_REQUIRED_FIELD", "conversationId"),
        ("add_message", said(role="user"), "MISSING_REQUIRED_FIELD", "message.content"),
        ("add_message", said(role="robot", content="x"), "INVALID_ROLE", "message.role"),
        ("add_message", said(role="user", content=""), "MISSING_REQUIRED_FIELD", "message.content"),
        ("add_message", said(role="user", content=" \n"), "MISSING_REQUIRED_FIELD", "message.content"),
        ("add_message", said(role="user", content="x", id=""), "INVALID_ID_FORMAT", "message.id"),
        ("add_message", said(role="user", content="x", id="a\nb"), "INVALID_ID_FORMAT", "message.id"),
        ("list", {"limit": 0}, "INVALID_RANGE", "limit"),
        ("list", {"limit": 1001}, "INVALID_RANGE", "limit"),
        ("list", {"offset": -1}, "INVALID_RANGE", "offset"),
        ("list", {"limit": 1.5}, "INVALID_RANGE", "limit"),
        ("list", {"lastMessageAfter": 5, "lastMessageBefore": 5}, "INVALID_DATE_RANGE", "lastMessageAfter"),
        ("get_history", {"conversationId": "c", "roles": ["robot"]}, "INVALID_ROLE", "roles[0]"),
        ("list", {"sortOrder": "up"}, "INVALID_SORT_ORDER", "sortOrder"),
        ("list", {"type": "group"}, "INVALID_TYPE", "type"),
        ("list", {"userId": ""}, "EMPTY_STRING", "userId"),
        ("list", {"createdAfter": 5, "createdBefore": 5}, "INVALID_DATE_RANGE", "createdAfter"),
        ("list", {"messageCount": {"min": 3, "max": 2}}, "INVALID_RANGE", "messageCount"),
        ("list", {"messageCount": {"min": -1}}, "INVALID_RANGE", "messageCount.min"),
        ("get_messages_by_ids", {"conversationId": "c", "messageIds": []}, "EMPTY_ARRAY", "messageIds"),
        ("get_messages_by_ids", {"conversationId": "c", "messageIds": ["a", "a"]}, "DUPLICATE_VALUES", "messageIds"),
        ("delete_by_ids", {"conversationIds": ["x"] * 101}, "INVALID_ARRAY_LENGTH", "conversationIds"),
        ("export", {"format": "xml"}, "INVALID_FORMAT", "format"),
        ("search", {"query": ""}, "EMPTY_STRING", "query"),
    ],
)
def test_a_wrong_argument_is_told_by_code_and_field(cortex: Cortex, path: str, args: Any, code: str, field: str) -> None:
    with pytest.raises(Failed, match=code) as refused:
        getattr(cortex, path)(**args)
    assert (refused.value.data["code"], refused.value.data.get("field")) == (code, field)


@pytest.mark.parametrize("name", ["conv_test-123.special-chars", "ünï çødé 日本", "a|b/c:d#e?f%g", "'; drop table --", "🙂"])
def test_special_characters_in_an_id_are_fine(cortex: Cortex, name: str) -> None:
    opened(cortex, conversationId=name)
    assert cortex.get(conversationId=name)["conversationId"] == name


def test_nothing_is_added_to_a_closed_conversation(house: House) -> None:
    alice, cortex = house.person("alice"), member(house, "alice")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:endSession", sessionId=session)
    (chat,) = cortex.list()
    assert chat["status"] == "closed"
    with pytest.raises(Failed, match="CONVERSATION_NOT_ACTIVE"):
        say(cortex, chat["conversationId"], "too late")


# What it costs ----------------------------------------------------------------------------------------------------------


def spent(house: House, work: Any) -> tuple[dict[str, int], dict[str, float], dict[str, float]]:
    """Requests by verb, and units by table, but for the row of words: of one message in so many it also asks for its tail to be
    moved, which is a unit more and falls to it by its id."""
    house.store.reset()
    work()
    written = dict(house.store.wcu)
    assert written.pop("indexRows") in (2, 3)
    return dict(house.store.requests), written, dict(house.store.rcu)


def test_an_append_costs_the_same_after_ten_thousand_messages(house: House) -> None:
    """To the unit: whether the result shows what it may unasked, or one."""
    cortex = backend(house)
    conversation = opened(cortex)
    text = "a message of an ordinary length, as people write them"
    first = spent(house, lambda: say(cortex, conversation, text))
    for _ in range(9):
        say(cortex, conversation, text, tail=1)
    shown = spent(house, lambda: say(cortex, conversation, text))
    short = spent(house, lambda: say(cortex, conversation, text, tail=1))
    fill(house, conversation, 9_999, text)
    assert say(cortex, conversation, text, tail=0)["messageCount"] == 10_000
    assert spent(house, lambda: say(cortex, conversation, text)) == shown
    assert spent(house, lambda: say(cortex, conversation, text, tail=1)) == short
    assert sum(shown[1].values()) <= 1.1 * sum(first[1].values())
    late = cortex.get(conversationId=conversation)
    assert (late["messageCount"], late["messages"][-1]["sequence"], late["messagesTruncated"]) == (10_002, 10_002, True)
    assert house.store.requests["transact"] == 1
