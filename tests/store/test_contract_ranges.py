"""What every store must do with ranges: bounds, order, pages, and indexes that hold keys only."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.data.errors import BadRequest, ConditionFailed
from chalicelib.data.store import Check, Delete, Exists, Item, Key, Put, Store, Update

NOTE = Key("notes", "a")


def _log(store: Store, *sks: str, pk: str = "c") -> None:
    for sk in sks:
        store.write(Put("log", {"pk": pk, "sk": sk}))


def _sks(items: list[Item]) -> list[str]:
    return [item["sk"] for item in items]


# Queries --------------------------------------------------------------------------------------------------------------


def test_a_query_yields_one_partition_in_order_between_its_bounds(store: Store) -> None:
    _log(store, "3", "1", "2", "20")
    _log(store, "1", "9", pk="other")
    assert _sks(store.query("log", "c").items) == ["1", "2", "20", "3"]
    assert _sks(store.query("log", "c", newest=True).items) == ["3", "20", "2", "1"]
    assert _sks(store.query("log", "c", low="2").items) == ["2", "20", "3"]
    assert _sks(store.query("log", "c", high="2").items) == ["1", "2"]
    assert _sks(store.query("log", "c", low="2", high="20", newest=True).items) == ["20", "2"]
    assert store.query("log", "nobody").items == []


def test_bounds_that_leave_nothing_are_an_empty_answer(store: Store) -> None:
    _log(store, "1", "2")
    assert store.query("log", "c", low="2", high="1").items == []
    assert store.query("log", "c", high="").items == []
    assert _sks(store.query("log", "c", low="").items) == ["1", "2"]
    assert _sks(store.query("log", "c", low="1", high="1").items) == ["1"]


def test_a_limited_query_says_whether_there_may_be_more(store: Store) -> None:
    _log(store, *"12345")
    first = store.query("log", "c", limit=2)
    assert (_sks(first.items), first.more) == (["1", "2"], True)
    last = store.query("log", "c", limit=9, low="3")
    assert (_sks(last.items), last.more) == (["3", "4", "5"], False)
    assert store.query("log", "c").more is False
    with pytest.raises(BadRequest):
        store.query("log", "c", limit=0)


def test_sort_keys_are_in_the_order_of_their_utf8_bytes(store: Store) -> None:
    names = ["!", "A", "a", "z", "~", "é", "中", "\ue000", "\uffff", "😀", "\U0010ffff"]
    _log(store, *reversed(names))
    assert _sks(store.query("log", "c").items) == names
    assert _sks(store.query("log", "c", low="\uffff").items) == names[-3:]


def test_a_query_without_limit_reads_every_page_and_one_with_limit_stops_at_a_megabyte(store: Store) -> None:
    for number in range(8):
        store.write(Put("log", {"pk": "c", "sk": str(number), "text": "x" * 200_000}))
    whole = store.query("log", "c")
    assert (_sks(whole.items), whole.more) == (list("01234567"), False)
    page = store.query("log", "c", limit=8, newest=True)
    assert page.more is True
    assert 4 <= len(page.items) <= 6
    assert page.items[0]["sk"] == "7"


def test_a_table_without_sort_key_has_partitions_of_one(store: Store) -> None:
    store.write(Put("notes", {"pk": "a", "n": 1}))
    assert store.query("notes", "a").items == [{"pk": "a", "n": 1}]
    with pytest.raises(BadRequest):
        store.query("notes", "a", low="x")


# Indexes --------------------------------------------------------------------------------------------------------------


def _owned(store: Store, pk: str, owner: str, order: str) -> None:
    store.write(Put("notes", {"pk": pk, "by_owner#p": owner, "by_owner#o": order, "text": "long"}))


def _indexed(store: Store, owner: str, **bounds: Any) -> list[str]:
    return [item["pk"] for item in store.query("notes", owner, index="by_owner", **bounds).items]


def test_an_index_yields_keys_only(store: Store) -> None:
    _owned(store, "a", "me", "1")
    assert store.query("notes", "me", index="by_owner").items == [{"pk": "a", "by_owner#p": "me", "by_owner#o": "1"}]
    store.write(Put("log", {"pk": "c", "sk": "7", "by_author#p": "me", "by_author#o": "é", "text": "t"}))
    assert store.query("log", "me", index="by_author").items == [{"pk": "c", "sk": "7", "by_author#p": "me", "by_author#o": "é"}]


def test_an_index_is_ordered_bounded_and_limited(store: Store) -> None:
    for pk, order in (("x", "3"), ("y", "1"), ("z", "2")):
        _owned(store, pk, "me", order)
    assert _indexed(store, "me") == ["y", "z", "x"]
    assert _indexed(store, "me", newest=True, limit=2) == ["x", "z"]
    assert _indexed(store, "me", low="2") == ["z", "x"]
    assert _indexed(store, "me", low="1", high="2") == ["y", "z"]
    assert _indexed(store, "nobody") == []
    assert store.query("notes", "me", index="by_owner", limit=2).more is True


def test_items_with_one_index_key_are_all_found(store: Store) -> None:
    for pk in ("a", "b", "c"):
        _owned(store, pk, "me", "same")
    assert sorted(_indexed(store, "me")) == ["a", "b", "c"]


def test_an_item_moves_and_leaves_with_its_index_attributes(store: Store) -> None:
    _owned(store, "a", "me", "1")
    store.write(Update(NOTE, set={("by_owner#p",): "you", ("by_rank#p",): "r", ("by_rank#o",): "9"}))
    assert (_indexed(store, "me"), _indexed(store, "you")) == ([], ["a"])
    assert len(store.query("notes", "r", index="by_rank").items) == 1
    store.transact([Update(NOTE, remove=(("by_owner#o",),))])
    assert _indexed(store, "you") == []
    _owned(store, "a", "me", "2")
    store.write(Delete(NOTE))
    assert (_indexed(store, "me"), store.query("notes", "r", index="by_rank").items) == ([], [])


def test_a_refused_transaction_leaves_the_index_alone(store: Store) -> None:
    _owned(store, "a", "me", "1")
    with pytest.raises(ConditionFailed):
        store.transact([Update(NOTE, set={("by_owner#p",): "you"}), Check(Key("notes", "nobody"), Exists())])
    assert (_indexed(store, "me"), _indexed(store, "you")) == (["a"], [])
