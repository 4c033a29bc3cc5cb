"""What a send may say beside its words, and what tools did in a reply that was ended: through functions, the SDK and the wire."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest

from chalicelib.data.tables import all_specs
from infra.local.model.server import Pace, ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.functions.conftest import House, Person, Refusal
from tests.functions.test_chat import messages

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 30).decode()
IMAGE = f"data:image/png;base64,{PNG}"
SERVERS = {"search": {"url": "https://search.tools.example/mcp", "authorization": {"secret": "SEARCH"}}}


def told(house: House) -> dict[str, Any]:
    """The body of the last request that reached the model."""
    body: dict[str, Any] = house.model.requests[-1].body
    return body


def send(alice: Person, session: str, content: str = "/say ok", **args: Any) -> None:
    alice.mutation("chat:sendMessage", sessionId=session, content=content, **args)
    alice.house.work()


def test_the_options_of_a_send_reach_the_model_for_this_reply_alone(house: House) -> None:
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    send(
        alice,
        session,
        options={"model": "claude-opus-5-5", "thinking": 2000, "providerOptions": {"maxTokens": 4000, "stopSequences": ["END"]}},
    )
    body = told(house)
    assert (body["model"], body["max_tokens"], body["stop_sequences"]) == ("claude-opus-5-5", 4000, ["END"])
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    send(alice, session, options={"thinking": "off", "providerOptions": {"temperature": 0.5, "topK": 3}})
    body = told(house)
    assert (body["thinking"], body["temperature"], body["top_k"]) == ({"type": "disabled"}, 0.5, 3)
    send(alice, session)
    assert not {"thinking", "temperature", "top_k", "stop_sequences"} & told(house).keys()
    assert told(house)["model"] != "claude-opus-5-5"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"thinking": 20_000}, "thinking"),
        ({"thinking": "adaptive", "providerOptions": {"temperature": 0.1}}, "providerOptions.temperature"),
        ({"images": ["https://a.example/x.png"]}, "images[0]"),
        ({"images": [IMAGE, "data:image/svg+xml;base64,PHN2Zz4="]}, "images[1]"),
        ({"images": ["data:image/jpeg;base64," + PNG]}, "images[0]"),
        ({"images": ["data:image/png;base64," + "A" * 5]}, "images[0]"),
        ({"images": ["data:image/png;base64," + "A" * 250_000]}, "images[0]"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name_and_nothing_is_written(house: House, options: Any, field: str) -> None:
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    with pytest.raises(Refusal) as refused:
        send(alice, session, options=options)
    assert (refused.value.tag, refused.value.data["field"]) == ("INVALID_OPTIONS", f"options.{field}")
    assert messages(alice, session) == []


@pytest.mark.parametrize(
    "options", [{"system": "x"}, {"providerOptions": {"metadata": {}}}, {"thinking": 5}, {"thinking": "yes"}]
)
def test_there_are_no_other_options(house: House, options: Any) -> None:
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    with pytest.raises(Refusal, match=r"options"):
        send(alice, session, options=options)


def test_the_same_key_with_other_options_is_another_send(house: House) -> None:
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    send(alice, session, clientKey="k", options={"thinking": "off"})
    send(alice, session, clientKey="k", options={"thinking": "off"})
    assert len(messages(alice, session)) == 2
    with pytest.raises(Refusal) as refused:
        send(alice, session, clientKey="k")
    assert refused.value.tag == "ClientKeyReused"


def test_an_image_is_shown_to_the_model_and_again_in_the_next_turn(house: House) -> None:
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    send(alice, session, "/say a dot", options={"images": [IMAGE]})
    shown = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    assert told(house)["messages"][0]["content"][0] == shown
    question = messages(alice, session)[0]
    assert question["parts"] == [{"type": "image", "mediaType": "image/png", "bytes": len(PNG) * 3 // 4}]
    assert PNG not in json.dumps(messages(alice, session)), "who watches a conversation is not sent the image"
    send(alice, session, "/say still a dot")
    assert [block["type"] for block in told(house)["messages"][0]["content"]] == ["image", "text"]


def test_where_a_worker_answers_there_are_no_options_of_the_model(house: House) -> None:
    alice = house.person("alice")
    session = alice.mutation("chat:startSession", workerId="w1")
    with pytest.raises(Refusal) as refused:
        send(alice, session, "look", options={"images": [IMAGE]})
    assert refused.value.tag == "INVALID_OPTIONS"


def test_the_adapter_takes_images_and_options(house: House) -> None:
    alice = house.person("alice")
    task = alice.mutation("tasks:create", title="look")
    options = {"images": [IMAGE], "thinking": "off", "permissionMode": "plan"}
    begun = alice.mutation("adapter:startConversation", taskId=task["taskId"], message="/say a dot", options=options)
    house.work()
    assert (told(house)["thinking"], told(house)["messages"][0]["content"][0]["type"]) == ({"type": "disabled"}, "image")
    assert messages(alice, begun["sessionId"])[-1]["status"] == "completed"


# What tools did ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tools(model: ScriptedModel) -> House:
    return House(
        model,
        mcp_hosts=("*.tools.example",),
        mcp_secrets={"SEARCH": "sk-x", "RETRIEVER": "sk-system"},
        mcp_system={
            "retriever": {"url": "https://retriever.example/mcp", "authorization": {"secret": "RETRIEVER"}},
            "search": {"url": "https://built-in.example/mcp?v=1"},
        },
    )


def opened(alice: Person, **config: Any) -> tuple[str, str]:
    record = alice.mutation("images:create", **{"config": {"mcpServers": SERVERS}, **config})["record"]
    return record["imageId"], record["sessionId"]


def test_thoughts_tools_and_text_are_parts_in_their_order_over_all_turns(tools: House) -> None:
    alice = tools.person("alice")
    image, session = opened(alice)
    words = '/pause\n/think first\n/tool find {"q": 1}\n/tool_error read no such page\n/say done'
    alice.mutation("images:send", imageId=image, content=words)
    tools.work()
    reply = messages(alice, session)[-1]
    assert [part["type"] for part in reply["parts"]] == [
        "thinking",
        "tool_call",
        "tool_result",
        "tool_call",
        "tool_result",
        "text",
    ]
    assert [part.get("isError") for part in reply["parts"]][2:5:2] == [False, True]
    assert (reply["content"], reply["reasoning"], reply["status"]) == ("done", "first", "completed")
    assert reply["usage"]["outputTokens"] > 3


def test_a_watcher_is_told_of_a_tool_while_the_reply_is_written_and_a_stop_keeps_what_it_did() -> None:
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=0, first_token_s=0)) as model:
        house = House(model, mcp_hosts=("*",), mcp_secrets={"SEARCH": "sk-x"})
        alice = house.person("alice")
        image, session = opened(alice)
        sent = alice.mutation("images:send", imageId=image, content="/tool find x\n/fail stall 4\n/say one two three four five")
        writing = threading.Thread(target=house.work)
        writing.start()
        chunks: list[dict[str, Any]] = []
        while "two" not in "".join(each["chunk"] for each in chunks):
            assert writing.is_alive()
            chunks = alice.query("chat:subscribeToChunks", sessionId=session, messageId=sent["messageId"])
        assert [each["part"]["type"] for each in chunks if "part" in each] == ["tool_call", "tool_result"]
        assert alice.mutation("images:interrupt", imageId=image) is True
        writing.join(10)
        house.work()
        reply = messages(alice, session)[-1]
        assert (reply["status"], reply["content"]) == ("aborted", "one two")
        assert [part["type"] for part in reply["parts"]] == ["tool_call", "tool_result", "text"]


def test_a_reply_that_fails_keeps_what_tools_did(tools: House) -> None:
    alice = tools.person("alice")
    image, session = opened(alice)
    alice.mutation("images:send", imageId=image, content="/tool find x\n/fail midstream 3\n/say one two three")
    tools.work()
    reply = messages(alice, session)[-1]
    assert (reply["status"], reply["reason"]) == ("failed", "overloaded")
    assert [part["type"] for part in reply["parts"]] == ["tool_call", "tool_result", "text"]


def test_a_host_that_the_operator_allows_no_longer_is_not_reached(model: ScriptedModel) -> None:
    """An image is older than the setting; what it names is looked at when the model is asked, too."""
    store = SqliteStore(":memory:", all_specs())
    before = House(model, store=store, mcp_hosts=("*.tools.example",), mcp_secrets={"SEARCH": "sk-x"})
    image, _ = opened(before.person("alice"))
    after = House(model, store=store, mcp_hosts=("other.example",), mcp_secrets={"SEARCH": "sk-x"})
    alice = after.person("alice")
    assert len(alice.query("images:get", imageId=image)["mcpServers"]) == len(SERVERS), "the snapshot stays"
    assert alice.query("images:tools", imageId=image) == []
    alice.mutation("images:send", imageId=image, content="/say hello")
    after.work()
    assert "mcp_servers" not in told(after)


# The operator's servers -------------------------------------------------------------------------------------------------


def test_the_operators_servers_are_shown_with_their_source_and_reach_the_model(tools: House) -> None:
    alice = tools.person("alice")
    domain = alice.mutation("domains:create", name="d", settings={"retrievalTopK": 5, "subRoleIds": ["a", "b"]})
    image, _ = opened(alice, containerId=domain["domainId"], config={})
    assert [(each["name"], each["source"]) for each in alice.query("images:tools", imageId=image)] == [
        ("retriever", "system"),
        ("search", "built-in"),
    ]
    alice.mutation("images:send", imageId=image, content="/say ok")
    tools.work()
    asked = "retrievalTopK=5&subRoleIds=a&subRoleIds=b"
    assert {each["name"]: each["url"] for each in told(tools)["mcp_servers"]} == {
        "retriever": f"https://retriever.example/mcp?{asked}",
        "search": f"https://built-in.example/mcp?v=1&{asked}",
    }
    assert "retriever.example" not in json.dumps(alice.query("images:tools", imageId=image)), "where they are is not told"
    own, _ = opened(alice)
    assert [(each["name"], each["source"]) for each in alice.query("images:tools", imageId=own)] == [
        ("retriever", "system"),
        ("search", "user"),
    ]
    alice.mutation("images:send", imageId=own, content="/say ok")
    tools.work()
    assert {each["name"]: each["url"] for each in told(tools)["mcp_servers"]}["search"] == SERVERS["search"]["url"]
    assert tools.person("bob").query("images:tools", imageId=own) == []


def test_a_reply_ends_after_the_time_that_the_operator_allows(model: ScriptedModel) -> None:
    house = House(model, generation_timeout_s=1)
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    send(alice, session, "/pace 20\nwrite 5000 characters")
    reply = messages(alice, session)[-1]
    assert (reply["status"], reply["reason"]) == ("failed", "deadline")
    assert 1 < len(reply["content"]) < 1000
