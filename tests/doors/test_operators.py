"""Operators at the HTTP door: what their keys open, to whom they are nothing, and that all they change is written down."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from chalicelib.doors.http import handle
from chalicelib.doors.web import HttpRequest
from chalicelib.runtime.call_log import CallLog
from chalicelib.runtime.identity import User
from chalicelib.runtime.operators import ISSUER, OperatorAct, mint
from tests.functions.conftest import SIGNS, House, Refusal

EDIT, READ = mint(SIGNS, "edit"), mint(SIGNS, "read", "eve")
ALICE = {"subject": "alice", "org": "acme"}
PAGE = {"numItems": 50, "cursor": None}


def as_(identity: Any, key: str = EDIT) -> str:
    """An Authorization header as Convex's clients send it."""
    return f"Convex {key}:{base64.b64encode(json.dumps(identity).encode()).decode()}"


def ask(house: House, path: str, body: Any = None, authorization: str | None = f"Convex {EDIT}", method: str = "POST") -> Any:
    headers = {} if authorization is None else {"authorization": authorization}
    where, _, query = path.partition("?")
    found = dict(part.split("=") for part in query.split("&")) if query else {}
    answer = handle(house.backend, HttpRequest(method, where, found, headers, b"" if body is None else json.dumps(body).encode()))
    return answer.status, json.loads(answer.body or "null")


def call(house: House, path: str, args: Any, authorization: str | None = f"Convex {EDIT}") -> Any:
    return ask(house, "/api/function", {"path": path, "args": args}, authorization)


def test_an_operator_calls_functions_of_every_kind_by_one_address(house: House) -> None:
    _, made = call(house, "tasks:create", {"title": "one"}, as_(ALICE))
    assert made["status"] == "success"
    _, listed = call(house, "tasks:list", {}, as_(ALICE))
    assert [task["title"] for task in listed["value"]] == ["one"]
    assert [task["title"] for task in house.person("alice").query("tasks:list")] == ["one"], "it is alice's own"
    assert house.person("alice", "other").query("tasks:list") == []


def test_internal_functions_are_open_to_operators_and_to_nobody_else(house: House) -> None:
    args = {"paginationOpts": PAGE}
    assert call(house, "_system/cli/tables", args)[1]["status"] == "success"
    for nobody in (None, "Bearer alice@acme"):
        status, told = call(house, "_system/cli/tables", args, nobody)
        assert (status, told["code"]) == (401, "Unauthenticated")
        _, told = ask(house, "/api/query", {"path": "_system/cli/tables", "args": args}, nobody)
        _, missing = ask(house, "/api/query", {"path": "_system/cli/nothing", "args": args}, nobody)
        hidden = "Could not find public function for '_system/cli/{}:default'"
        assert hidden.format("tables") in told["errorMessage"]
        assert hidden.format("nothing") in missing["errorMessage"]


def test_every_function_of_the_operators_is_missing_for_users(house: House) -> None:
    paths = [function for function in house.backend.registry if function.path.startswith("_system/")]
    assert len(paths) >= 7
    for function in paths:
        assert not function.public
        person = house.person("alice", roles=("operator", "service", "edit"))
        with pytest.raises(Refusal, match="Could not find public function"):
            getattr(person, function.kind)(function.path)


@pytest.mark.parametrize(
    "header",
    [
        "Convex",
        "Convex key",
        f"Convex {EDIT}0",
        f"Convex {EDIT[:-1]}",
        f"Convex {mint('7' * 64, 'edit')}",
        f"Convex {READ.replace('read', 'edit')}",
        f"Convex {mint(SIGNS, 'edit', expires_s=1)}",
        f"Convex {EDIT}:notbase64!",
        f"Convex {EDIT}:{base64.b64encode(b'[]').decode()}",
        as_({"org": "_system"}),
        as_({"org": "a b", "subject": "alice"}),
        as_({"org": "acme", "subject": 7}),
        as_({"org": "acme", "subject": "alice", "roles": "all"}),
        as_("alice"),
        f"Bearer {EDIT}",
    ],
)
def test_what_is_no_key_opens_nothing(house: House, header: str) -> None:
    status, told = call(house, "tasks:list", {}, header)
    assert (status, told["code"]) == (401, "Unauthenticated")


def test_a_deployment_without_a_public_key_has_no_operators(model: Any) -> None:
    house = House(model, operator_public_keys=())
    assert call(house, "tasks:list", {}, f"Convex {mint('0' * 64, 'edit')}")[0] == 401


def test_who_may_only_read_changes_nothing(house: House) -> None:
    reader = as_(ALICE, READ)
    assert call(house, "tasks:list", {}, reader)[1]["status"] == "success"
    for path in ("tasks:create", "chat:cleanup"):
        _, told = call(house, path, {"title": "x"} if path == "tasks:create" else {}, reader)
        assert told["errorData"]["code"] == "ReadOnlyKey" if "errorData" in told else told["status"] == "error"
    status, told = ask(house, "/api/update_environment_variables", {"changes": []}, reader)
    assert (status, told["code"]) == (403, "ReadOnlyKey")
    assert house.person("alice").query("tasks:list") == []


def test_what_an_operator_changes_is_written_down_in_the_same_commit(house: House) -> None:
    call(house, "tasks:create", {"title": "one"}, as_(ALICE, mint(SIGNS, "edit", "eve")))
    call(house, "tasks:list", {}, as_(ALICE))
    call(house, "tasks:create", {"title": ""}, as_(ALICE))  # refused: nothing has happened
    house.person("alice").mutation("tasks:create", title="mine")
    acts = house.operator().query("_system/audit:acts", paginationOpts=PAGE)["page"]
    assert [(act["operator"], act["subject"], act["path"], act["args"]) for act in acts] == [
        ("eve", "alice", "tasks:create", '{"title":"one"}')
    ]
    assert house.operator(org="other").query("_system/audit:acts", paginationOpts=PAGE)["page"] == []


def test_an_audited_call_that_fails_leaves_neither_its_work_nor_an_entry(house: House) -> None:
    before = house.rows(OperatorAct.table_name)
    with pytest.raises(Refusal):
        house.operator("alice").mutation("tasks:update", taskId="task-nothing", title="x")
    assert house.rows(OperatorAct.table_name) == before


def test_nobody_becomes_an_operator_by_a_claim() -> None:
    user = User.from_json({**User("alice", "https://test", "acme", {"operator": "edit:x"}).to_json()})
    assert (user.operator, user.operator_role) == ("", "")
    assert User.from_json(User("a", ISSUER, "acme", operator="read:x").to_json()).operator == "read:x"


def test_variables_are_set_read_and_removed(house: House) -> None:
    changes = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert ask(house, "/api/update_environment_variables", {"changes": changes})[0] == 200
    ask(house, "/api/update_environment_variables", {"changes": [{"name": "A", "value": None}]})
    _, told = call(house, "_system/cli/queryEnvironmentVariables", {})
    assert told["value"] == [{"name": "B", "value": "2"}]
    _, told = call(house, "_system/cli/queryEnvironmentVariables:get", {"name": "A"})
    assert told["value"] is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([{"name": "1A", "value": "x"}], "BadVariable"),
        ([{"name": "A" * 41, "value": "x"}], "BadVariable"),
        ([{"name": "A", "value": 7}], "BadVariable"),
        ([{"name": "A", "value": "x" * 8193}], "VariableTooLong"),
        ([{"name": f"A{number}", "value": "x"} for number in range(101)], "TooManyVariables"),
        ([{"name": f"A{number}", "value": "x" * 8192} for number in range(26)], "VariablesTooLong"),
        ([{"value": "x"}], "BadRequest"),
        ("A=1", "BadRequest"),
    ],
)
def test_a_variable_that_cannot_be_is_refused_whole(house: House, changes: Any, code: str) -> None:
    good = [{"name": "GOOD", "value": "x"}]
    status, told = ask(
        house, "/api/update_environment_variables", {"changes": good + changes if isinstance(changes, list) else changes}
    )
    assert (status, told["code"]) == (400, code)
    assert call(house, "_system/cli/queryEnvironmentVariables", {})[1]["value"] == []


def test_documents_are_listed_in_pages_of_one_org(house: House) -> None:
    for number in range(5):
        house.person("alice").mutation("tasks:create", title=f"t{number}")
    house.person("bob", "other").mutation("tasks:create", title="theirs")
    operator = house.operator()
    page = operator.query("_system/cli/tableData", table="tasks", order="desc", paginationOpts={"numItems": 3, "cursor": None})
    assert [each["title"] for each in page["page"]] == ["t4", "t3", "t2"]
    oldest = operator.query("_system/cli/tableData", table="tasks", order="asc", paginationOpts=PAGE)
    assert [each["title"] for each in oldest["page"]] == ["t0", "t1", "t2", "t3", "t4"]
    with pytest.raises(Refusal, match="There is no table 'nothing'"):
        operator.query("_system/cli/tableData", table="nothing", paginationOpts=PAGE)


def test_functions_are_described_with_their_validators(house: House) -> None:
    specs = {each["identifier"]: each for each in house.operator().query("_system/cli/modules:apiSpec")}
    assert specs["tasks.js:create"]["functionType"] == "Mutation"
    assert specs["tasks.js:create"]["args"]["value"]["title"]["fieldType"] == {"type": "string"}
    assert not any(name.startswith("_system") for name in specs)


def test_the_log_of_calls_is_asked_from_a_cursor(house: House) -> None:
    log = house.backend.call_log = CallLog()
    calls = logging.getLogger("concave.calls")
    calls.addHandler(log)
    calls.setLevel(logging.DEBUG)
    try:
        house.person("alice").mutation("tasks:create", title="x")
        status, first = ask(house, "/api/stream_function_logs?cursor=0", method="GET")
        assert status == 200
        assert [(each["identifier"], each["udfType"]) for each in first["entries"]] == [("tasks:create", "Mutation")]
        with pytest.raises(Refusal) as refused:
            house.person("alice").mutation("tasks:update", taskId="task-nothing", title="x")
        _, then = ask(house, f"/api/stream_function_logs?cursor={first['newCursor']}", method="GET")
        assert [each["identifier"] for each in then["entries"]] == ["tasks:update"]
        request = str(refused.value).partition("[Request ID: ")[2][:16]
        found = house.operator().action("_system/logs:recent", request=request)
        assert [(each["path"], bool(each["error"])) for each in found] == [("tasks:update", True)], "by what the client saw"
    finally:
        calls.removeHandler(log)
        calls.setLevel(logging.NOTSET)
    assert ask(house, "/api/stream_function_logs?cursor=0", method="GET", authorization="Bearer alice@acme")[0] == 401


def test_a_cursor_that_no_answer_has_named_is_refused_in_words(house: House) -> None:
    house.backend.call_log = CallLog()
    for cursor in ("²", "٣", "9" * 5_000, "-1", "1.5", "", " 1", "0x1"):
        status, told = ask(house, f"/api/stream_function_logs?cursor={cursor}", method="GET")
        assert (status, told["code"]) == (400, "BadCursor"), cursor


def test_a_call_of_what_does_not_exist_is_kept_with_why_it_failed(house: House) -> None:
    log = house.backend.call_log = CallLog()
    calls = logging.getLogger("concave.calls")
    calls.addHandler(log)
    calls.setLevel(logging.DEBUG)
    try:
        for kind in ("query", "mutation", "action"):
            ask(house, f"/api/{kind}", {"path": "tasks:nothing", "args": {}}, None)
        kept = [(call.kind, "Could not find" in call.error) for call in log.last()]
        assert kept == [("action", True), ("mutation", True), ("query", True)]
    finally:
        calls.removeHandler(log)
        calls.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/api/export/request/zip", "concave export"),
        ("/api/import/start_upload", "concave import"),
        ("/api/deploy2/start_push", "concave deploy"),
        ("/api/get_config_hashes", "concave dev"),
    ],
)
def test_a_command_whose_road_is_not_here_is_told_the_word_that_does_it(house: House, path: str, word: str) -> None:
    status, told = ask(house, path, {})
    assert (status, told["code"]) == (400, "NotSupported")
    assert word in told["message"]
