"""On both stores: one conversation is one image and one session, made together from a copy of a domain."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chalicelib.data.store import Action, Put
from chalicelib.data.tables import all_specs
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.replies.titles import auto_title
from chalicelib.schema import ChatSession, Conversation, Image
from tests.acceptance.conftest import pass_by
from tests.functions.conftest import House, Person
from tests.functions.replies import mortal
from tests.functions.test_chat import messages
from tests.functions.test_domains import asked_with, domain, refused
from tests.support.writing import Died, at_chunk

TRIPLE = {"conversations", "images", "chatSessions"}
Open = Callable[[Person, str], str]


def from_domain(alice: Person, support: str) -> str:
    return str(alice.mutation("domains:startConversation", domainId=support, title="Case")["imageId"])


def by_request(alice: Person, support: str) -> str:
    config = {"name": "Case"}
    return str(alice.mutation("images:create", containerId=f"domain_{support}", config=config)["record"]["imageId"])


def of_session(alice: Person, support: str) -> str:
    session = alice.mutation("chat:startSession", domainId=support)
    return str(alice.query("chat:getSession", sessionId=session)["imageId"])


every_way = pytest.mark.parametrize("opening", [from_domain, by_request, of_session], ids=lambda way: way.__name__)


def count(house: House, table: str) -> int:
    """Documents of a table, whichever store."""
    page = house.store.inner.scan(table, None, 100)
    assert not page.more
    return len(page.items)


@every_way
def test_a_conversation_its_image_and_its_session_are_one_commit(house: House, opening: Open) -> None:
    """000-01, 25, U01: no other write of the call touches any of the three."""
    alice = house.person("alice")
    support = domain(alice)
    commits: list[set[str]] = []
    watched = mortal(house)

    def look(actions: Sequence[Action]) -> None:
        commits.append({each.table for each in actions if isinstance(each, Put)} & TRIPLE)

    watched.before = look
    opening(alice, support)
    assert [each for each in commits if each] == [TRIPLE]
    assert [count(house, table) for table in sorted(TRIPLE)] == [1, 1, 1]


@every_way
@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_any_write_leaves_all_three_or_none(house: House, opening: Open, after: bool) -> None:
    """000-01, U01: atomic."""
    alice = house.person("alice")
    support = domain(alice)
    alive = house.store.inner
    at, died, whole = 0, True, set[bool]()
    while died:
        at += 1
        before = [count(house, table) for table in sorted(TRIPLE)]
        watched = mortal(house)
        watched.die_at, watched.after = at, after
        died = False
        try:
            opening(alice, support)
        except Died:
            died = True
        house.store.inner = alive
        grown = {count(house, table) - was for table, was in zip(sorted(TRIPLE), before, strict=True)}
        assert len(grown) == 1, grown
        whole.add(grown == {1})
    assert at > 1
    assert whole == {False, True}


@every_way
def test_ids_have_their_formats_and_an_agents_is_stored_nowhere(house: House, opening: Open) -> None:
    """000-04, 06…10: container, image and session are in the database; an agent's handle is in none of its items."""
    alice = house.person("alice")
    support = domain(alice)
    image = opening(alice, support)
    record = alice.query("images:get", imageId=image)
    assert (record["containerId"], record["imageId"][:4], record["sessionId"][:5]) == (f"domain_{support}", "img_", "sess_")
    sent = alice.mutation("images:send", imageId=image, content="/say hello")
    handle = f"agent_{sent['messageId'].removeprefix('msg-')}"
    house.work()
    items = [item for spec in all_specs() for item in house.store.inner.scan(spec.name, None, 500).items]
    stored = json.dumps(items, default=repr)
    assert image in stored
    assert handle not in stored
    (conversation,) = house.store.inner.scan("conversations", None, 10).items
    assert conversation["imageId"] == image
    assert "agentId" not in conversation


def test_an_image_has_one_conversation_and_one_session_for_ever(house: House) -> None:
    """000-01, U01, U05: a second one of the same image is refused whole, whatever would make it."""
    alice = house.person("alice")
    image = alice.mutation("images:create")["record"]

    def again(run: Any) -> str:
        from chalicelib import MutationCtx
        from chalicelib.runtime.contexts import caller_of
        from chalicelib.runtime.identity import service

        ctx = MutationCtx(caller_of(service("acme")), run.log, run.db, run.now, run.jobs)
        open_conversation(ctx, "alice", responder="model", image_id=image["imageId"])
        return "null"

    with pytest.raises(Exception, match="there is already a document"):
        house.backend.executor.transact("acme", "test:again", again)
    assert [count(house, table) for table in sorted(TRIPLE)] == [1, 1, 1]
    assert alice.query("images:get", imageId=image["imageId"]) == image


def test_every_field_of_the_configuration_is_copied_and_then_the_images_own(house: House) -> None:
    """000-02, 13, 14, 15, U02, E02: a snapshot of all of it; what the request names goes before it."""
    house.backend.executor.limits["mcp_hosts"] = ("*.tools.example",)
    alice = house.person("alice")
    first = {
        "name": "Support",
        "systemPrompt": "Answer as a pirate.",
        "model": "model-one",
        "mcpServers": {"search": {"url": "https://one.tools.example/mcp"}},
        "settings": {"primaryRoleId": "r1", "retrievalTopK": 3, "retrievalThreshold": 0.5},
    }
    support = alice.mutation("domains:create", **first)["domainId"]
    old = by_request(alice, support)
    before = alice.query("images:get", imageId=old)
    assert (before["systemPrompt"], before["model"], before["settings"]) == (
        "Answer as a pirate.",
        "model-one",
        first["settings"],
    )
    assert [each["url"] for each in before["mcpServers"]] == ["https://one.tools.example/mcp"]
    assert before["metadata"] == {"model": "model-one", "provider": "anthropic"}
    second = {"systemPrompt": "Answer as a sailor.", "model": "model-two", "settings": {"primaryRoleId": "r2"}}
    servers = {"search": {"url": "https://two.tools.example/mcp"}}
    alice.mutation("domains:update", domainId=support, mcpServers=servers, **second)
    assert alice.query("images:get", imageId=old) == before
    new = alice.query("images:get", imageId=by_request(alice, support))
    assert (new["systemPrompt"], new["model"], new["settings"]) == (
        "Answer as a sailor.",
        "model-two",
        {"primaryRoleId": "r2"},
    )
    for image, voice in ((old, "pirate"), (new["imageId"], "sailor")):
        alice.mutation("images:send", imageId=image, content="/say aye")
        house.work()
        assert voice in asked_with(house)


def test_a_domain_is_a_container_and_makes_no_image_whatever_is_done_to_it(house: House) -> None:
    """000-23, 24: the deferred clean-up, done."""
    alice = house.person("alice")
    support = domain(alice)
    alice.mutation("domains:update", domainId=support, systemPrompt="Other.", name="Other")
    alice.query("domains:get", domainId=support)
    alice.query("domains:conversations", domainId=support)
    assert [count(house, table) for table in ("domains", *sorted(TRIPLE))] == [1, 0, 0, 0]
    alice.mutation("domains:delete", domainId=support)
    assert [count(house, table) for table in ("domains", *sorted(TRIPLE))] == [0, 0, 0, 0]


def test_a_conversation_is_named_by_chance_and_described_by_its_domain(house: House) -> None:
    """000-U07: `Conversation ` and six characters, another six each time."""
    alice = house.person("alice")
    support = domain(alice)
    names = {alice.mutation("domains:startConversation", domainId=support)["title"] for _ in range(5)}
    assert len(names) == 5
    assert all(each.startswith("Conversation ") and len(each) == 19 and each[13:].isalnum() for each in names)
    for each in alice.query("images:list", containerId=f"domain_{support}"):
        assert each["description"] == "Conversation in domain Support"


@pytest.mark.parametrize("moment", ["at rest", "while it is written", "after it failed"])
def test_a_conversation_is_deleted_with_its_image_whatever_the_model_does(house: House, moment: str) -> None:
    """000-U11: nothing outside has to work for it."""
    alice = house.person("alice")
    image = from_domain(alice, domain(alice))
    record = alice.query("images:get", imageId=image)
    remove = lambda: alice.mutation("conversations:delete", conversationId=record["conversationId"])  # noqa: E731
    if moment == "at rest":
        remove()
    elif moment == "after it failed":
        alice.mutation("images:send", imageId=image, content="/fail unauthorized\nhello")
        house.work()
        remove()
    else:
        alice.mutation("images:send", imageId=image, content="/say " + "word " * 700)
        with at_chunk(house.backend, 2, remove):
            house.work()
    for _ in range(3):
        pass_by(house)
    assert alice.query("images:get", imageId=image) is None
    refused("IMAGE_NOT_FOUND", alice, "query", "images:messages", imageId=image)
    assert [count(house, table) for table in sorted(TRIPLE)] == [0, 0, 0]
    assert count(house, "runs") == 0


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("x" * 50, "x" * 50),
        ("x" * 51, "x" * 50 + "..."),
        ("x" * 30 + " " + "y" * 30, "x" * 30 + " " + "y" * 19 + "..."),
        ("x" * 31 + " " + "y" * 30, "x" * 31 + "..."),
        ("one two three four five six seven eight nine ten eleven", "one two three four five six seven eight nine ten..."),
        ("  two\n lines  ", "two lines"),
    ],
)
def test_a_title_is_the_first_message_cut_at_a_word_past_sixty_percent(house: House, text: str, title: str) -> None:
    """000-U14, by the image and over the chat door; the answer says that it gave one, once."""
    assert auto_title(text) == title
    alice = house.person("alice")
    support = domain(alice)
    for send in (
        lambda made: alice.mutation("images:send", imageId=made["imageId"], content=text),
        lambda made: alice.mutation("rooms:send", conversationId=made["conversationId"], content=text),
    ):
        made = alice.mutation("domains:startConversation", domainId=support)
        assert send(made)["titleGenerated"] is True
        assert "titleGenerated" not in send(made)
        assert alice.query("images:get", imageId=made["imageId"])["name"] == title
        titles = {each["imageId"]: each["title"] for each in alice.query("domains:conversations", domainId=support)["data"]}
        assert titles[made["imageId"]] == title


def test_custom_data_comes_back_as_it_was_whatever_it_is(house: House) -> None:
    """000-E02, E07 (12): made with it, changed, listed."""
    alice = house.person("alice")
    for data in ({"ticket": [1, {"a": None}], "of": "😀"}, [1, 2], "text", 5, False):
        record = alice.mutation("images:create", config={"customData": data})["record"]
        assert record["customData"] == data
        assert next(each for each in alice.query("images:list") if each["imageId"] == record["imageId"])["customData"] == data
        changed = alice.mutation("images:update", imageId=record["imageId"], customData={"was": data})
        assert changed["customData"] == {"was": data}
    refused("CustomDataTooLarge", alice, "mutation", "images:create", config={"customData": "x" * 17_000})


def test_documents_of_an_image_name_each_other(house: House) -> None:
    """000-03, 04: the column is `imageId`, in the conversation and in the session."""
    alice = house.person("alice")
    record = alice.mutation("images:create")["record"]

    def look(run: Any) -> str:
        image = run.db.get(Image, record["imageId"])
        conversation = run.db.get(Conversation, image.conversation)
        session = run.db.get(ChatSession, record["sessionId"])
        assert (conversation.image_id, session.image_id) == (image.id, image.id)
        assert (conversation.session_id, session.conversation) == (session.id, conversation.id)
        return "null"

    house.backend.executor.transact("acme", "test:look", look)
    alice.mutation("images:send", imageId=record["imageId"], content="/say x")
    house.work()
    assert len(messages(alice, record["sessionId"])) == 2
