"""Agents: credentials, suspension, who reaches them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.runtime.registry import load
from infra.local.model.server import ScriptedModel
from tests.functions import strangers
from tests.functions.conftest import Person, Refusal
from tests.functions.rooms import Gateway, Socket, refused, room_of


@pytest.fixture
def gateway(model: ScriptedModel) -> Gateway:
    return Gateway(model)


# Credentials -----------------------------------------------------------------------------------------------------------


def test_a_suspended_agent_is_refused_and_its_sockets_end(gateway: Gateway) -> None:
    alice = gateway.person("alice")
    bot = Socket(gateway.agent("bot"), "s1")
    alice.mutation("agents:suspend", agentId="bot")
    assert bot.person.query("feeds:feed", socket="s1")["close"] == "The agent is suspended."
    refused("AgentSuspended", bot.send, "x")
    refused("AgentSuspended", gateway.act, alice, "agents:connect", agentId="bot")
    alice.mutation("agents:activate", agentId="bot")
    assert bot.send("x")["message"]["content"] == "x"


WITHOUT_A_CALLER = {"agents:connect", "feeds:feed", "workers:enrol", "workers:token"}
"""What proves itself otherwise, or says that it is closed."""
FOR_WORKERS = {"permissions:ask", "permissions:pending", "sync:apply", "sync:plan", "workers:goOffline", "workers:heartbeat"}
FOR_WORKERS |= {"work:assigned", "work:claim", "work:fail", "work:renew", "work:sessions", "workers:leave"}
"""What a worker's own token opens, and no other: also a suspended agent is told no more than that."""
NOTHING = {
    None,
    "AgentNotFound",
    "CONVERSATION_NOT_FOUND",
    "EMPTY_ARRAY",
    "INVALID_ARRAY_LENGTH",
    "INVALID_FILTER",
    "MISSING_FILTER",
    "MISSING_REQUIRED_FIELD",
    "INVALID_PARTICIPANTS",
    "FORBIDDEN",
}
"""What anybody is told who names what is not there, or asks for nonsense."""


def test_a_suspended_agents_token_opens_no_function_at_all(gateway: Gateway) -> None:
    """Asked of every public function that there is, so that a new one is covered by itself."""
    alice, bot = gateway.person("alice"), gateway.agent("bot")
    session = bot.mutation("chat:startSession")
    alice.mutation("agents:suspend", agentId="bot")
    refused("AgentSuspended", bot.query, "chat:getSession", sessionId=session)
    refused("AgentSuspended", bot.mutation, "chat:sendMessage", sessionId=session, content="x")
    asked, opened = 0, list[Any]()
    for function in load(("chalicelib.functions",)):
        if not function.public or function.path in WITHOUT_A_CALLER:
            continue
        call = bot.action if function.kind == "action" else bot.mutation if function.kind == "mutation" else bot.query
        try:
            answer = call(function.path, **strangers.made_up(function))
        except Refusal as told:
            answer = told.tag
        if function.path in FOR_WORKERS:
            assert answer == "Unauthorized", function.path
        elif answer != "AgentSuspended" and (not isinstance(answer, str | None) or answer not in NOTHING):
            opened.append((function.path, answer))
        asked += answer == "AgentSuspended"
    assert opened == []
    assert asked > 40


def test_a_secret_connects_without_another_token_until_it_is_renewed(gateway: Gateway) -> None:
    """Shown once, stored nowhere."""
    alice, nobody = gateway.person("alice"), gateway.anybody()
    secret = gateway.act(alice, "agents:create", id="bot")["secret"]
    token = gateway.act(nobody, "agents:connect", agentId="bot", secret=secret)
    assert (token["expiresIn"], token["tokenType"]) == (86400, "Bearer")
    bot = Person(gateway, gateway.own.verify(token["accessToken"]))
    assert (bot.user.org, bot.query("agents:get", agentId="bot")["owner"]) == ("acme", "alice")  # type: ignore[union-attr]
    renewed = gateway.act(alice, "agents:regenerate", agentId="bot")["secret"]
    refused("BadCredentials", gateway.act, nobody, "agents:connect", agentId="bot", secret=secret)
    refused("Unauthorized", bot.query, "rooms:list")
    assert gateway.act(nobody, "agents:connect", agentId="bot", secret=renewed)
    refused("BadCredentials", gateway.act, nobody, "agents:connect", agentId="other", secret=renewed)
    for wrong in ("nonsense", token["accessToken"], ""):
        refused("InvalidToken", gateway.act, nobody, "agents:connect", agentId="bot", secret=wrong)


def test_a_secret_is_no_identity_on_any_other_door(gateway: Gateway) -> None:
    secret = gateway.act(gateway.person("alice"), "agents:create", id="bot")["secret"]
    with pytest.raises(Exception, match="aud"):
        gateway.own.verify(secret)


def test_disconnecting_an_agent_ends_its_tokens_and_keeps_its_secret(gateway: Gateway) -> None:
    alice = gateway.person("alice")
    bot = Socket(gateway.agent("bot"), "s1")
    alice.mutation("agents:disconnect", agentId="bot")
    assert "connect again" in bot.person.query("feeds:feed", socket="s1")["close"]
    assert Socket(gateway.connected("bot", alice), "s2").ready["conversationId"] == room_of(bot)


def test_only_its_owner_and_itself_reach_an_agent(gateway: Gateway) -> None:
    bot = gateway.agent("bot")
    assert bot.mutation("agents:heartbeat", agentId="bot", status="busy", metrics={"load": 0.5})
    assert gateway.person("alice").query("agents:get", agentId="bot")["health"] == "busy"
    for stranger in (gateway.person("bob"), gateway.person("alice", "other"), gateway.agent("spy", "bob")):
        assert stranger.query("agents:get", agentId="bot") is None
        for path in ("heartbeat", "disconnect", "suspend", "activate"):
            refused("AgentNotFound", stranger.mutation, f"agents:{path}", agentId="bot")
        refused("AgentNotFound", gateway.act, stranger, "agents:connect", agentId="bot")
        refused("AgentNotFound", gateway.act, stranger, "agents:regenerate", agentId="bot")
    refused("AgentNotFound", bot.mutation, "agents:suspend", agentId="bot")
    refused("AgentExists", gateway.act, gateway.person("bob"), "agents:create", id="bot")


# Limits ----------------------------------------------------------------------------------------------------------------


def test_a_user_has_so_many_agents_as_the_operator_says(model: ScriptedModel) -> None:
    gateway = Gateway(model, agents_per_user=2)
    for name in ("one", "two"):
        gateway.agent(name)
    told = refused("TooManyAgents", gateway.agent, "three")
    assert told.data["limit"] == 2
    gateway.agent("theirs", owner="bob")
    gateway.agent("elsewhere", org="other")


def test_a_user_and_an_agent_have_so_many_sockets_as_the_operator_says(model: ScriptedModel) -> None:
    gateway = Gateway(model, sockets_per_user=2)
    for person in (gateway.agent("bot"), gateway.person("alice")):
        first, _ = Socket(person, f"{person.user.subject}-1"), Socket(person, f"{person.user.subject}-2")  # type: ignore[union-attr]
        assert refused("TooManySockets", Socket, person, "third").data["limit"] == 2
        first.ended()
        Socket(person, f"{person.user.subject}-3")  # type: ignore[union-attr]


def test_an_agent_has_so_many_conversations_of_its_own_as_the_operator_says(model: ScriptedModel) -> None:
    gateway = Gateway(model, conversations_per_agent=2)
    bot = Socket(gateway.agent("bot", multiConversation=True), "s1").person
    bot.mutation("rooms:create", title="Second")
    assert refused("TooManyConversations", bot.mutation, "rooms:create", title="Third").data["limit"] == 2
    backend = gateway.person("backend", "acme", ("service",))
    pair = {"type": "agent-agent", "participants": {"agentIds": ["x", "y"]}}
    for _ in range(2):
        backend.mutation("conversations:create", **pair)
    refused("TooManyConversations", backend.mutation, "conversations:create", **pair)
    backend.mutation("conversations:create", type="agent-agent", participants={"agentIds": ["z", "x"]})


def test_an_owner_reads_all_of_its_agents_a_page_at_a_time(gateway: Gateway) -> None:
    alice = gateway.person("alice")
    for number in range(130):
        gateway.act(alice, "agents:create", id=f"bot{number}")
    seen = [each["agentId"] for offset in (0, 100) for each in alice.query("agents:list", offset=offset)]
    assert seen == [f"bot{number}" for number in reversed(range(130))]
