"""Whatever a model says, its reply goes on or ends at once with its reason, its text and its usage; the chat stays open.

The bytes are the wire's own: the scripted model sends them, the real SDK reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.data import values
from chalicelib.data.errors import LimitExceeded
from chalicelib.data.store import Action, Put, Write
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies.writer import MAX_LENGTH, WRITER_ERROR
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person
from tests.functions.replies import chunks as chunks_of
from tests.functions.replies import stored
from tests.functions.test_chat import send
from tests.functions.test_long_texts_open import read
from tests.support.stores import Around

FRESH = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SERVERS = {"search": {"url": "https://search.tools.example/mcp"}}
FACE = "\N{GRINNING FACE}"
HIGH, LOW = "\ud83d", "\ude00"


@pytest.fixture(scope="module")
def tooled(model: ScriptedModel) -> House:
    return House(model, mcp_hosts=("*.tools.example",))


def opened(house: House) -> tuple[Person, str]:
    """A fresh conversation whose model has a tool."""
    alice = house.person("alice")
    record = alice.mutation("images:create", config={"mcpServers": SERVERS})["record"]
    return alice, str(record["sessionId"])


def answered(house: House, content: str) -> dict[str, Any]:
    """What a reply came to, seen by its reader as a client gets it; it is over now, not in a minute."""
    alice, session = opened(house)
    reply = send(alice, session, content)
    house.work()
    found = alice.query("chat:getMessages", sessionId=session)
    values.dumps(values.encode(found)).encode()
    last: dict[str, Any] = found[-1]
    assert last["completed"], last
    assert last["usage"]["outputTokens"] > 0, last
    if "content" in last.get("cut", []):
        last["content"] = read(alice, "chat:getMessagePart", sessionId=session, messageId=reply)
    assert chunks_of(alice, session, reply) == last["content"]
    return last


def said(*deltas: str) -> str:
    """A message that has the model say these deltas, as JSON escapes them."""
    return f"/deltas {json.dumps(deltas)}"


def joined(text: str) -> str:
    """Halves that stand side by side are one character, a half alone is U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def test_a_face_that_is_cut_in_two_deltas_is_whole(tooled: House) -> None:
    reply = answered(tooled, said("so ", "many " + HIGH, LOW + " faces"))
    assert (reply["status"], reply["content"]) == ("completed", f"so many {FACE} faces")


@pytest.mark.parametrize("half", [HIGH, LOW])
def test_half_a_character_is_replaced_and_the_reply_goes_on(tooled: House, half: str) -> None:
    reply = answered(tooled, said("a " + half, " b ", half))
    assert (reply["status"], reply["content"]) == ("completed", "a \ufffd b \ufffd")


def test_halves_of_a_thought_and_of_a_text_are_not_joined(tooled: House) -> None:
    reply = answered(tooled, f"/thoughts {json.dumps(['I see ' + HIGH])}\n{said(LOW + ' there')}")
    assert (reply["reasoning"], reply["content"]) == ("I see \ufffd", "\ufffd there")


@FRESH
@given(st.lists(st.text(st.sampled_from(["a", "é", "深", FACE, HIGH, LOW]), max_size=5), min_size=1, max_size=12).filter(any))
def test_any_cut_of_any_text_arrives_as_unicode(tooled: House, deltas: list[str]) -> None:
    reply = answered(tooled, said(*deltas, "."))
    assert (reply["status"], reply["content"]) == ("completed", joined("".join(deltas) + "."))


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "asked",
    [
        '{"filter": {"price": {"$gt": 5}}}',
        '{"日本": 1}',
        '{"": 1}',
        '{"n": 1234567890123456789}',
        '{"n": ' + "9" * 400 + "}",
        '{"n": ' + "9" * 5000 + "}",
        '{"n": 1e999}',
        '{"t": "\\ud83d"}',
        '{"\\ud83d": "x"}',
        nested(40),
        nested(1000),
        '{"list": [' + "1," * 2000 + "1]}",
        '{"long key ' + "k" * 2000 + '": 1}',
    ],
    ids=lambda text: text[:24],
)
def test_any_input_of_a_tool_is_kept(tooled: House, asked: str) -> None:
    reply = answered(tooled, f"/tool find {asked}\n/say done")
    call, result, text = reply["parts"]
    assert (reply["status"], reply["content"].strip()) == ("completed", "done")
    assert (call["type"], result["type"], text["type"]) == ("tool_call", "tool_result", "text")
    assert call["name"] == "find"
    assert "input" in call or call["text"].replace(" ", "").startswith(asked.replace(" ", "")[:20])


def test_an_input_that_is_a_value_of_ours_is_kept_as_one(tooled: House) -> None:
    wanted = {"q": "bridge", "n": 2, "deep": {"list": [1, None, True, 0.5]}}
    assert answered(tooled, f"/tool find {json.dumps(wanted)}\n/say done")["parts"][0]["input"] == wanted


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@FRESH
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_any_json_that_a_tool_is_asked_with_is_there_as_a_value_or_as_its_text(tooled: House, asked: dict[str, Any]) -> None:
    call = answered(tooled, f"/tool find {json.dumps(asked)}\n/say done")["parts"][0]
    assert call["input"] == asked if "input" in call else json.loads(call["text"]) == json.loads(joined(json.dumps(asked)))


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": HIGH}],
        [{"type": "json", "json": {"$gt": 1}}],
        [{"type": "json", "json": 10**30}],
        [{"type": "json", "日本": [[[[1]]]]}],
        [{"type": "json", "deep": json.loads(nested(60))}],
    ],
    ids=str,
)
def test_any_answer_of_a_tool_is_kept(tooled: House, content: list[Any]) -> None:
    reply = answered(tooled, f"/tool_says find {json.dumps(content)}\n/say done")
    assert (reply["status"], reply["content"].strip()) == ("completed", "done")
    assert [each["type"] for each in reply["parts"]] == ["tool_call", "tool_result", "text"]


def test_a_paused_turn_with_halves_goes_on(tooled: House) -> None:
    reply = answered(tooled, '/pause\n/tool find {"t": "\\ud83d"}\n/say done')
    assert (reply["status"], reply["content"].strip()) == ("completed", "done")


# When the store does not take it ------------------------------------------------------------------------------------------


class Refusing(Around):
    """A store that refuses writes for good: those of which `refused` says so."""

    refused: Callable[[Sequence[Action]], bool] = staticmethod(lambda actions: False)

    def write(self, write: Write) -> Any:
        """As the port says."""
        self._look([write])
        return self.inner.write(write)

    def transact(self, actions: Sequence[Action]) -> None:
        """As the port says."""
        self._look(actions)
        self.inner.transact(actions)

    def _look(self, actions: Sequence[Action]) -> None:
        if self.refused(actions):
            raise LimitExceeded("it fits nowhere")


def refusing(model: ScriptedModel, refused: Callable[[Sequence[Action]], bool], **fields: Any) -> House:
    """A house whose store refuses these writes."""
    house = House(model, mcp_hosts=("*.tools.example",), **fields)
    store = Refusing(house.store.inner)
    store.refused = refused
    house.store.inner = store
    return house


def puts(actions: Sequence[Action], table: str) -> list[dict[str, Any]]:
    """The items of a table that are written whole."""
    return [each.item for each in actions if isinstance(each, Put) and each.table == table]


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_chunk_that_the_store_refuses_for_good_ends_the_reply_at_once(model: ScriptedModel, last: int) -> None:
    house = refusing(
        model, lambda actions: any(each["sequence"] > last for each in puts(actions, "chatChunks")), chunk_flush_ms=60_000
    )
    reply = answered(house, "/say " + "word " * 900)
    assert (reply["status"], reply["reason"]) == ("failed", WRITER_ERROR)
    assert reply["content"].startswith("word")
    again = answered(house, "/say hi") if last else reply
    assert again["completed"]


def test_an_end_that_fits_no_document_keeps_the_text(model: ScriptedModel) -> None:
    """A store refuses the message as soon as it has parts or a thought."""
    house = refusing(model, lambda actions: "reasoning" in str(actions) and "hm" in str(actions))
    reply = answered(house, '/think hm\n/tool find {"q": 1}\n/say the answer')
    assert (reply["status"], reply["reason"], reply["content"].strip()) == ("failed", WRITER_ERROR, "the answer")


def test_a_prompt_that_cannot_be_read_ends_the_reply_at_once(house: House) -> None:
    """An older entry of the log is a document that its table does not allow."""
    alice, session = house.person("alice"), house.person("alice").mutation("chat:startSession")
    send(alice, session, "/say one")
    house.work()
    conversation = stored(house, "chatSessions", session)["conversation"]
    (item,) = [
        each
        for each in house.store.inner.scan("chatMessages").items
        if each["sequence"] == 1 and each["conversation"] == conversation
    ]
    house.store.inner.write(Put("chatMessages", {**item, "content": 7}))
    reply = send(alice, session, "/say two")
    house.work()
    run = stored(house, "runs", reply.replace("msg-", "run-"))
    assert (run["state"], run["reason"]) == ("failed", WRITER_ERROR)


@pytest.mark.parametrize("tool", ["", '/tool find {"q": 1}\n'], ids=["text", "with a tool"])
@pytest.mark.parametrize("letter", ["x", "深", FACE])
def test_a_text_of_any_length_ends_where_its_message_is_full(model: ScriptedModel, letter: str, tool: str) -> None:
    house = House(model, chunk_flush_ms=60_000, mcp_hosts=("*.tools.example",))
    reply = answered(house, f"{tool}/repeat 900 {letter * 500}")
    assert (reply["status"], reply["reason"]) == ("completed", MAX_LENGTH)
    assert set(reply["content"]) == {letter}
    assert lifecycle.LARGEST_TEXT - 4 <= len(reply["content"].encode()) * (2 if tool else 1) <= lifecycle.LARGEST_TEXT


@pytest.mark.parametrize(
    ("asked", "shown"), [({"$gt": 5}, '{"$gt": 5}'), ({"日本": "東京"}, '{"日本": "東京"}')], ids=["$", "日本"]
)
def test_a_chat_that_holds_such_an_input_already_opens(house: House, asked: dict[str, Any], shown: str) -> None:
    """It was stored before writers looked at it."""
    alice, session = house.person("alice"), str(house.person("alice").mutation("chat:startSession"))
    reply = send(alice, session, "/say found")
    house.work()
    part = {"type": "tool_call", "id": "t", "name": "find", "server": "s", "input": {"filter": {"price": asked}}}
    for table, field in (("chatMessages", {"parts": [part]}), ("chatChunks", {"part": part})):
        (item,) = [each for each in house.store.inner.scan(table).items if reply in (each["_id"], each.get("messageId"))][:1]
        house.store.inner.write(Put(table, {**item, **field}))
    last = alice.query("chat:getMessages", sessionId=session)[-1]
    assert (last["content"].strip(), last["parts"][0]["input"]) == ("found", {"filter": {"price": shown}})
    assert chunks_of(alice, session, reply)
    send(alice, session, "/say again")
    house.work()
    assert alice.query("chat:getMessages", sessionId=session)[-1]["content"].strip() == "again"
