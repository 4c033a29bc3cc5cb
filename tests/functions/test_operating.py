"""What the dashboard asks: documents by index, changed by the rules of every write, and what the process knows of itself."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.domain.conversations.opening import DEFAULT_MODEL as MODEL
from chalicelib.operating import pages
from chalicelib.runtime.call_log import CallLog
from chalicelib.runtime.jobs import Job
from infra.local.model.server import ScriptedModel
from tests.data.mutants import swapped
from tests.functions.conftest import House, Refusal

PAGE = {"numItems": 3, "cursor": None}


@contextlib.contextmanager
def listening(house: House) -> Iterator[None]:
    """The backend keeps its last calls."""
    log = house.backend.call_log = CallLog()
    calls = logging.getLogger("concave.calls")
    calls.addHandler(log)
    calls.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        calls.removeHandler(log)
        calls.setLevel(logging.NOTSET)


def first(house: House) -> dict[str, Any]:
    """A task of alice, as the dashboard lists it."""
    house.person("alice").mutation("tasks:create", title="one")
    page = house.operator().query("_system/data:documents", table="tasks", paginationOpts=PAGE)
    document: dict[str, Any] = page["page"][0]
    return document


def test_a_table_is_described_with_its_fields_and_indexes(house: House) -> None:
    tables = {each["name"]: each for each in house.operator().query("_system/data:tables")}
    tasks = tables["tasks"]
    assert {"name": "title", "type": "str", "optional": False} in tasks["fields"]
    assert next(index["partition"] for index in tasks["indexes"] if index["name"].startswith("by_owner"))[0] == "owner"
    assert tables["chatChunks"]["key"] != ["_id"]
    assert tables["chatChunks"]["indexes"][-1]["name"] == "log"


def test_documents_come_by_an_index_in_pages(house: House) -> None:
    for number in range(5):
        house.person("alice").mutation("tasks:create", title=f"t{number}")
    house.person("bob").mutation("tasks:create", title="his")
    ask: dict[str, Any] = {"table": "tasks", "index": "by_owner", "values": ["alice"]}
    page = house.operator().query("_system/data:documents", paginationOpts=PAGE, **ask)
    assert [each["title"] for each in page["page"]] == ["t4", "t3", "t2"]
    rest = {"numItems": 3, "cursor": page["continueCursor"]}
    page = house.operator().query("_system/data:documents", paginationOpts=rest, **ask)
    assert [each["title"] for each in page["page"]] == ["t1", "t0"]


@pytest.mark.parametrize("newest", [True, False])
def test_all_documents_of_a_table_come_in_pages_in_order_and_each_once(house: House, newest: bool) -> None:
    for number in range(8):
        house.person("alice").mutation("tasks:create", title=f"t{number}")
    cursor, titles = None, list[str]()
    for _ in range(3):
        options = {"numItems": 3, "cursor": cursor}
        page = house.operator().query("_system/data:documents", table="tasks", paginationOpts=options, newest=newest)
        titles += [each["title"] for each in page["page"]]
        cursor = page["continueCursor"]
    assert page["isDone"]
    assert titles == sorted((f"t{number}" for number in range(8)), reverse=newest)
    options = {"numItems": 3, "cursor": "sorted:-1"}
    with pytest.raises(Refusal):
        house.operator().query("_system/data:documents", table="tasks", paginationOpts=options)


def test_pages_of_a_table_that_has_grown_too_large_to_be_sorted_begin_again(house: House) -> None:
    for number in range(5):
        house.person("alice").mutation("tasks:create", title=f"t{number}")
    with swapped((pages, "SORTED", 4)):
        titles, cursor = set[str](), "sorted:3"
        for _ in range(2):
            options = {"numItems": 3, "cursor": cursor}
            page = house.operator().query("_system/data:documents", table="tasks", paginationOpts=options)
            titles |= {each["title"] for each in page["page"]}
            cursor = page["continueCursor"]
        assert (page["isDone"], titles) == (True, {f"t{number}" for number in range(5)})


@pytest.mark.parametrize(
    ("table", "index", "values", "said"),
    [
        ("nothing", None, [], "There is no table"),
        ("tasks", "by_nothing", [], "no index 'by_nothing'"),
        ("jobs", "by_state_due", ["pending"], "no index 'by_state_due' that can be read in one org"),
        ("tasks", "by_owner", [], "by_owner"),
    ],
)
def test_what_cannot_be_listed_is_said(house: House, table: str, index: str | None, values: list[Any], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        house.operator().query("_system/data:documents", table=table, index=index, values=values, paginationOpts=PAGE)


def test_a_field_is_changed_by_the_rules_of_every_write(house: House) -> None:
    document = first(house)
    operator, where = house.operator(), {"table": "tasks", "ids": [document["_id"]]}
    operator.mutation("_system/data:patch", fields={"title": "two"}, **where)
    after = operator.query("_system/data:document", **where)
    assert after == {**document, "title": "two"}
    for wrong in ({"title": 7}, {"status": "nowhere"}, {"nothing": 1}, {"_id": 3}):
        with pytest.raises(Refusal):
            operator.mutation("_system/data:patch", fields=wrong, **where)
    assert operator.query("_system/data:document", **where) == after
    with pytest.raises(Refusal, match="has no document"):
        operator.mutation("_system/data:patch", table="tasks", ids=["task-nothing"], fields={"title": "x"})
    with pytest.raises(Refusal, match="has no document"):
        house.operator(org="other").mutation("_system/data:patch", fields={"title": "x"}, **where)


def test_a_document_is_added_removed_and_put_back_as_it_was(house: House) -> None:
    document = first(house)
    operator, where = house.operator(), {"table": "tasks", "ids": [document["_id"]]}
    gone = operator.mutation("_system/data:remove", **where)
    assert gone == document
    assert operator.query("_system/data:document", **where) is None
    assert house.person("alice").query("tasks:list") == []
    assert operator.mutation("_system/data:restore", table="tasks", document=gone) is True
    assert operator.mutation("_system/data:restore", table="tasks", document=gone) is False
    assert operator.query("_system/data:document", **where) == document
    assert len(house.person("alice").query("tasks:list")) == 1
    fields = {name: value for name, value in document.items() if not name.startswith("_")}
    made = operator.mutation("_system/data:insert", table="tasks", fields=fields)
    assert operator.query("_system/data:document", table="tasks", ids=[made])["title"] == "one"


def test_what_the_dashboard_changes_is_written_down(house: House) -> None:
    document = first(house)
    house.operator().mutation("_system/data:patch", table="tasks", ids=[document["_id"]], fields={"title": "x"})
    acts = house.operator().query("_system/audit:acts", paginationOpts=PAGE)["page"]
    assert [act["path"] for act in acts] == ["_system/data:patch"]


def test_who_may_only_read_looks_at_everything_and_changes_nothing(house: House) -> None:
    document = first(house)
    reader = house.operator(role="read")
    for action in (
        "overview:state",
        "overview:jobs",
        "overview:crons",
        "overview:functions",
        "overview:settings",
        "overview:orgs",
        "chats:traffic",
    ):
        assert reader.action(f"_system/{action}") is not None
    for path, args in (
        ("data:patch", {"table": "tasks", "ids": [document["_id"]], "fields": {}}),
        ("data:insert", {"table": "tasks", "fields": {}}),
        ("data:remove", {"table": "tasks", "ids": [document["_id"]]}),
        ("data:restore", {"table": "tasks", "document": document}),
        ("jobs:cancel", {"jobId": "job-x"}),
        ("jobs:runNow", {"jobId": "job-x"}),
        ("transfer:write", {"table": "tasks", "documents": []}),
    ):
        with pytest.raises(Refusal, match="only queries can be called"):
            reader.mutation(f"_system/{path}", **args)


def test_secrets_are_named_and_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-geheim")
    monkeypatch.setenv("OPERATOR_KEY", "0" * 64)
    monkeypatch.setenv("CALLS_PER_SECOND", "7")
    shown = {each["name"]: each for each in house.operator().action("_system/overview:settings")}
    assert "geheim" not in str(shown)
    assert "0000000" not in str(shown)
    assert shown["ANTHROPIC_API_KEY"]["source"] == "environment"
    assert (shown["CALLS_PER_SECOND"]["value"], shown["PORT"]["source"]) == ("7", "default")


def test_the_state_tells_of_calls_and_of_the_last_error(house: House) -> None:
    with listening(house):
        house.person("alice").mutation("tasks:create", title="x")
        with pytest.raises(Refusal):
            house.person("alice").mutation("tasks:create", title="")
        state = house.operator().action("_system/overview:state")
    assert (state["callsPerMinute"], state["errorsPerMinute"]) == (2, 1)
    assert state["lastError"]["path"] == "tasks:create"
    assert state["store"] == "sqlite"


def test_orgs_are_listed_as_far_as_they_have_documents(house: House) -> None:
    house.person("alice").mutation("tasks:create", title="x")
    house.person("bob", "other").mutation("tasks:create", title="x")
    assert {"acme", "other"} <= set(house.operator().action("_system/overview:orgs"))


def test_a_job_that_waits_is_run_now_or_taken_back(house: House) -> None:
    later = house.clock.now_ms() + 3_600_000

    def two(run: Any) -> str:
        for number in range(2):
            run.db.insert(Job(id=f"job-{'ab'[number] * 20}", org="acme", path="images:nothing", args={}, due=float(later)))
        return "null"

    house.backend.executor.transact("acme", "test", two)
    first, second = (job["_id"] for job in house.operator().action("_system/overview:jobs"))
    house.operator().mutation("_system/jobs:runNow", jobId=first)
    house.operator().mutation("_system/jobs:cancel", jobId=second)
    (left,) = house.operator().action("_system/overview:jobs")
    assert (left["_id"], left["state"]) == (first, "pending")
    assert left["due"] < later
    for org, job in (("acme", second), ("other", first), ("acme", "job-" + "z" * 20)):
        with pytest.raises(Refusal, match="no job"):
            house.operator(org=org).mutation("_system/jobs:runNow", jobId=job)


def test_statistics_of_an_hour_count_each_function(house: House) -> None:
    with listening(house):
        for number in range(20):
            house.person("alice").mutation("tasks:create", title=f"t{number}")
        with pytest.raises(Refusal):
            house.person("alice").mutation("tasks:create", title="")
        house.person("alice").query("tasks:list")
        found = {each["path"]: each for each in house.operator().action("_system/logs:statistics")}
        kept = house.backend.call_log.last(path="tasks:create")
    assert set(found) == {"tasks:create", "tasks:list"}
    create = found["tasks:create"]
    assert (create["calls"], create["errors"]) == (21, 1)
    times = sorted(call.ms for call in kept)
    assert (create["p50"], create["p95"]) == (times[10], times[19])
    assert create["writes"] == sum(call.writes for call in kept)
    assert create["writeUnits"] == sum(2 * call.writes + 2 for call in kept if call.writes)
    assert found["tasks:list"]["writeUnits"] == 0
    assert found["tasks:list"]["readUnits"] >= 1


def asked(house: House, content: str, who: str = "alice", **about: Any) -> None:
    """A conversation, and a reply in it that has ended."""
    made = house.person(who).mutation("chat:startSession", **about)
    house.person(who).mutation("chat:sendMessage", sessionId=made, content=content)
    house.work()


def test_replies_are_counted_with_their_tokens_and_their_price_where_it_is_known(model: ScriptedModel) -> None:
    house = House(model, model_prices={MODEL: {"input": 2.0, "output": 10.0}})
    asked(house, "hello")
    asked(house, "hello", model="another-model")
    told = house.operator().action("_system/chats:traffic")
    assert (told["states"]["completed"], told["states"]["running"], told["more"]) == (2, 0, False)
    sums = {each["model"]: each for each in told["models"]}
    priced = sums[MODEL]
    assert priced["cost"] == pytest.approx((2 * priced["inputTokens"] + 10 * priced["outputTokens"]) / 1_000_000)
    assert priced["cost"] > 0
    assert sums["another-model"]["cost"] is None
    assert sums["another-model"]["outputTokens"] > 0
    assert {each["state"] for each in told["circuits"]} == {"closed"}
    assert told["today"]["spent"] == sum(each["tokens"] for each in told["replies"])
    assert house.operator().action("_system/overview:state")["tokens"] == told["today"]
    assert house.operator(org="other").action("_system/chats:traffic")["today"]["spent"] == 0


def test_a_failed_reply_and_an_open_circuit_are_told(model: ScriptedModel) -> None:
    house = House(model, model_failures=1)
    asked(house, "/fail overloaded")
    told = house.operator().action("_system/chats:traffic")
    assert (told["states"]["failed"], told["replies"][0]["reason"]) == (1, "overloaded")
    assert [each["state"] for each in told["circuits"]] == ["open"]


def test_a_reply_that_ended_an_hour_ago_counts_no_more(house: House) -> None:
    asked(house, "hello")
    house.clock.ahead += 3_600_001
    assert house.operator().action("_system/chats:traffic")["states"]["completed"] == 0
