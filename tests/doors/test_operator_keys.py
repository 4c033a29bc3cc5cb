"""What is thrown at operators' keys: forged, broken, without end; each is refused in words, and none is a fault of ours."""

from __future__ import annotations

import base64
import json
import logging
import threading
from typing import Any

import pytest

from chalicelib.data.errors import Refused
from chalicelib.live.messages import Authenticate
from chalicelib.runtime.contexts import caller_of
from chalicelib.runtime.keys import AuthFailed
from chalicelib.runtime.logs import Log
from chalicelib.runtime.operators import mint
from tests.doors.test_operators import EDIT, PAGE, READ, as_, ask, call
from tests.functions.conftest import SIGNS, House, Refusal

HEAD, PROOF = EDIT.split("|")
DEEP = base64.b64encode(b"[" * 3_000).decode()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "|",
        "\ud800",
        f"{HEAD}|",
        f"{HEAD}|\ud800",
        f"{HEAD}|{PROOF}\n",
        f"{HEAD}\n|{PROOF}",
        f"{HEAD}|{PROOF.upper()}",
        f"{HEAD}|{PROOF}|{PROOF}",
        f"{HEAD}|é{PROOF[1:]}",
        f"{HEAD}\x00|{PROOF}",
        f"{HEAD.replace('-0-', '-٠-')}|{PROOF}",
        f"{HEAD.replace('edit', 'admin')}|{PROOF}",
        f"{HEAD}|{'0' * 1_000_000}",
        f"concave-edit-0-{'c' * 1_000_000}|{PROOF}",
        mint(SIGNS, "edit", "cli2").replace("cli2", "cli"),
        EDIT.replace("-0-", "-99999999999-"),
    ],
)
def test_a_key_that_was_tampered_with_is_refused_in_words_and_a_socket_lives_to_hear_them(house: House, key: str) -> None:
    with pytest.raises(AuthFailed, match="no operator's key"):
        house.backend.operators.user(key)
    told = house.backend._identify(Authenticate(base_version=0, token_type="Admin", value=key))
    assert told.error
    assert told.stored is None


@pytest.mark.parametrize("key", ["nothing", EDIT])
def test_an_identity_without_end_is_refused_in_words_and_reported_to_nobody(
    house: House, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="concave"):
        status, told = call(house, "tasks:list", {}, f"Convex {key}:{DEEP}")
    assert (status, told["code"]) == (401, "Unauthenticated")
    assert not caplog.records


def test_whoever_has_no_key_is_told_nothing_about_his_identity(house: House) -> None:
    _, broken = call(house, "tasks:list", {}, "Convex nothing:!")
    _, whole = call(house, "tasks:list", {}, as_({"org": "acme"}, "nothing"))
    assert broken == whole


@pytest.mark.parametrize(
    "acting",
    [
        {"subject": "a" * 513, "org": "acme"},
        {"subject": "\ud800", "org": "acme"},
        {"subject": "a\x00b", "org": "acme"},
        {"subject": "alice", "issuer": "\ud800", "org": "acme"},
        {"subject": "alice", "issuer": "i" * 2_000, "org": "acme"},
        {"subject": "alice", "roles": ["\ud800"], "org": "acme"},
        {"subject": "alice", "name": "\ud800", "org": "acme"},
        {"subject": "alice", "name": {"a": [float("nan")]}, "org": "acme"},
        {"subject": "alice", "name": "x" * 20_000, "org": "acme"},
        {"subject": "alice", "isService": True, "operator": "edit:root", "org": 7},
        {"org": "a\n"},
        {"org": "é"},
    ],
)
def test_an_operator_acts_only_as_somebody_whom_a_token_could_name(house: House, acting: Any) -> None:
    with pytest.raises(AuthFailed):
        house.backend.operators.user(EDIT, acting)
    told = house.backend._identify(Authenticate(base_version=0, token_type="Admin", value=EDIT, impersonating=acting))
    assert told.error


def test_an_operators_identity_gives_no_further_rights(house: House) -> None:
    acting = {"subject": "alice", "org": "acme", "isService": True, "is_service": True, "operator": "edit:root"}
    user = house.backend.operators.user(READ, acting)
    assert (user.operator, user.is_service) == ("read:eve", False)


# What is written down ---------------------------------------------------------------------------------------------------


def acts(house: House, org: str = "acme") -> list[str]:
    """The paths that are written down, the oldest first."""
    found = house.operator(org=org).query("_system/audit:acts", paginationOpts=PAGE)["page"]
    return [act["path"] for act in found][::-1]


def test_what_an_operator_does_to_the_variables_can_be_read_by_operators(house: House) -> None:
    eve = f"Convex {mint(SIGNS, 'edit', 'eve')}"
    assert ask(house, "/api/update_environment_variables", {"changes": [{"name": "A", "value": "secret"}]}, eve)[0] == 200
    (act,) = house.operator(role="read").action("_system/audit:deployment")
    assert (act["operator"], act["path"], json.loads(act["args"])) == ("eve", "environment", {"names": ["A"]})
    with pytest.raises(Refusal, match="Could not find public function"):
        house.person("alice").action("_system/audit:deployment")


@pytest.mark.parametrize("address", ["/api/mutation", "/api/function", "/api/run/tasks/create"])
def test_every_address_that_takes_a_mutation_leaves_an_entry(house: House, address: str) -> None:
    body = {"path": "tasks:create", "args": {"title": "x"}}
    assert ask(house, address, body, as_({"subject": "alice", "org": "acme"}))[1]["status"] == "success"
    assert acts(house) == ["tasks:create"]


def test_an_action_leaves_an_entry_and_so_does_every_mutation_that_it_runs(house: House) -> None:
    house.operator().action("conversations:purgeAll", confirm=True)
    with pytest.raises(Refusal):
        house.operator("alice").action("agents:regenerate", agentId="agent-nobody")
    told = acts(house)
    assert told[0] == "conversations:purgeAll"
    assert "agents:regenerate" in told, "it may have done something before it failed"


def test_variables_that_several_set_at_once_are_all_there(house: House) -> None:
    ready, told = threading.Barrier(6), []

    def sets(number: int) -> None:
        ready.wait(10)
        for turn in range(4):
            change = {"changes": [{"name": f"V{number}_{turn}", "value": str(turn)}]}
            told.append(ask(house, "/api/update_environment_variables", change)[0])

    setters = [threading.Thread(target=sets, args=(number,)) for number in range(6)]
    for each in setters:
        each.start()
    for each in setters:
        each.join(60)
    assert told == [200] * 24
    found = {each["name"] for each in call(house, "_system/cli/queryEnvironmentVariables", {})[1]["value"]}
    assert found == {f"V{number}_{turn}" for number in range(6) for turn in range(4)}
    assert len(house.operator().action("_system/audit:deployment")) == 24


def test_a_key_that_may_only_read_changes_nothing_through_an_action_that_says_it_only_reads(house: House) -> None:
    """An action may be declared as one that only reads, and then run a mutation all the same."""
    reader = caller_of(house.backend.operators.user(READ, {"subject": "alice", "org": "acme"}))
    executor, create = house.backend.executor, house.backend.registry.get("tasks:create")
    with pytest.raises(Refused, match="may only read"):
        executor.run(create, {"title": "x"}, reader, Log("test", "acme"))
    assert house.person("alice").query("tasks:list") == []


# All that operators may call, one by one ----------------------------------------------------------------------------------

ONE: dict[str, Any] = {"table": "domains", "ids": ["domain-1"]}
DOMAIN = {"_id": "domain-1", "_creationTime": 1.0, "owner": "alice", "name": "one", "updatedAt": 1.0}
JOB = {"_id": f"job-{'a' * 20}", "_creationTime": 1.0, "org": "acme", "path": "x:y", "args": {}, "due": 9e15, "state": "pending"}
CHANGES: dict[str, dict[str, Any]] = {
    "data:insert": {"table": "domains", "fields": {name: DOMAIN[name] for name in ("owner", "name", "updatedAt")}},
    "data:patch": {**ONE, "fields": {"name": "two"}},
    "data:remove": {"table": "domains", "ids": ["domain-0"]},
    "data:restore": {"table": "domains", "document": {**DOMAIN, "_id": "domain-2"}},
    "jobs:cancel": {"jobId": JOB["_id"]},
    "jobs:runNow": {"jobId": JOB["_id"]},
    "keys:restore": {"name": "bob"},
    "keys:revoke": {"name": "bob"},
    "transfer:write": {"table": "domains", "documents": [{**DOMAIN, "_id": "domain-3"}]},
}
"""What changes something, each with arguments that it takes."""


def changing(house: House) -> dict[str, str]:
    """The functions of the operators that change something, and of what kind they are."""
    found = [each for each in house.backend.registry if each.path.startswith("_system/")]
    return {
        each.path.removeprefix("_system/"): each.kind for each in found if each.kind != "query" and not each.options.get("reads")
    }


def test_all_that_changes_something_is_known_here(house: House) -> None:
    assert changing(house).keys() == CHANGES.keys(), "a new one goes into CHANGES"


def test_a_key_that_may_only_read_calls_nothing_that_changes_something(house: House) -> None:
    reader, kinds = house.operator(role="read"), changing(house)
    for path, args in CHANGES.items():
        with pytest.raises(Refusal) as refused:
            getattr(reader, kinds[path])(f"_system/{path}", **args)
        assert refused.value.tag == "ReadOnlyKey", path
    assert house.operator().action("_system/audit:deployment") == []
    assert acts(house) == []


def test_all_that_an_operator_changes_is_written_down_with_who_did_it(house: House) -> None:
    setup, kinds = house.operator(name="setup"), changing(house)
    for table, document in (("domains", DOMAIN), ("domains", {**DOMAIN, "_id": "domain-0"}), ("jobs", JOB)):
        setup.mutation("_system/data:restore", table=table, document=document)
    for number, (path, args) in enumerate(sorted(CHANGES.items(), reverse=True)):  # what is run now, may be cancelled
        operator = house.operator(name=f"eve{number}")
        getattr(operator, kinds[path])(f"_system/{path}", **args)
        kept = operator.query("_system/audit:acts", paginationOpts=PAGE)["page"] + operator.action("_system/audit:deployment")
        assert f"_system/{path}" in [act["path"] for act in kept if act["operator"] == f"eve{number}"]


def test_nobody_changes_what_is_written_down_of_operators(house: House) -> None:
    eve = house.operator(name="eve")
    eve.mutation("_system/data:restore", table="domains", document=DOMAIN)
    (act,) = eve.query("_system/audit:acts", paginationOpts=PAGE)["page"]
    args = {"ids": [act["_id"]], "fields": {"operator": "bob"}, "document": {**act, "_id": "act-2", "operator": "bob"}}
    for path in (path for path in CHANGES if path.startswith("data:")):
        taken = {name: args[name] for name in CHANGES[path] if name != "table"}
        with pytest.raises(Refusal, match="written by the engine alone"):
            eve.mutation(f"_system/{path}", table="operatorActs", **taken)
    assert eve.query("_system/audit:acts", paginationOpts=PAGE)["page"] == [act]
