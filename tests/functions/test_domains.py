"""Domains and their conversations ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.replies.titles import TITLE_CHARS, auto_title
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person, Refusal
from tests.functions.test_chat import messages, send


def refused(tag: str, person: Person, kind: str, path: str, **args: object) -> Refusal:
    with pytest.raises(Refusal) as told:
        getattr(person, kind)(path, **args)
    assert told.value.tag == tag, str(told.value)
    return told.value


def domain(person: Person, **more: object) -> str:
    return str(
        person.mutation("domains:create", **{"name": "Support", "systemPrompt": "Answer as a pirate.", **more})["domainId"]
    )


def asked_with(house: House) -> str:
    """The instruction of the model's last request."""
    return "".join(each["text"] for each in house.model.requests[-1].body["system"])


def test_a_domain_is_a_container_and_has_no_image_of_its_own(house: House) -> None:
    """The deferred step."""
    alice = house.person("alice")
    domain(alice)
    assert (house.rows("images"), house.rows("conversations"), house.rows("domains")) == (0, 0, 1)


def test_each_conversation_of_a_domain_has_an_image_and_a_session_of_its_own(house: House) -> None:
    """Ids in their formats, one to one to one, and no agent anywhere."""
    alice = house.person("alice")
    support = domain(alice)
    made = [alice.mutation("domains:startConversation", domainId=support, title=f"Case {number}") for number in range(3)]
    assert len({each["imageId"] for each in made}) == len({each["sessionId"] for each in made}) == 3
    for each in made:
        assert each["imageId"].startswith("img_")
        assert each["sessionId"].startswith("sess_")
        assert each["conversationId"].startswith("conv-")
        assert "agentId" not in each
        record = alice.query("images:get", imageId=each["imageId"])
        assert (record["containerId"], record["sessionId"]) == (f"domain_{support}", each["sessionId"])
    assert house.rows("images") == house.rows("chatSessions") == house.rows("conversations") == 3


def test_the_configuration_is_copied_and_a_later_change_of_the_domain_reaches_new_conversations_only(house: House) -> None:
    """What the model is told is the image's."""
    alice = house.person("alice")
    support = domain(alice)
    old = alice.mutation("domains:startConversation", domainId=support)
    alice.mutation("domains:update", domainId=support, systemPrompt="Answer as a sailor.", model="other-model")
    new = alice.mutation("domains:startConversation", domainId=support)
    for conversation, voice in ((old, "pirate"), (new, "sailor"), (old, "pirate")):
        alice.mutation("images:send", imageId=conversation["imageId"], content="/say aye")
        house.work()
        assert voice in asked_with(house)
    assert house.model.requests[-2].body["model"] == "other-model"
    alice.mutation("domains:delete", domainId=support)
    alice.mutation("images:send", imageId=old["imageId"], content="/say still here")
    house.work()
    assert messages(alice, old["sessionId"])[-1]["content"].strip() == "still here"


def test_messages_of_two_conversations_are_apart(house: House) -> None:
    alice = house.person("alice")
    support = domain(alice)
    one, two = (alice.mutation("domains:startConversation", domainId=support)["imageId"] for _ in range(2))
    for image in (one, two, one):
        sent = alice.mutation("images:send", imageId=image, content=f"/say answer for {image}")
        assert sent["imageId"] == image
        house.work()
        assert alice.query("images:messages", imageId=image)[-1]["messageId"] == sent["messageId"], "U23: the engine's own id"
    for image, other, count in ((one, two, 4), (two, one, 2)):
        log = alice.query("images:messages", imageId=image)
        assert len(log) == count
        assert not any(other in each["content"] for each in log)


def test_what_an_image_is_given_goes_before_its_domain(house: House) -> None:
    """`image_create_request` with `containerId` and `config`."""
    alice = house.person("alice")
    config = {"name": "A title", "systemPrompt": "Answer as a cook.", "customData": {"ticket": [1, {"a": None}]}}
    record = alice.mutation("images:create", containerId=f"domain_{domain(alice)}", config=config)["record"]
    assert (record["name"], record["systemPrompt"], record["customData"]) == (
        "A title",
        "Answer as a cook.",
        {"ticket": [1, {"a": None}]},
    )
    free = alice.mutation("images:create", config={})["record"]
    assert "containerId" not in free
    assert free["systemPrompt"], "an org's default"
    alice.mutation("images:update", imageId=free["imageId"], customData={"n": 1}, name="Named")
    listed = alice.query("images:list")
    assert [(each["name"], each.get("customData")) for each in listed] == [
        ("Named", {"n": 1}),
        ("A title", {"ticket": [1, {"a": None}]}),
    ]


def test_a_conversation_without_a_title_is_named_and_its_first_message_names_it_again(house: House) -> None:
    alice = house.person("alice")
    support = domain(alice)
    made = alice.mutation("domains:startConversation", domainId=support)
    assert made["title"].startswith("Conversation ")
    assert len(made["title"]) == len("Conversation ") + 6
    record = alice.query("images:get", imageId=made["imageId"])
    assert record["description"] == "Conversation in domain Support"
    first = alice.mutation(
        "images:send", imageId=made["imageId"], content="What  is\nthe capital of France, and why is it so?  Tell me"
    )
    assert first["titleGenerated"] is True
    title = alice.query("domains:conversations", domainId=support)["data"][0]["title"]
    assert title == "What is the capital of France, and why is it so?..."
    assert "titleGenerated" not in alice.mutation("images:send", imageId=made["imageId"], content="again")
    titled = alice.mutation("domains:startConversation", domainId=support, title="Chosen")
    assert "titleGenerated" not in alice.mutation("images:send", imageId=titled["imageId"], content="hello")
    assert alice.query("images:get", imageId=titled["imageId"])["name"] == "Chosen"


@given(st.text())
def test_a_made_title_is_one_line_of_fifty_characters_at_most(text: str) -> None:
    title = auto_title(text)
    line = " ".join(text.split())
    assert title
    assert "\n" not in title
    if len(line) <= TITLE_CHARS:
        assert title == (line or "New Chat") or title == line.strip()
    else:
        assert title.endswith("...")
        assert len(title) <= TITLE_CHARS + 3
        assert line.startswith(title[:-3])


def test_a_domains_conversations_come_in_pages_those_that_moved_last_first(house: House) -> None:
    alice = house.person("alice")
    support = domain(alice)
    made = [alice.mutation("domains:startConversation", domainId=support, title=f"{number}") for number in range(25)]
    house.clock.ahead += 1000
    alice.mutation("images:send", imageId=made[3]["imageId"], content="/say moved")
    first = alice.query("domains:conversations", domainId=support)
    assert first["meta"] == {"page": 1, "pageSize": 20, "total": 25, "totalPages": 2}
    assert first["data"][0]["title"] == "3"
    second = alice.query("domains:conversations", domainId=support, page=2)
    assert len(second["data"]) == 5
    assert {each["title"] for each in (*first["data"], *second["data"])} == {str(number) for number in range(25)}
    assert alice.query("domains:conversations", domainId=support, page=3)["data"] == []
    with pytest.raises(Refusal):
        alice.query("domains:conversations", domainId=support, pageSize=101)


def test_a_message_has_one_to_ten_thousand_characters(house: House) -> None:
    alice = house.person("alice")
    image = alice.mutation("images:create")["record"]["imageId"]
    refused("MESSAGE_CONTENT_REQUIRED", alice, "mutation", "images:send", imageId=image, content=" \n")
    refused("MESSAGE_TOO_LONG", alice, "mutation", "images:send", imageId=image, content="x" * 10_001)
    assert alice.mutation("images:send", imageId=image, content="x" * 10_000)["messageId"]


def test_an_abort_keeps_what_was_written_and_needs_no_agents_id(house: House) -> None:
    alice = house.person("alice")
    made = alice.mutation("domains:startConversation", domainId=domain(alice))
    alice.mutation("images:send", imageId=made["imageId"], content="/say hello")
    assert alice.mutation("images:abort", conversationId=made["conversationId"]) is True
    assert alice.mutation("images:interrupt", imageId=made["imageId"]) is False
    assert messages(alice, made["sessionId"])[-1]["status"] == "aborted"


def test_a_deleted_image_goes_with_its_conversation(house: House) -> None:
    """Nothing outside has to work for it."""
    alice = house.person("alice")
    made = alice.mutation("domains:startConversation", domainId=domain(alice))
    assert alice.mutation("images:delete", imageId=made["imageId"])["receiptId"]
    house.work()
    assert alice.query("images:get", imageId=made["imageId"]) is None
    assert (house.rows("images"), house.rows("conversations"), house.rows("domains")) == (0, 0, 1)
    refused("IMAGE_NOT_FOUND", alice, "query", "images:messages", imageId=made["imageId"])


@pytest.mark.parametrize(
    ("servers", "code", "field"),
    [
        ({"promptx": {"url": "https://a.example/mcp"}}, "MCP_NAME_RESERVED", "mcpServers.promptx"),
        ({"Retriever": {"url": "https://a.example/mcp"}}, "MCP_NAME_RESERVED", "mcpServers.Retriever"),
        ({"a b": {"url": "https://a.example/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.a b"),
        ({"x": {}}, "MCP_CONFIG_INVALID", "mcpServers.x"),
        ({"x": {"url": "http://a.example/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://127.0.0.1/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://2130706433/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://0x7f.1/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://[::1]/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://8.8.8.8/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://metadata.google.internal/"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://localhost./mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://user:pass@a.example/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://b.example/mcp"}}, "MCP_CONFIG_INVALID", "mcpServers.x.url"),
        ({"x": {"url": "https://a.example/mcp", "authorization": "token"}}, "MCP_CONFIG_INVALID", "mcpServers.x.authorization"),
        ({"x": {"url": "https://a.example/mcp", "headers": {}}}, "MCP_CONFIG_INVALID", "mcpServers.x.headers"),
        ({"x": {"command": "bash"}}, "MCP_COMMAND_NOT_ALLOWED", "mcpServers.x"),
        ({"x": {"command": "uvx", "args": "no list"}}, "MCP_CONFIG_INVALID", "mcpServers.x.args"),
    ],
)
def test_a_server_of_tools_that_is_not_allowed_is_refused_by_field(
    model: ScriptedModel, servers: dict[str, object], code: str, field: str
) -> None:
    """No private address in any notation."""
    house = House(model, mcp_hosts=("a.example", "*.tools.example"), mcp_commands=("uvx",))
    alice = house.person("alice")
    for call in (
        lambda: alice.mutation("domains:create", name="x", mcpServers=servers),
        lambda: alice.mutation("images:create", config={"mcpServers": servers}),
    ):
        with pytest.raises(Refusal) as told:
            call()
        assert told.value.tag == code, str(told.value)
        assert told.value.data["field"] == field


def test_servers_of_tools_are_shown_with_their_source_and_never_with_a_secret(model: ScriptedModel) -> None:
    house = House(model, mcp_hosts=("*.tools.example",), mcp_commands=("uvx",))
    alice = house.person("alice")
    servers = {
        "search": {"url": "https://search.tools.example/mcp", "authorization": {"secret": "SEARCH_KEY"}},
        "files": {"command": "uvx", "args": ["files"]},
    }
    support = domain(alice, mcpServers=servers, settings={"primaryRoleId": "r1", "subRoleIds": ["r2"], "retrievalTopK": 5})
    image = alice.mutation("domains:startConversation", domainId=support)["imageId"]
    for shown in (alice.query("domains:get", domainId=support), alice.query("images:get", imageId=image)):
        assert shown["mcpServers"] == [
            {"name": "files", "source": "user", "command": "uvx", "args": ["files"]},
            {"name": "search", "source": "user", "url": servers["search"]["url"], "authorization": {"secret": "SEARCH_KEY"}},
        ]
        assert shown["settings"] == {"primaryRoleId": "r1", "subRoleIds": ["r2"], "retrievalTopK": 5}
    alice.mutation("domains:update", domainId=support, mcpServers={})
    assert alice.query("domains:get", domainId=support)["mcpServers"] == []
    assert len(alice.query("images:get", imageId=image)["mcpServers"]) == 2, "a snapshot"


def test_a_session_may_be_started_from_a_domain(house: House) -> None:
    """`chat:startSession` with `domainId`: the same copy."""
    alice = house.person("alice")
    support = domain(alice)
    session = alice.mutation("chat:startSession", domainId=f"domain_{support}")
    send(alice, session, "/say aye")
    house.work()
    assert "pirate" in asked_with(house)
    refused("DOMAIN_NOT_FOUND", house.person("bob"), "mutation", "chat:startSession", domainId=support)
