"""Changes: what makes a record and what does not, who is woken, cursors, time to live, and the shape that Lambda gets."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.aws.wire import item_from_wire
from chalicelib.data.errors import ConditionFailed, StoreFailed
from chalicelib.data.store import Absent, Change, Check, Delete, Exists, IndexSpec, Key, Put, Store, TableSpec, Update
from infra.local.aws.streams import DynamoStreams, event, lambda_record
from infra.local.sqlite.store import SqliteStore
from tests.support.engine import Engine, needs_engine
from tests.support.stores import SPECS

ONE = Key("commits", "c")


@pytest.fixture
def sqlite() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:", SPECS)
    yield store
    store.close()


def _seen(store: SqliteStore, after: str | None = None) -> list[tuple[object, object]]:
    return [(change.old, change.new) for change in store.changes(after)]


def test_every_change_of_a_streamed_table_is_a_record_with_both_images(sqlite: SqliteStore) -> None:
    sqlite.write(Put("commits", {"pk": "c", "n": 1}))
    sqlite.write(Update(ONE, add={("n",): 1}))
    sqlite.transact([Delete(ONE), Put("log", {"pk": "m", "sk": "1"}), Put("notes", {"pk": "not streamed"})])
    changes = sqlite.changes()
    assert [(change.table, change.old, change.new) for change in changes] == [
        ("commits", None, {"pk": "c", "n": 1}),
        ("commits", {"pk": "c", "n": 1}, {"pk": "c", "n": 2}),
        ("commits", {"pk": "c", "n": 2}, None),
        ("log", None, {"pk": "m", "sk": "1"}),
    ]
    assert [change.sequence for change in changes] == sorted({change.sequence for change in changes})


def test_what_changes_nothing_makes_no_record(sqlite: SqliteStore) -> None:
    sqlite.write(Put("commits", {"pk": "c", "n": 1}))
    sqlite.write(Put("commits", {"n": 1.0, "pk": "c"}))
    sqlite.write(Update(ONE, set={("n",): 1}))
    sqlite.write(Delete(Key("commits", "nobody")))
    sqlite.transact([Check(ONE, Exists()), Put("notes", {"pk": "a"})])
    with pytest.raises(ConditionFailed):
        sqlite.transact([Put("commits", {"pk": "d"}), Put("commits", {"pk": "c"}, Absent())])
    assert len(sqlite.changes()) == 1
    sqlite.write(Put("commits", {"pk": "c", "n": True}))
    assert len(sqlite.changes()) == 2


def test_changes_are_read_in_pages_behind_a_sequence(sqlite: SqliteStore) -> None:
    for number in range(25):
        sqlite.write(Put("commits", {"pk": str(number)}))
    read: list[Change] = []
    while page := sqlite.changes(read[-1].sequence if read else None, 10):
        read += page
    assert [change.new for change in read] == [{"pk": str(number)} for number in range(25)]


def test_a_waiting_pump_is_woken_by_a_commit(sqlite: SqliteStore) -> None:
    waiting, woken = threading.Event(), threading.Event()

    def pump() -> None:
        waiting.set()
        if sqlite.wait(30, after="0"):
            woken.set()

    thread = threading.Thread(target=pump)
    thread.start()
    waiting.wait()
    sqlite.write(Put("notes", {"pk": "not streamed"}))
    assert not woken.is_set()
    sqlite.write(Put("commits", {"pk": "c"}))
    thread.join(10)
    assert woken.is_set()
    assert sqlite.wait(30, after="0") is True
    assert sqlite.wait(0.01) is False


def test_closing_wakes_a_waiting_pump() -> None:
    store = SqliteStore(":memory:", SPECS)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(store.wait(30, after="0")))
    thread.start()
    store.close()
    thread.join(10)
    assert answers == [False]


def test_a_listener_hears_of_every_commit_with_a_record_until_it_stops(sqlite: SqliteStore) -> None:
    heard: list[int] = []
    stop = sqlite.listen(lambda: heard.append(len(sqlite.changes())))
    sqlite.transact([Put("commits", {"pk": "1"}), Put("commits", {"pk": "2"})])
    sqlite.write(Put("notes", {"pk": "a"}))
    sqlite.write(Put("commits", {"pk": "3"}))
    stop()
    sqlite.write(Put("commits", {"pk": "4"}))
    assert heard == [2, 3]


def test_records_behind_every_cursor_are_trimmed_and_others_never(sqlite: SqliteStore) -> None:
    for number in range(700):
        sqlite.write(Put("commits", {"pk": str(number)}))
    all_ = sqlite.changes(limit=1000)
    sqlite.set_cursor(all_[99].sequence, "slow")
    sqlite.set_cursor(all_[599].sequence, "fast")
    assert sqlite.changes(limit=1)[0].sequence == all_[0].sequence
    sqlite.set_cursor(all_[599].sequence, "slow")
    sqlite.write(Put("notes", {"pk": "whatever is written next"}))
    assert sqlite.changes(limit=1000) == all_[600:]
    assert (sqlite.cursor("fast"), sqlite.cursor("nobody")) == (all_[599].sequence, None)
    sqlite.write(Put("commits", {"pk": "later"}))
    assert sqlite.changes(limit=1000)[-1].sequence > all_[-1].sequence


def test_a_cursor_is_stored_with_the_next_commit_and_when_the_store_is_closed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", SPECS)
    store.write(Put("commits", {"pk": "1"}))
    (first,) = store.changes()
    store.set_cursor(first.sequence)
    assert _stored_cursor(tmp_path) is None
    assert store.cursor() == first.sequence
    store.write(Put("commits", {"pk": "2"}))
    assert _stored_cursor(tmp_path) == int(first.sequence)
    second = store.changes()[-1].sequence
    store.set_cursor(second)
    store.close()
    assert _stored_cursor(tmp_path) == int(second)


def _stored_cursor(folder: Path) -> int | None:
    db = sqlite3.connect(folder / "a.db")
    row = db.execute("SELECT sequence FROM cursors").fetchone()
    db.close()
    return None if row is None else int(row[0])


def test_expired_items_go_with_their_index_entries_and_without_a_record() -> None:
    spec = TableSpec("things", stream=True, ttl=True, indexes=(IndexSpec("by_owner", "owner", "order"),))
    store = SqliteStore(":memory:", [spec, TableSpec("forever")])
    for number in range(1200):
        store.write(Put("things", {"pk": str(number), "owner": "me", "order": str(number), "ttl": number}))
    for pk, ttl in (("none", None), ("text", "7"), ("bool", True)):
        store.write(Put("things", {"pk": pk, "ttl": ttl}))
    store.write(Put("forever", {"pk": "a", "ttl": 1}))
    before = len(store.changes(limit=10**4))
    assert store.expire(1099.9) == 1100
    assert len(store.query("things", "me", index="by_owner").items) == 100
    kept = store.batch_get([Key("things", pk) for pk in ("1099", "1100", "none", "text", "bool")] + [Key("forever", "a")])
    assert [item is not None for item in kept] == [False, True, True, True, True, True]
    assert len(store.changes(limit=10**4)) == before
    assert store.expire(1099.9) == 0
    store.close()


def test_a_change_is_dressed_as_a_lambda_record(sqlite: SqliteStore) -> None:
    sqlite.write(Put("log", {"pk": "m", "sk": "1", "raw": b"\x00\xff"}))
    sqlite.write(Delete(Key("log", "m", "1")))
    insert, remove = event(map(lambda_record, sqlite.changes()))["Records"]
    assert (insert["eventName"], remove["eventName"]) == ("INSERT", "REMOVE")
    assert insert["eventSourceARN"].split("/")[1] == "log"
    assert insert["dynamodb"]["Keys"] == {"pk": {"S": "m"}, "sk": {"S": "1"}}
    assert insert["dynamodb"]["NewImage"]["raw"] == {"B": "AP8="}
    assert item_from_wire(insert["dynamodb"]["NewImage"]) == {"pk": "m", "sk": "1", "raw": b"\x00\xff"}
    assert "NewImage" not in remove["dynamodb"]


@needs_engine
def test_the_streams_of_a_dynamodb_engine_give_the_same_records() -> None:
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore

    running = Engine()
    try:
        store: Store = (dynamo := DynamoStore(SPECS, "x-", running.url))
        ensure_tables(dynamo.client, models(SPECS, "x-").values())
        store.write(Put("commits", {"pk": "before"}))
        latest, all_ = DynamoStreams(SPECS, "x-", running.url), DynamoStreams(SPECS, "x-", running.url, start="TRIM_HORIZON")
        store.transact([Put("commits", {"pk": "c", "raw": b"\x00\xff", "n": 1.5}), Put("notes", {"pk": "a"})])
        store.write(Put("log", {"pk": "m", "sk": "1"}))
        with pytest.raises(ConditionFailed):
            store.transact([Put("commits", {"pk": "d"}), Check(Key("notes", "nobody"), Exists())])
        store.write(Delete(ONE))
        batches = latest.poll()
        seen = [
            (record["eventSourceARN"].split("/")[1], record["eventName"], item_from_wire(record["dynamodb"].get("NewImage", {})))
            for batch in batches
            for record in batch
        ]
        assert sorted(seen, key=str) == [
            ("x-commits", "INSERT", {"pk": "c", "raw": b"\x00\xff", "n": 1.5}),
            ("x-commits", "REMOVE", {}),
            ("x-log", "INSERT", {"pk": "m", "sk": "1"}),
        ]
        assert latest.poll() == []
        store.write(Put("commits", {"pk": "late"}))
        resumed = DynamoStreams(SPECS, "x-", running.url, start="TRIM_HORIZON", positions=latest.positions())
        assert [record["dynamodb"]["Keys"] for batch in resumed.poll() for record in batch] == [{"pk": {"S": "late"}}]
        assert sum(len(batch) for batch in all_.poll()) == 5
        running.kill()
        with pytest.raises(StoreFailed):
            latest.poll()
        for streams in (latest, all_, resumed):
            streams.close()
        dynamo.close()
    finally:
        running.kill()
