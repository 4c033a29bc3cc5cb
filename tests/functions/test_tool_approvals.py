"""Tools of the model's own replies, where somebody is asked first: nothing is used before a decision, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.domain.replies.tool_use import MOST_CALLS
from chalicelib.functions import runs
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person, pass_by
from tests.functions.machines import house_of, refused
from tests.functions.mutants import TOOLS
from tests.functions.test_chat import messages
from tests.support.tool_server import ToolServer


class Talk:
    """A house, a server of tools that is asked about, and alice, whose conversation uses it."""

    def __init__(self, model: ScriptedModel, server: ToolServer, approval: Any = "always", **settings: Any) -> None:
        self.house, self.server = house_of(model, mcp_hosts=(server.origin,), **settings), server
        self.alice = self.house.person("alice")
        config = {"mcpServers": {"tools": {"url": server.url, "requireApproval": approval}}}
        record = self.alice.mutation("images:create", config=config)["record"]
        self.image, self.session = record["imageId"], record["sessionId"]

    def say(self, text: str = '/use tools__find {"words": "a bridge"}') -> None:
        """Send a message, and let everything run that follows."""
        self.alice.mutation("images:send", imageId=self.image, content=text)
        self.house.work()

    def open(self) -> list[Any]:
        """What waits for alice's decision."""
        return list(self.alice.query("permissions:waiting"))

    def decide(self, option: str = "once", work: bool = True) -> Any:
        """Answer the first request."""
        told = self.alice.mutation("permissions:decide", requestId=self.open()[0]["requestId"], optionId=option)
        if work:
            self.house.work()
        return told

    def reply(self) -> Any:
        """The newest reply."""
        return messages(self.alice, self.session)[-1]

    def run(self) -> Any:
        """The newest reply's run id."""
        return f"run-{self.reply()['messageId'].removeprefix('msg-')}"


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with ToolServer() as running:
        yield running


@pytest.fixture
def talk(model: ScriptedModel, server: ToolServer) -> Talk:
    return Talk(model, server)


def test_a_tool_is_used_when_it_was_allowed_and_the_reply_goes_on_with_its_answer(talk: Talk) -> None:
    talk.say()
    assert talk.server.calls == [], "nothing is used before a decision"
    (request,) = talk.open()
    assert (request["tool"], request["input"], request["title"]) == ("find", {"words": "a bridge"}, "find of tools")
    assert not talk.reply()["completed"]
    talk.decide()
    assert talk.server.calls == [("find", "a bridge")]
    reply = talk.reply()
    call, result, text = reply["parts"]
    assert (call["type"], call["name"], call["server"], call["input"]) == ("tool_call", "find", "tools", {"words": "a bridge"})
    assert (result["type"], result["id"], result["isError"]) == ("tool_result", call["id"], False)
    assert result["content"] == [{"type": "text", "text": "found a bridge"}]
    assert reply["content"] == text["text"] == "The tool answered: found a bridge"
    assert (reply["status"], talk.house.rows("parkedReplies")) == ("completed", 0)
    assert "mcp_servers" not in talk.house.model.requests[-1].body, "the provider is not told of the server"


def test_what_a_reply_has_cost_is_counted_over_all_its_turns(talk: Talk) -> None:
    talk.say()
    talk.decide()
    usage = talk.reply()["usage"]
    one, other = talk.house.model.requests[-2:]
    assert usage["outputTokens"] > 0
    assert other.body["max_tokens"] < one.body["max_tokens"]


def test_a_denied_tool_is_not_used_and_the_model_is_told(talk: Talk) -> None:
    talk.say()
    talk.decide("deny")
    reply = talk.reply()
    assert (talk.server.calls, reply["status"]) == ([], "completed")
    assert reply["parts"][1]["isError"]
    assert "has not allowed" in reply["content"]


def test_a_tool_that_nobody_decides_about_is_denied_by_its_time(model: ScriptedModel, server: ToolServer) -> None:
    talk = Talk(model, server, permission_minutes=1)
    talk.say()
    pass_by(talk.house, 61_000)
    talk.house.work()
    assert (talk.server.calls, talk.reply()["status"], talk.open()) == ([], "completed", [])
    assert "in time" in talk.reply()["content"]


def test_what_is_allowed_for_the_session_is_not_asked_again_in_it_and_is_in_others(talk: Talk) -> None:
    talk.say()
    talk.decide("always")
    talk.say('/use tools__find {"words": "a ferry"}')
    assert (talk.open(), [each[1] for each in talk.server.calls]) == ([], ["a bridge", "a ferry"])
    talk.say('/use tools__note {"text": "x"}')
    assert [each["tool"] for each in talk.open()] == ["note"], "another tool is another question"
    other = talk.alice.mutation("images:create", config=talk_config(talk))["record"]
    talk.alice.mutation("images:send", imageId=other["imageId"], content='/use tools__find {"words": "a ferry"}')
    talk.house.work()
    assert sorted(each["tool"] for each in talk.open()) == ["find", "note"]


def talk_config(talk: Talk) -> dict[str, Any]:
    """The configuration of a conversation like this one."""
    return {"mcpServers": {"tools": {"url": talk.server.url, "requireApproval": "always"}}}


def test_only_the_tools_of_a_list_are_asked_about(model: ScriptedModel, server: ToolServer) -> None:
    talk = Talk(model, server, approval=["note"])
    talk.say('/use tools__find {"words": "a bridge"}\n/use tools__note {"text": "seen"}')
    assert (talk.server.calls, [each["tool"] for each in talk.open()]) == ([("find", "a bridge")], ["note"])
    talk.decide()
    assert talk.server.calls[1:] == [("note", "seen")]
    assert [each["type"] for each in talk.reply()["parts"]][:4] == ["tool_call", "tool_result"] * 2


def test_exactly_one_decision_counts(talk: Talk) -> None:
    talk.say()
    request = talk.open()[0]["requestId"]
    talk.decide("deny", work=False)
    assert refused(talk.alice.mutation, "permissions:decide", requestId=request, optionId="once") == "AlreadyDecided"
    talk.house.work()
    assert talk.server.calls == []


@pytest.mark.parametrize("who", [("bob", "acme"), ("alice", "north")])
def test_nobody_else_decides(talk: Talk, who: tuple[str, str]) -> None:
    talk.say()
    other = talk.house.person(*who)
    request = talk.open()[0]["requestId"]
    assert refused(other.mutation, "permissions:decide", requestId=request, optionId="once") == "PermissionNotFound"
    talk.house.work()
    assert (talk.server.calls, other.query("permissions:waiting")) == ([], [])


@pytest.mark.parametrize("ending", ["stop", "end", "delete"])
def test_a_reply_that_waits_can_be_stopped_and_its_tool_is_never_used(talk: Talk, ending: str) -> None:
    talk.say("/think hm\n" + '/use tools__find {"words": "a bridge"}')
    request = talk.open()[0]["requestId"]
    match ending:
        case "stop":
            talk.alice.mutation("chat:stop", sessionId=talk.session)
        case "end":
            talk.alice.mutation("chat:endSession", sessionId=talk.session)
        case "delete":
            talk.alice.mutation("conversations:delete", conversationId=conversation_of(talk))
    talk.house.work()
    answer = refused(talk.alice.mutation, "permissions:decide", requestId=request, optionId="once")
    assert answer in ("AlreadyDecided", "PermissionNotFound")
    pass_by(talk.house, 700_000)
    talk.house.sweep()
    talk.house.work()
    assert (talk.server.calls, talk.open(), talk.house.rows("parkedReplies")) == ([], [], 0)
    if ending != "delete":
        assert talk.reply()["status"] == "aborted"
    else:
        assert talk.house.rows("permissionRequests") == 0


def conversation_of(talk: Talk) -> str:
    """The conversation's id."""
    return str(talk.alice.query("images:get", imageId=talk.image)["conversationId"])


def test_a_reply_that_waits_burns_nothing_and_is_not_taken_for_dead(talk: Talk) -> None:
    talk.say()
    asked = len(talk.house.model.requests)
    for _ in range(5):
        pass_by(talk.house, 100_000)
        talk.house.sweep()
        assert talk.house.work() == 0, "nobody waits in a process"
    assert len(talk.open()) == 1
    talk.decide()
    assert (talk.reply()["status"], len(talk.house.model.requests)) == ("completed", asked + 1)


def test_a_server_that_is_started_again_leaves_what_waits_and_goes_on_with_what_was_decided(talk: Talk) -> None:
    talk.say()
    executor = talk.house.backend.executor
    executor.call("acme", runs.interrupt, run_id=talk.run(), dead=True)  # what a start does with each run that was written
    talk.house.work()
    assert (len(talk.open()), talk.server.calls) == (1, [])
    talk.decide(work=False)
    talk.house.later.asked.clear()  # the process died with what it had been asked to start
    executor.call("acme", runs.interrupt, run_id=talk.run(), dead=True)
    talk.house.work()
    assert (talk.server.calls, talk.reply()["status"]) == ([("find", "a bridge")], "completed")


def test_a_writer_that_was_never_started_is_started_by_the_sweep(talk: Talk) -> None:
    talk.say()
    talk.decide(work=False)
    talk.house.later.asked.clear()
    pass_by(talk.house, 20_000)
    talk.house.sweep()
    talk.house.work()
    assert (talk.server.calls, talk.reply()["status"]) == ([("find", "a bridge")], "completed")


def test_two_writers_that_are_started_use_the_tool_once(talk: Talk) -> None:
    talk.say()
    talk.decide(work=False)
    talk.house.later.asked += [each for each in talk.house.later.asked if each[0] == "generate"] * 2
    talk.house.work()
    assert (talk.server.calls, talk.reply()["status"]) == ([("find", "a bridge")], "completed")


def test_a_writer_that_dies_after_the_decision_leaves_the_text_and_nobody_uses_the_tool_again(talk: Talk) -> None:
    talk.say()
    talk.decide(work=False)
    talk.house.later.asked.clear()
    assert talk.house.backend.executor.call("acme", runs.go_on, run_id=talk.run()) is not None  # and it died here
    pass_by(talk.house, 61_000)
    talk.house.sweep()
    talk.house.work()
    talk.house.sweep()
    talk.house.work()
    assert (talk.server.calls, talk.reply()["status"]) == ([], "interrupted")
    assert talk.reply()["parts"][0]["type"] == "tool_call"


def a_writer_that_has_parked_changes_nothing(talk: Talk) -> None:
    """A writer whose parking was committed and that goes on all the same, because it never heard the answer."""
    talk.say()
    ended = {"epoch": 1, "state": "failed", "content": "", "reason": "writer_error"}
    assert talk.house.backend.executor.call("acme", runs.end, run_id=talk.run(), **ended) is False
    talk.decide()
    assert talk.reply()["status"] == "completed"


def test_a_writer_that_has_parked_a_reply_changes_nothing_of_it(talk: Talk) -> None:
    a_writer_that_has_parked_changes_nothing(talk)


CAUGHT_BY: dict[str, Callable[[Talk], None]] = {
    "a tool waits for its decision": test_a_tool_is_used_when_it_was_allowed_and_the_reply_goes_on_with_its_answer,
    "a decision is looked at": test_a_denied_tool_is_not_used_and_the_model_is_told,
    "one writer goes on": test_two_writers_that_are_started_use_the_tool_once,
    "the first decision counts": test_exactly_one_decision_counts,
    "what waits is not taken for dead": test_a_server_that_is_started_again_leaves_what_waits_and_goes_on_with_what_was_decided,
    "who has parked a reply writes no more of it": a_writer_that_has_parked_changes_nothing,
}


@pytest.mark.parametrize("step", TOOLS)
def test_it_is_broken_without(step: str, talk: Talk) -> None:
    """Each step has a test that fails when it is switched off."""
    with TOOLS[step](), pytest.raises((AssertionError, pytest.fail.Exception)):
        CAUGHT_BY[step](talk)


def test_a_model_that_insists_on_what_was_denied_is_ended(talk: Talk) -> None:
    talk.say('/use tools__find {"words": "a bridge"}\n/insist')
    for _ in range(3):
        talk.decide("deny")
    assert (talk.open(), talk.reply()["status"], talk.reply()["reason"]) == ([], "failed", "permission_denied")


def test_a_tool_that_fails_is_told_to_the_model_as_it_is(talk: Talk) -> None:
    talk.say("/use tools__broken")
    talk.decide()
    assert talk.reply()["content"].startswith("The tool failed: Error executing tool broken")
    talk.say('/use tools__large {"size": 300000}')
    talk.decide()
    assert "more than 100000 bytes" in talk.reply()["content"]


def test_a_server_that_is_gone_by_the_time_of_the_decision_is_told_to_the_model(model: ScriptedModel) -> None:
    with ToolServer() as server:
        talk = Talk(model, server)
        talk.say()
    talk.decide()
    assert "cannot be reached" in talk.reply()["content"]
    assert talk.reply()["status"] == "completed"
    talk.say()
    assert (talk.reply()["status"], talk.reply()["reason"]) == ("failed", "mcp_error"), "its tools cannot be offered any more"


def test_a_call_that_nobody_can_be_shown_is_not_used(talk: Talk) -> None:
    talk.say('/use tools__find {"words": "' + "é" * 9000 + '"}')
    assert (talk.open(), talk.server.calls) == ([], [])
    assert "Nobody can be asked" in talk.reply()["content"]


def test_as_many_calls_as_a_turn_may_have_are_asked_about_at_once_and_used_when_all_are_decided(talk: Talk) -> None:
    talk.say("/use tools__broken")
    talk.decide("deny")
    talk.say()
    request = talk.open()[0]
    executor, run = talk.house.backend.executor, talk.run()
    kept = executor.call("acme", runs.go_on, run_id=run)
    assert kept is None, "it waits"
    talk.alice.mutation("permissions:decide", requestId=request["requestId"], optionId="once")
    talk.house.later.asked.clear()
    kept = executor.call("acme", runs.go_on, run_id=run)
    asked = [
        {"tool_call_id": f"t{number}", "tool": "find", "title": "find of tools", "input": {}, "grant": f"g{number}"}
        for number in range(MOST_CALLS)
    ]
    mine = {"run_id": run, "epoch": kept["epoch"], "step": kept["step"]}
    found = executor.call("acme", runs.park, **mine, asked=asked, kept=kept["kept"], usage={})
    assert set(found.values()) == {"open"}
    assert len(talk.open()) == MOST_CALLS
    for _ in range(MOST_CALLS - 1):
        talk.decide()
        assert talk.server.calls == [], "all are decided before one is used"
    talk.decide()
    assert talk.server.calls == [("find", "a bridge")]


def test_an_operator_may_have_every_tool_asked_about(model: ScriptedModel, server: ToolServer) -> None:
    talk = Talk(model, server, approval=["nothing"], mcp_require_approval="always")
    talk.say()
    assert [each["tool"] for each in talk.open()] == ["find"]


def test_a_token_goes_to_its_server_and_nowhere_else(model: ScriptedModel, server: ToolServer) -> None:
    talk = Talk(model, server, mcp_secrets={"FIND": "sk-find"})
    config = {"mcpServers": {"tools": {"url": server.url, "requireApproval": "always", "authorization": {"secret": "FIND"}}}}
    record = talk.alice.mutation("images:create", config=config)["record"]
    talk.image, talk.session = record["imageId"], record["sessionId"]
    talk.say()
    talk.decide()
    assert {each.get("authorization") for each in server.headers if each.get("content-length")} == {"Bearer sk-find"}
    assert talk.reply()["status"] == "completed"
    assert all("sk-find" not in str(request.body) for request in talk.house.model.requests)


def _config(**server: Any) -> dict[str, Any]:
    return {"mcpServers": {"tools": server}}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (_config(url="http://127.0.0.1:9/mcp", requireApproval="always"), "mcpServers.tools.url"),
        (_config(url="http://169.254.169.254/mcp", requireApproval="always"), "mcpServers.tools.url"),
        (_config(url="https://tools.example/mcp", requireApproval="sometimes"), "mcpServers.tools.requireApproval"),
        (_config(url="https://tools.example/mcp", requireApproval=[""]), "mcpServers.tools.requireApproval"),
        (_config(url="https://tools.example/mcp", requireApproval={"always": []}), "mcpServers.tools.requireApproval"),
        (_config(command="uvx", requireApproval="always"), "mcpServers.tools.requireApproval"),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_field(model: ScriptedModel, config: dict[str, Any], field: str) -> None:
    alice: Person = House(model, mcp_hosts=("*",), mcp_commands=("uvx",)).person("alice")
    with pytest.raises(Exception, match="mcpServers") as caught:
        alice.mutation("images:create", config=config)
    assert caught.value.data["field"] == field  # type: ignore[attr-defined]


def test_an_origin_of_a_laptop_is_not_for_the_provider(model: ScriptedModel, server: ToolServer) -> None:
    alice = House(model, mcp_hosts=(server.origin,)).person("alice")
    assert refused(alice.mutation, "images:create", config=_config(url=server.url)) == "MCP_CONFIG_INVALID"
