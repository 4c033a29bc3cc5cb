"""Nobody borrows another's voice: every function that takes a role, by enumeration, through every door (check 22)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import inspect

from chalicelib.runtime.registry import Function, load
from infra.local.model.server import ScriptedModel
from tests.functions.strangers import DOORS, Scene, made_up, naming, with_names

REFUSALS = ("ROLE_NOT_ALLOWED", "RoleNotAllowed", "ArgumentValidationError", "INVALID")
FORGED = ("system", "assistant", "tool", "agent")


def role_of(function: Function[..., Any]) -> str | None:
    """Where a mutation's arguments name a role: `role`, or `message.role`."""
    info = inspect.type_info(function.args)
    assert isinstance(info, inspect.StructType)
    for each in info.fields:
        if each.encode_name == "role" and function.kind == "mutation":
            return "role"
        if isinstance(each.type, inspect.StructType) and any(one.encode_name == "role" for one in each.type.fields):
            return f"{each.encode_name}.role"
    return None


SPEAKING = {function.path: function for function in load(("chalicelib.functions",)) if function.public and role_of(function)}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", SPEAKING)
def test_a_user_writes_as_a_user_only(path: str, door: str, model: ScriptedModel) -> None:
    scene, function = Scene.set(model), SPEAKING[path]
    role = role_of(function)
    assert role is not None
    own = scene.own("bob@acme")
    args = with_names(made_up(function), {name: own[name] for name in naming(function)})
    bob = scene.house.person_of("bob@acme")
    before = bob.query("conversations:get", conversationId=own["conversationId"])["messages"]
    for forged in FORGED:
        told = DOORS[door](scene, "bob@acme", function, with_names(args, {role: forged}))
        assert "ROLE_NOT_ALLOWED" in told or "RoleNotAllowed" in told or "ArgumentValidationError" in told or "INVALID" in told, (
            told
        )
    assert bob.query("conversations:get", conversationId=own["conversationId"])["messages"] == before
    DOORS[door](scene, "bob@acme", function, with_names(args, {role: "user"}))
    said = bob.query("conversations:get", conversationId=own["conversationId"])["messages"]
    assert [each["role"] for each in said] == [*(each["role"] for each in before), "user"]


def test_there_are_functions_that_take_a_role() -> None:
    assert {"conversations:addMessage", "rooms:send"} <= SPEAKING.keys()


def test_the_writer_of_a_reply_is_not_its_reader(model: ScriptedModel) -> None:
    """The doors of 004 take no role: a user's message is a user's, and only the session's worker writes the reply."""
    scene = Scene.set(model)
    session, reply = scene.real["sessionId"][1], scene.house.person("alice")
    running = next(each for each in reply.query("chat:getMessages", sessionId=session) if each["role"] == "assistant")
    write = {"sessionId": session, "messageId": running["messageId"]}
    for path, args in (("chat:writeChunk", {"chunk": "x", "sequence": 0}), ("chat:completeMessage", {"content": "x"})):
        function = scene.house.backend.registry.get(path)
        for door in DOORS.values():
            assert "Session not found" in door(scene, "alice@acme", function, {**write, **args})
    send = scene.house.backend.registry.get("chat:sendMessage")
    told = DOORS["executor"](scene, "alice@acme", send, {"sessionId": session, "content": "x", "role": "system"})
    assert "ArgumentValidationError" in told
