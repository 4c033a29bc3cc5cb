"""Conversations with images over REST, on both stores: the contract, and what its two services must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest

from chalicelib.data.errors import StoreFailed
from chalicelib.domain.feeds.image import HOPELESS, category_of, code_of
from chalicelib.doors.routes import ROUTES
from chalicelib.llm.outcome import FINAL, Reason
from chalicelib.schema import ChatMessage
from tests.functions.conftest import House
from tests.functions.replies import mortal, places
from tests.support.rest import Rest

CONTRACT = [
    ("POST", "/domains/{domainId}/conversations"),
    ("GET", "/domains/{domainId}/conversations"),
    ("GET", "/conversations/{conversationId}"),
    ("DELETE", "/conversations/{conversationId}"),
    ("PATCH", "/conversations/{conversationId}/title"),
    ("POST", "/conversations/{conversationId}/messages"),
    ("GET", "/conversations/{conversationId}/messages"),
    ("POST", "/conversations/{conversationId}/abort"),
]


@pytest.fixture
def alice(house: House) -> Rest:
    return Rest(house.backend, "alice@acme")


@pytest.fixture
def case(alice: Rest) -> dict[str, Any]:
    """A conversation of a domain."""
    domain = alice("POST", "/domains", {"name": "Support"})[1]["data"]["domainId"]
    made: dict[str, Any] = alice("POST", f"/domains/{domain}/conversations", {"title": "Case"})[1]["data"]
    return made


def filled(path: str, case: dict[str, Any]) -> str:
    return path.format(domainId=case["domainId"], conversationId=case["conversationId"])


BODIES: dict[str, Any] = {"POST": {"content": "/say x"}, "PATCH": {"title": "New"}}


def body_of(method: str, path: str) -> Any:
    return {} if path.endswith(("abort", "conversations")) and method == "POST" else BODIES.get(method)


def test_every_row_of_the_contract_is_there() -> None:
    """000-U08; the stream is `tests/doors/test_stream_path.py`."""
    rows = {(row.method, row.path) for row in ROUTES}
    assert set(CONTRACT) <= rows


@pytest.mark.parametrize(("method", "path"), CONTRACT)
def test_a_stranger_an_unknown_id_and_nobody_are_told_apart_from_the_owner_alone(
    house: House, case: dict[str, Any], method: str, path: str
) -> None:
    """000-U10, U19, U22: 404 in the same words to a colleague, a namesake elsewhere, of an id that never was; 401 to nobody."""
    body = body_of(method, path)
    nothing = {"domainId": case["domainId"][:-3] + "qqq", "conversationId": case["conversationId"][:-3] + "qqq"}
    answers = []
    for token, names in (("bob@acme", case), ("alice@north", case), ("alice@acme", nothing), ("bob@acme", nothing)):
        status, told = Rest(house.backend, token)(method, filled(path, names), body)
        assert status == 404, (token, told)
        answers.append(told)
    assert all(each == answers[0] for each in answers), answers
    assert answers[0]["code"].upper().replace("_", "").endswith("NOTFOUND")
    assert Rest(house.backend)(method, filled(path, case), body)[0] == 401
    assert Rest(house.backend, "alice@acme")(method, filled(path, case), body)[0] in (200, 201)


def test_the_conversation_service_does_what_its_sixteen_tests_asked(house: House, alice: Rest) -> None:
    """000-U08, U09, U22: create with and without a title, list by page and order, get, title, delete."""
    domain = alice("POST", "/domains", {"name": "Support", "systemPrompt": "Be short."})[1]["data"]["domainId"]
    path = f"/domains/{domain}/conversations"
    assert alice("GET", path)[1] == {"data": [], "meta": {"page": 1, "pageSize": 20, "total": 0, "totalPages": 0}}
    made = []
    for number in range(5):
        house.clock.ahead += 10
        status, told = alice("POST", path, {"title": f"Case {number}"} if number else {})
        assert status == 201
        made.append(told["data"])
    assert made[0]["title"].startswith("Conversation ")
    assert [each["title"] for each in made[1:]] == ["Case 1", "Case 2", "Case 3", "Case 4"]
    status, first = alice("GET", f"{path}?page=1&pageSize=2")
    assert (status, first["meta"]) == (200, {"page": 1, "pageSize": 2, "total": 5, "totalPages": 3})
    assert [each["title"] for each in first["data"]] == ["Case 4", "Case 3"]
    assert [each["title"] for each in alice("GET", f"{path}?page=3&pageSize=2")[1]["data"]] == [made[0]["title"]]
    assert alice("GET", f"{path}?page=0")[0] == alice("GET", f"{path}?pageSize=101")[0] == 400
    house.clock.ahead += 1000
    one = made[1]
    assert alice("POST", f"/conversations/{one['conversationId']}/messages", {"content": "/say hi"})[0] == 201
    assert alice("GET", path)[1]["data"][0]["title"] == "Case 1", "what moved last comes first"
    assert alice("GET", f"/conversations/{one['conversationId']}")[1]["data"]["title"] == "Case 1"
    for title, status in (("", 400), ("x" * 201, 400), ("x" * 200, 200), ("Renamed", 200)):
        assert alice("PATCH", f"/conversations/{one['conversationId']}/title", {"title": title})[0] == status
    assert alice("GET", f"/conversations/{one['conversationId']}")[1]["data"]["title"] == "Renamed"
    house.work()
    assert alice("DELETE", f"/conversations/{one['conversationId']}")[0] == 200
    house.work()
    assert alice("GET", f"/conversations/{one['conversationId']}")[0] == 404
    assert alice("DELETE", f"/conversations/{one['conversationId']}")[0] == 404
    assert alice("GET", path)[1]["meta"]["total"] == 4


def test_the_chat_service_does_what_its_eleven_tests_asked(house: House, alice: Rest, case: dict[str, Any]) -> None:
    """000-U12, U22, U23: send, history, abort, a failing engine; the id of a send is the one that the log has."""
    path = f"/conversations/{case['conversationId']}/messages"
    image = f"/images/{case['imageId']}/messages"
    assert alice("GET", path)[1]["data"] == alice("GET", image)[1]["data"] == []
    for content, code in (
        ("", "MESSAGE_CONTENT_REQUIRED"),
        (" \n", "MESSAGE_CONTENT_REQUIRED"),
        ("x" * 10_001, "MESSAGE_TOO_LONG"),
    ):
        for where in (path, image):
            status, told = alice("POST", where, {"content": content})
            assert (status, told["code"], told["field"]) == (400, code, "content")
    assert alice("GET", path)[1]["data"] == [], "nothing of them is in the log"
    before = alice("GET", f"/images/{case['imageId']}")[1]["data"]["updatedAt"]
    house.clock.ahead += 1000
    sent = alice("POST", image, {"content": "/say " + "x" * 9_995})[1]["data"]
    assert alice("GET", f"/images/{case['imageId']}")[1]["data"]["updatedAt"] > before
    house.work()
    log = alice("GET", image)[1]["data"]
    assert [each["messageId"] for each in log][-1] == sent["messageId"]
    assert [each["role"] for each in log] == ["user", "assistant"]
    assert alice("POST", image, {"content": "/fail unauthorized\nhello"})[0] == 201
    house.work()
    log = alice("GET", image)[1]["data"]
    assert [(each["role"], each["status"]) for each in log[2:]] == [("user", "completed"), ("assistant", "failed")]
    assert log[2]["content"].endswith("hello"), "a question is not lost with its answer"
    assert alice("POST", f"/conversations/{case['conversationId']}/abort", {})[1]["data"] is False
    alice("POST", image, {"content": "/say never"})
    assert alice("POST", f"/conversations/{case['conversationId']}/abort", {})[1]["data"] is True
    assert alice("GET", image)[1]["data"][-1]["status"] == "aborted"


def test_a_history_that_cannot_be_read_is_an_error_and_no_empty_list(house: House, alice: Rest, case: dict[str, Any]) -> None:
    """000-U23: the first of the defects to beat."""
    image = f"/images/{case['imageId']}/messages"
    alice("POST", image, {"content": "/say hello"})
    house.work()
    broken = mortal(house)

    def fails(*_: Any, **__: Any) -> Any:
        raise StoreFailed("the store does not answer")

    broken.query = fails  # type: ignore[attr-defined]
    status, told = alice("GET", image)
    assert status in (500, 503)
    assert "data" not in told
    house.store.inner = broken.inner
    assert len(alice("GET", image)[1]["data"]) == 2


def test_a_message_that_cannot_be_stored_is_asked_of_no_model(house: House, alice: Rest, case: dict[str, Any]) -> None:
    """000-E06: the request ends there; nothing of it is anywhere, and nobody is told that it was sent."""
    image = f"/images/{case['imageId']}/messages"
    requests = len(house.model.requests)
    broken = mortal(house)

    carry_out = broken.transact

    def unless_a_message(actions: Any) -> None:
        if places(actions, "chatMessages"):
            raise StoreFailed("the store does not answer")
        carry_out(actions)

    broken.transact = unless_a_message  # type: ignore[method-assign]
    status, _ = alice("POST", image, {"content": "/say hello"})
    assert status in (500, 503)
    house.store.inner = broken.inner
    house.work()
    assert alice("GET", image)[1]["data"] == []
    assert len(house.model.requests) == requests


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_way_in_which_a_reply_can_fail_has_a_code_a_category_and_says_whether_to_try_again(reason: str) -> None:
    """000-U13, E06: `AGENTX_ERROR` or `GENERATION_TIMEOUT`; recoverable is what the model's room would ask again."""
    about: dict[str, Any] = {"conversation": "c", "sequence": 2, "session_id": "s", "role": "assistant", "content": ""}
    message = ChatMessage(id="m", **about, completed=True, timestamp=0.0, status="failed", reason=reason)
    assert code_of(message) == ("GENERATION_TIMEOUT" if reason in ("timeout", "deadline") else "AGENTX_ERROR")
    assert category_of(message) in ("driver", "persistence", "connection", "runtime")
    assert (reason in HOPELESS) is (reason in FINAL)


ERRORS: list[tuple[str, Callable[[Rest, dict[str, Any]], tuple[int, Any]], int, str]] = [
    ("a conversation", lambda alice, case: alice("GET", "/conversations/conv-nothing"), 404, "CONVERSATION_NOT_FOUND"),
    ("its abort", lambda alice, case: alice("POST", "/conversations/conv-nothing/abort", {}), 404, "CONVERSATION_NOT_FOUND"),
    (
        "its title",
        lambda alice, case: alice("PATCH", "/conversations/conv-nothing/title", {"title": "x"}),
        404,
        "CONVERSATION_NOT_FOUND",
    ),
    ("a domain", lambda alice, case: alice("GET", "/domains/d-nothing"), 404, "DOMAIN_NOT_FOUND"),
    ("its list", lambda alice, case: alice("GET", "/domains/d-nothing/conversations"), 404, "DOMAIN_NOT_FOUND"),
    ("a start", lambda alice, case: alice("POST", "/domains/d-nothing/conversations", {}), 404, "DOMAIN_NOT_FOUND"),
    ("a container", lambda alice, case: alice("POST", "/images", {"containerId": "domain_x"}), 404, "DOMAIN_NOT_FOUND"),
    ("an image", lambda alice, case: alice("GET", "/images/img_nothing"), 404, "IMAGE_NOT_FOUND"),
    (
        "a reserved name",
        lambda alice, case: alice(
            "PATCH", f"/domains/{case['domainId']}", {"mcpServers": {"promptx": {"url": "https://a.example"}}}
        ),
        400,
        "MCP_NAME_RESERVED",
    ),
    (
        "a wrong server",
        lambda alice, case: alice("POST", "/images", {"config": {"mcpServers": {"x": {}}}}),
        400,
        "MCP_CONFIG_INVALID",
    ),
    (
        "a command",
        lambda alice, case: alice("POST", "/domains", {"name": "x", "mcpServers": {"x": {"command": "bash"}}}),
        400,
        "MCP_COMMAND_NOT_ALLOWED",
    ),
]


@pytest.mark.parametrize("case_of", ERRORS, ids=lambda one: one[0])
def test_the_table_of_errors(alice: Rest, case: dict[str, Any], case_of: Any) -> None:
    """000-U13: code and status."""
    _, ask, status, code = case_of
    answered, told = ask(alice, case)
    assert (answered, told["code"]) == (status, code)
