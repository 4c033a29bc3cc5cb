"""A field keeps the wire name that its declaration gives it: in the document, in an index, in a patch, in a key."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib import Index, Table
from chalicelib.data.building import NOTHING_BUILDING
from chalicelib.data.commit import commit
from chalicelib.data.database import Reader, Writer
from chalicelib.data.errors import BadRequest
from chalicelib.data.receipts import Intent
from chalicelib.data.tables import all_specs
from chalicelib.data.transaction import Transaction
from infra.local.sqlite.store import SqliteStore


class Wired(Table, name="wiredRows", ttl="dies_at"):
    user_id: str = msgspec.field(name="user_id")
    made_by: str = "x"
    rank_no: int = msgspec.field(default=0, name="rank_no")
    e_mail: str | None = msgspec.field(default=None, name="e_mail")
    dies_at: float | None = msgspec.field(default=None, name="dies_at")
    meta: dict[str, Any] = msgspec.field(default_factory=dict, name="meta_data")

    by_user = Index("user_id", order="rank_no")
    by_mail = Index("e_mail", unique=True)
    by_maker = Index("made_by")
    by_inner = Index("meta.some_key")


class WiredLog(Table, name="wiredLogs", key=("user_id", "line_no")):
    user_id: str = msgspec.field(name="user_id")
    line_no: int = msgspec.field(name="line_no")


def committed(store: SqliteStore, *, number: int) -> tuple[Transaction, Writer]:
    tx = Transaction(store, "acme", now_ms=float(number), writable=True, building=NOTHING_BUILDING)
    return tx, Writer(tx, lambda: f"n{number}")


def keep(store: SqliteStore, tx: Transaction, number: int) -> None:
    commit(store, tx, Intent(f"acme|c{number}", f"s{number}", "", "t", "acme", "null", 1))


def test_an_index_a_patch_and_a_key_use_the_declared_wire_name() -> None:
    store = SqliteStore(":memory:", all_specs())
    tx, db = committed(store, number=1)
    made = Wired(user_id="u", rank_no=2, e_mail="m", dies_at=5000.0, meta={"some_key": "k"})
    db.insert(made)
    db.insert(WiredLog(id="l", user_id="u", line_no=1))
    keep(store, tx, 1)
    (item,) = store.scan("wiredRows").items
    assert {"user_id", "madeBy", "rank_no", "e_mail", "dies_at", "meta_data"} <= item.keys()
    assert item["ttl"] == 5
    tx, db = committed(store, number=2)
    assert db.patch(made, rank_no=7, user_id="v").rank_no == 7
    with pytest.raises(BadRequest, match="nothing"):
        db.patch(made, nothing=1)
    keep(store, tx, 2)
    read = Reader(Transaction(store, "acme"))
    assert [row.rank_no for row in read.query(Wired.by_user("v").at_least(7)).take(5)] == [7]
    assert read.query(Wired.by_user("u")).take(5) == []
    assert len(read.query(Wired.by_maker("x")).take(5)) == len(read.query(Wired.by_inner("k")).take(5)) == 1
    assert read.query(Wired.by_mail("m")).unique().user_id == "v"
    assert [row.line_no for row in read.query(WiredLog.log("u")).take(5)] == [1]
    assert read.get(WiredLog, "u", 1) is not None
