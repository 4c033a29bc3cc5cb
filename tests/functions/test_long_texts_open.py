"""Whatever is long in whatever script, every list and every message opens: an answer fits a message of a socket, and says what
it has cut; all of it is there, a part at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.data import values
from chalicelib.domain import answer_size
from chalicelib.domain.replies.views import MessageView
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person, Refusal
from tests.functions.tabs import Live
from tests.functions.test_chat import send, start

POST = 128 * 1024
SCRIPTS = {"latin": "x", "chinese": "深", "faces": "\N{GRINNING FACE}", "escaped": "\\", "control": "\x01"}
every_script = pytest.mark.parametrize("letter", SCRIPTS.values(), ids=SCRIPTS)


def answer(person: Person, path: str, **args: Any) -> Any:
    """The value of a query, which fits a post with what stands around it."""
    value = person.query(path, **args)
    assert len(values.dumps(values.encode(value)).encode()) < POST - 8_000
    return value


def read(person: Person, path: str, **args: Any) -> str:
    """A text, a part at a time."""
    text = ""
    offset: int | None = 0
    while offset is not None:
        part = answer(person, path, offset=offset, **args)
        text, offset = text + part["text"], part.get("next")
    assert len(text) == part["length"]
    return text


@every_script
def test_a_chat_of_long_messages_opens_and_pages_to_its_beginning(house: House, letter: str) -> None:
    alice = house.person("alice")
    session = start(alice)
    for number in range(13):
        send(alice, session, f"{number}{letter * 9_900}")
    found: list[Any] = []
    while page := answer(alice, "chat:getMessages", sessionId=session, **({"before": found[0]["sequence"]} if found else {})):
        assert "cut" not in page[0]
        found = [*page, *found]
    assert [each["sequence"] for each in found] == list(range(1, 27))
    image = alice.query("chat:getSession", sessionId=session)["imageId"]
    assert answer(alice, "images:messages", imageId=image, limit=200)[-1]["sequence"] == 26
    pages, cursor = 0, None
    while True:
        page = answer(alice, "chat:listMessages", sessionId=session, paginationOpts={"numItems": 50, "cursor": cursor})
        pages, cursor = pages + len(page["page"]), page["continueCursor"]
        if page["isDone"]:
            break
    assert pages == 26


@every_script
def test_one_huge_message_is_cut_with_a_mark_and_read_in_parts(house: House, letter: str) -> None:
    alice, worker = house.person("alice"), house.person("w", roles=("worker",))
    session = start(alice, workerId="w")
    reply = send(alice, session)
    content = letter * (90_000 if letter == "深" else 70_000)
    parts = [{"type": "tool_call", "id": "t", "name": "n", "server": "s", "input": {"q": letter * 5_000}}]
    worker.mutation("chat:completeMessage", sessionId=session, messageId=reply, content=content, parts=parts)
    for path, args in (
        ("chat:getMessages", {}),
        ("chat:subscribeToMessages", {}),
        ("chat:listMessages", {"paginationOpts": {"numItems": 5, "cursor": None}}),
    ):
        found = answer(alice, path, sessionId=session, **args)
        last = found["page"][0] if isinstance(found, dict) else found[-1]
        assert "content" in last["cut"]
        assert content.startswith(last["content"])
        assert last["content"]
    assert read(alice, "chat:getMessagePart", sessionId=session, messageId=reply) == content
    assert msgspec.json.decode(read(alice, "chat:getMessagePart", sessionId=session, messageId=reply, field="parts")) == parts
    stranger = house.person("bob")
    assert stranger.query("chat:getMessagePart", sessionId=session, messageId=reply) is None


@every_script
def test_chunks_of_a_worker_arrive_whatever_their_size(house: House, letter: str) -> None:
    alice, worker = house.person("alice"), house.person("w", roles=("worker",))
    session = start(alice, workerId="w")
    reply = send(alice, session)
    chunk = letter * 15_000
    for number in range(10):
        worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk=chunk, sequence=number)
    told, after = "", -1
    while page := answer(alice, "chat:subscribeToChunks", sessionId=session, messageId=reply, after=after):
        told += "".join(each["chunk"] for each in page)
        after = page[-1]["sequence"]
    assert told == chunk * 10
    assert answer(alice, "chat:subscribeToChunks", sessionId=session, messageId=reply)[-1]["sequence"] == 9


def test_a_chunk_that_fits_no_message_of_a_socket_is_refused(house: House) -> None:
    alice, worker = house.person("alice"), house.person("w", roles=("worker",))
    session = start(alice, workerId="w")
    reply = send(alice, session)
    with pytest.raises(Refusal) as refused:
        worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="\N{GRINNING FACE}" * 32_000, sequence=0)
    assert refused.value.tag == "ChunkTooLarge"


def domains(alice: Person, letter: str) -> tuple[str, str, str]:
    for number in range(20):
        alice.mutation("domains:create", name=f"{number}" + letter * 90, systemPrompt=letter * 15_000, description=letter * 2_000)
    return "domains:list", "domains:get", "domainId"


def tasks(alice: Person, letter: str) -> tuple[str, str, str]:
    for number in range(30):
        alice.mutation("tasks:create", title=f"{number}" + letter * 190, description=letter * 8_000)
    return "tasks:list", "tasks:get", "taskId"


def schedules(alice: Person, letter: str) -> tuple[str, str, str]:
    for number in range(30):
        given = {"name": f"{number}" + letter * 90, "prompt": "a" + letter * 9_900, "schedule": "0 9 * * MON"}
        alice.mutation("schedules:create", **given)
    return "schedules:list", "schedules:get", "scheduleId"


def images(alice: Person, letter: str) -> tuple[str, str, str]:
    for number in range(20):
        config = {"name": f"{number}" + letter * 190, "systemPrompt": letter * 9_000, "description": letter * 2_000}
        alice.mutation("images:create", config=config)
    return "images:list", "images:get", "imageId"


@every_script
@pytest.mark.parametrize("made", [domains, tasks, schedules, images], ids=lambda each: each.__name__)
def test_a_list_keeps_every_entry_and_cuts_long_texts(
    house: House, made: Callable[[Person, str], tuple[str, str, str]], letter: str
) -> None:
    alice = house.person("alice")
    path, get, name = made(alice, letter)
    found = answer(alice, path)
    assert len(found) in (20, 30)
    assert any(each.get("cut") for each in found)
    for each in found[:2]:
        whole = answer(alice, get, **{name: each[name]})
        for field in each.get("cut", []):
            assert whole[field].startswith(each[field]), field
            assert len(whole[field]) > len(each[field])


@every_script
def test_a_huge_instruction_of_a_domain_and_its_image_is_read_in_parts(house: House, letter: str) -> None:
    alice = house.person("alice")
    instruction = letter * 80_000
    domain = alice.mutation("domains:create", name="d", systemPrompt=instruction)["domainId"]
    assert answer(alice, "domains:get", domainId=domain)["cut"] == ["systemPrompt"]
    assert read(alice, "domains:getPart", domainId=domain) == instruction
    record = alice.mutation("images:create", containerId=f"domain_{domain}")["record"]
    assert record["cut"] == ["systemPrompt"]
    assert read(alice, "images:getPart", imageId=record["imageId"]) == instruction
    for path, named in (("domains:getPart", {"domainId": domain}), ("images:getPart", {"imageId": record["imageId"]})):
        assert house.person("bob").query(path, **named) is None


def test_servers_of_tools_that_no_answer_holds_are_refused_by_their_field(model: ScriptedModel) -> None:
    alice = House(model, mcp_commands=("uvx",)).person("alice")
    servers = {f"s{number}": {"command": "uvx", "args": ["深" * 900] * 5} for number in range(4)}
    for path, args in (
        ("domains:create", {"name": "d", "mcpServers": servers}),
        ("images:create", {"config": {"mcpServers": servers}}),
    ):
        with pytest.raises(Refusal, match="32768 bytes") as refused:
            alice.mutation(path, **args)
        assert (refused.value.tag, refused.value.data["field"]) == ("MCP_CONFIG_INVALID", "mcpServers")
    few = alice.mutation("images:create", config={"mcpServers": {"s": servers["s0"]}})["record"]
    assert answer(alice, "images:tools", imageId=few["imageId"])


def test_a_tab_with_long_messages_stays_open_while_more_come(model: ScriptedModel) -> None:
    house = Live(model)
    alice = house.person_of("alice@acme")
    session = alice.mutation("chat:startSession")
    tab = house.tab("alice@acme")
    asked = [
        tab.client.subscribe("chat:getMessages", {"sessionId": session}),
        tab.client.subscribe("chat:subscribeToMessages", {"sessionId": session, "limit": 200}),
        tab.client.subscribe("chat:listMessages", {"sessionId": session, "paginationOpts": {"numItems": 100, "cursor": None}}),
    ]
    tab.flush()
    for number in range(8):
        alice.mutation("chat:sendMessage", sessionId=session, content=f"{number}" + "深" * 9_900)
        house.tell()
        assert tab.client.value(asked[0])[-1]["sequence"] == 2 * number + 2
        assert tab.client.value(asked[1])[-1]["sequence"] == 2 * number + 2
    assert tab.client.value(asked[2])["pageStatus"] in ("SplitRecommended", "SplitRequired")


texts = st.text(st.sampled_from([*SCRIPTS.values(), "a", '"', "\n"]), max_size=400)


@given(st.integers(1_000, 4_000), texts, st.none() | texts, st.none() | st.lists(st.dictionaries(st.sampled_from("abc"), texts)))
def test_what_is_fitted_fits_and_names_what_it_has_cut(most: int, content: str, reasoning: str | None, parts: Any) -> None:
    whole = MessageView(
        message_id="m",
        session_id="s",
        role="user",
        content=content * 9,
        completed=True,
        status="completed",
        sequence=1,
        timestamp=1.0,
        reasoning=reasoning,
        parts=parts,
    )
    shown = answer_size.shortened(whole, most)
    assert answer_size.weight(msgspec.structs.replace(shown, cut=None)) <= most
    assert (shown.cut is None) == (shown == whole)
    for name in ("content", "reasoning", "parts"):
        if name not in (shown.cut or []):
            assert getattr(shown, name) == getattr(whole, name)
    assert whole.content.startswith(shown.content)
