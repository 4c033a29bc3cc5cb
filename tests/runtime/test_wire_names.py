"""Names as they are on the wire: given by the developer or made by the house, the same in index, patch, calls and types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib import ActionCtx, Index, MutationCtx, QueryCtx, Table, action, mutation, query
from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from infra.local.sqlite.store import SqliteStore
from tests.functions.conftest import MovingClock


class Visit(Table, name="wireVisits"):
    user_id: str = msgspec.field(name="user_id")
    page_title: str = ""

    by_user = Index("user_id", order="page_title")


class Plain(Table, name="wirePlain", rename=None):
    """A table whose fields all keep their names."""

    user_id: str
    page_title: str = ""

    by_user = Index("user_id")


@mutation(names={"user_id": "user_id"})
def visit(ctx: MutationCtx, user_id: str, page_title: str) -> str:
    ctx.db.insert(Plain(user_id=user_id))
    return ctx.db.insert(Visit(user_id=user_id, page_title=page_title))


@mutation
def move(ctx: MutationCtx, id: str, to: str) -> None:
    found = ctx.db.get(Visit, id)
    assert found is not None
    ctx.db.patch(found, user_id=to)


@query(names={"user_id": "user_id"})
def visits(ctx: QueryCtx, user_id: str) -> list[Visit]:
    return ctx.db.query(Visit.by_user(user_id)).collect()


@query(names={"user_id": "user_id"})
def plain(ctx: QueryCtx, user_id: str) -> list[Plain]:
    return ctx.db.query(Plain.by_user(user_id)).collect()


@mutation
def keep(ctx: MutationCtx, function: str, delay_ms: float, at_ms: float, self: str = "", org: str = "") -> str:
    return f"{function} {delay_ms} {at_ms} {self} {org}"


@mutation
def plan(ctx: MutationCtx) -> list[str]:
    args: dict[str, Any] = {"function": "f", "delay_ms": 1, "at_ms": 2}
    return [ctx.scheduler.run_after(0, keep, **args), ctx.scheduler.run_at(0, keep, **args)]


@action
def call(ctx: ActionCtx) -> str:
    ctx.scheduler.run_after(0, keep, function="f", delay_ms=1, at_ms=2)
    return str(ctx.run_mutation(keep, function="f", delay_ms=1, at_ms=2))


@mutation
def cancel(ctx: MutationCtx, job: str) -> None:
    ctx.scheduler.cancel(job)


@pytest.fixture
def executor() -> Executor:
    registry = Registry()
    for function in (visit, move, visits, plain, keep, plan, call, cancel):
        registry.add(function, "wire")
    return Executor(SqliteStore(":memory:", all_specs()), registry, MovingClock(), development=True)


def test_a_field_that_was_given_its_name_is_found_by_its_index_and_patched(executor: Executor) -> None:
    made = executor.mutation("wire:visit", {"user_id": "ada", "pageTitle": "Home"}, None)
    assert made.ok, made.error
    (found,) = executor.query("wire:visits", {"user_id": "ada"}, None).value
    assert {"user_id": "ada", "pageTitle": "Home"}.items() <= found.items()
    assert executor.mutation("wire:move", {"id": made.value, "to": "bob"}, None).ok
    assert executor.query("wire:visits", {"user_id": "ada"}, None).value == []
    assert [each["user_id"] for each in executor.query("wire:visits", {"user_id": "bob"}, None).value] == ["bob"]


def test_a_table_may_keep_all_its_names(executor: Executor) -> None:
    executor.mutation("wire:visit", {"user_id": "ada", "pageTitle": "Home"}, None)
    (found,) = executor.query("wire:plain", {"user_id": "ada"}, None).value
    assert {"user_id": "ada", "page_title": ""}.items() <= found.items()


def test_an_argument_that_was_given_its_name_has_no_other(executor: Executor) -> None:
    refused = executor.query("wire:visits", {"userId": "ada"}, None)
    assert refused.error is not None
    assert "ArgumentValidationError" in refused.error.message


@pytest.mark.parametrize("kind", ["mutation", "action"])
def test_an_argument_may_be_called_as_the_words_of_scheduling_are(executor: Executor, kind: str) -> None:
    made = getattr(executor, kind)("wire:plan" if kind == "mutation" else "wire:call", {}, None)
    assert made.ok, made.error


@pytest.mark.parametrize("job", ["nonsense", "", "job-", "job-AAAAAAAAAAAAAAAAAAAA", "job-aaaaaaaaaaaaaaaaaaaa; x"])
def test_to_cancel_what_is_no_job_is_refused_by_name(executor: Executor, job: str) -> None:
    refused = executor.mutation("wire:cancel", {"job": job}, None)
    assert refused.error is not None
    assert (refused.error.tag, "is no job's id" in refused.error.message) == ("NoSuchJob", True)


def test_a_job_that_is_known_no_more_may_be_cancelled(executor: Executor) -> None:
    assert executor.mutation("wire:cancel", {"job": "job-aaaaaaaaaaaaaaaaaaaa"}, None).ok


def test_codegen_says_the_names_that_were_given(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {
        "PYTHONPATH": str(root),
        "CONCAVE_APPS": "tests.runtime.test_wire_names",
        "OUT": str(tmp_path),
        "PATH": "/usr/bin",
    }
    done = subprocess.run([sys.executable, "-m", "infra.codegen"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    types = (tmp_path / "api.ts").read_text() + (tmp_path / "dataModel.ts").read_text()
    assert "user_id: string" in types
    assert "userId" not in types
    assert "page_title: string" in types
    assert "pageTitle: string" in types
