"""`concave.testing`: functions as any caller, live queries, time and jobs, on the real engine in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chalicelib
import concave
from concave import MutationCtx, Refused
from concave.testing import App, Failed

SHOP = """
from concave import ActionCtx, Crons, Index, MutationCtx, QueryCtx, Refused, Table, action, internal_mutation, mutation, query


class Order(Table, name="testedOrders"):
    owner: str
    total: int = 0
    state: str = "open"
    by_owner = Index("owner")


@query
def mine(ctx: QueryCtx) -> list[Order]:
    who = ctx.user.subject if ctx.user else "nobody"
    return ctx.db.query(Order.by_owner(who)).collect()


@mutation
def place(ctx: MutationCtx, total: int) -> str:
    if total <= 0:
        raise Refused("Total", "An order costs something.", field="total")
    order = Order(id=ctx.new_id("o-"), owner=ctx.user.subject, total=total)
    ctx.db.insert(order)
    ctx.scheduler.run_after(60_000, expire, order_id=order.id)
    return order.id


@internal_mutation
def expire(ctx: MutationCtx, order_id: str) -> None:
    order = ctx.db.get(Order, order_id)
    if order is not None and order.state == "open":
        ctx.db.patch(order, state="expired")


@internal_mutation
def again(ctx: MutationCtx) -> None:
    ctx.scheduler.run_after(0, again)


@mutation
def breaks(ctx: MutationCtx) -> None:
    raise KeyError("lost")


@action
def total_of(ctx: ActionCtx) -> int:
    return sum(each["total"] for each in ctx.run_query(mine))


@internal_mutation
def nightly(ctx: MutationCtx) -> None:
    ctx.db.insert(Order(owner="cron", total=1))


crons = Crons()
crons.daily("nightly", nightly, hour=3)
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    (tmp_path / "tested_shop.py").write_text(SHOP)
    sys.path.insert(0, str(tmp_path))
    sys.modules.pop("tested_shop", None)
    try:
        with App("tested_shop") as running:
            yield running
    finally:
        sys.path.remove(str(tmp_path))


def test_the_words_of_an_app_are_those_of_the_backend() -> None:
    assert [name for name in chalicelib.__all__ if getattr(concave, name, None) is not getattr(chalicelib, name)] == []
    assert sorted(concave.__all__) == sorted(chalicelib.__all__)


def test_each_caller_sees_their_own_and_a_live_query_is_asked_again_only_when_it_was_touched(app: App) -> None:
    ada, bob = app.user("ada"), app.user("bob")
    hers, his = ada.subscribe("tested_shop:mine"), bob.subscribe("tested_shop:mine")
    ada.mutation("tested_shop:place", total=3)
    assert [each["total"] for each in hers.value] == [3]
    assert (his.value, his.reruns, len(hers.history)) == ([], 0, 2)
    assert app.anonymous().query("tested_shop:mine") == []
    assert app.user("ada", org="other").query("tested_shop:mine") == []
    assert ada.action("tested_shop:totalOf") == 3


def test_time_passes_when_the_test_says_so_and_jobs_run_when_they_are_due(app: App) -> None:
    ada = app.user("ada")
    ada.mutation("tested_shop:place", total=1)
    live = ada.subscribe("tested_shop:mine")
    assert app.advance(seconds=59) == 0
    assert live.value[0]["state"] == "open"
    assert app.advance(seconds=2) == 1
    assert live.value[0]["state"] == "expired"


def test_crons_run_at_their_hour(app: App) -> None:
    app.advance(hours=23)
    assert len(app.call("tested_shop:mine")) == 0
    found = app.run(lambda ctx: [each.owner for each in ctx.db.query(_orders().by_owner("cron")).collect()], org=None)
    assert found == ["cron"]


def test_a_refusal_is_raised_with_what_a_client_gets_and_a_fault_is_told_apart(app: App) -> None:
    with pytest.raises(Refused, match="costs something") as refused:
        app.user("ada").mutation("tested_shop:place", total=0)
    assert refused.value.data == {"code": "Total", "message": "An order costs something.", "field": "total"}
    with pytest.raises(Failed, match="KeyError"):
        app.user("ada").mutation("tested_shop:breaks")


def test_a_test_works_on_the_data_directly(app: App) -> None:
    def fill(ctx: MutationCtx) -> None:
        for number in range(3):
            ctx.db.insert(_orders()(owner="ada", total=number))

    live = app.user("ada").subscribe("tested_shop:mine")
    app.run(fill)
    assert len(live.value) == 3


def test_a_job_without_end_is_named(app: App) -> None:
    with pytest.raises(Failed, match="without end"):
        app.call("tested_shop:again")


def _orders() -> type:
    found: type = sys.modules["tested_shop"].Order
    return found
