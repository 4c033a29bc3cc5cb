"""What is acknowledged survives `kill -9`; a file grows with its tables; one process per file."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from chalicelib.aws.models import ensure_tables, models
from chalicelib.aws.store import DynamoStore, connect
from chalicelib.data.errors import BadRequest, StoreFailed, StoreRefused
from chalicelib.data.store import IndexSpec, Key, Put, TableSpec, Update
from infra.local.sqlite.store import SqliteStore
from tests.support import engine
from tests.support.stores import SPECS, dynamo_stores

ROOT = Path(__file__).parents[2]
WRITER = """
    import sys
    from chalicelib.data.store import Absent, Put, Key, Update
    from infra.local.sqlite.store import SqliteStore
    from tests.support.stores import SPECS
    store = SqliteStore(sys.argv[1], SPECS)
    print("ready", flush=True)
    for number in range(100_000):
        store.transact([
            Put("commits", {"pk": f"c{number:06d}"}, Absent()),
            Put("notes", {"pk": f"n{number:06d}", "by_owner#p": "me", "by_owner#o": f"{number:06d}"}),
            Update(Key("fences", "f", "!"), add={("n",): 1}),
        ])
        print(number, flush=True)
"""


def _write_and_kill(file: Path) -> int:
    """A process that writes until it is killed; returns how many transactions it had been promised."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == "ready\n"
        promised = [said.readline() for _ in range(200)]
        process.kill()
        promised += said.readlines()
    process.wait(10)
    return int([line for line in promised if line.endswith("\n")][-1]) + 1


def test_what_a_killed_process_was_promised_is_there_and_nothing_is_half_done(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    promised = _write_and_kill(file)
    store = SqliteStore(file, SPECS)
    fence = store.get(Key("fences", "f", "!"))
    assert fence is not None
    assert fence["n"] in (promised, promised + 1)
    entries = store.query("notes", "me", index="by_owner").items
    assert [item["pk"] for item in entries] == [f"n{number:06d}" for number in range(fence["n"])]
    assert [change.new for change in store.changes(limit=10**6)] == [{"pk": f"c{number:06d}"} for number in range(fence["n"])]
    store.close()


def test_changes_that_were_not_dealt_with_are_delivered_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    promised = _write_and_kill(file)
    store = SqliteStore(file, SPECS)
    store.set_cursor(store.changes(limit=10)[-1].sequence)
    store.close()
    store = SqliteStore(file, SPECS)
    left = store.changes(store.cursor(), limit=10**6)
    assert left[0].new == {"pk": "c000010"}
    assert len(left) >= promised - 10
    store.close()


def test_a_second_store_on_the_same_file_is_told_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db", SPECS)
    with pytest.raises(StoreFailed, match="open elsewhere"):
        SqliteStore(tmp_path / "store.db", SPECS)
    store.close()
    SqliteStore(tmp_path / "store.db", SPECS).close()


def test_a_file_that_is_no_store_is_told_so_and_let_go(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_text("this is a letter to my aunt, and no database at all" * 100)
    for _ in range(2):
        with pytest.raises(StoreFailed, match="cannot open the store"):
            SqliteStore(file, SPECS)


def test_a_closed_store_says_that_it_failed() -> None:
    store = SqliteStore(":memory:", SPECS)
    store.close()
    with pytest.raises(StoreFailed):
        store.get(Key("notes", "a"))
    with pytest.raises(StoreFailed):
        store.write(Put("notes", {"pk": "a"}))


OWNER = IndexSpec("by_owner", "by_owner#p", "by_owner#o")
RANK = IndexSpec("by_rank", "rank#p", "rank#o")


def test_new_tables_and_indexes_appear_on_an_old_file_and_are_filled(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = SqliteStore(file, [TableSpec("notes", indexes=(OWNER,))])
    both = {"by_owner#p": "me", "by_owner#o": "1", "rank#p": "r"}
    store.write(Put("notes", {"pk": "a", "rank#o": "2", **both}))
    store.write(Put("notes", {"pk": "b", "rank#o": "1", **both}))
    store.write(Put("notes", {"pk": "wrong", "rank#o": 1, **both}))
    store.close()
    store = SqliteStore(file, [TableSpec("notes", indexes=(OWNER, RANK)), TableSpec("more", sorted=True)])
    assert [item["pk"] for item in store.query("notes", "r", index="by_rank").items] == ["b", "a"]
    assert len(store.query("notes", "me", index="by_owner").items) == 3
    store.write(Put("more", {"pk": "x", "sk": "y"}))
    store.write(Update(Key("notes", "wrong"), set={("rank#o",): "0"}))
    assert [item["pk"] for item in store.query("notes", "r", index="by_rank").items] == ["wrong", "b", "a"]
    store.close()


def test_an_index_that_changed_its_attributes_or_was_away_is_filled_anew(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = SqliteStore(file, [TableSpec("notes", indexes=(OWNER,))])
    store.write(Put("notes", {"pk": "a", "by_owner#p": "me", "by_owner#o": "1", "other": "z"}))
    store.close()
    store = SqliteStore(file, [TableSpec("notes", indexes=(IndexSpec("by_owner", "other", "by_owner#o"),))])
    assert store.query("notes", "me", index="by_owner").items == []
    assert len(store.query("notes", "z", index="by_owner").items) == 1
    store.close()
    store = SqliteStore(file, [TableSpec("notes")])
    store.write(Put("notes", {"pk": "b", "by_owner#p": "me", "by_owner#o": "0"}))
    store.close()
    store = SqliteStore(file, [TableSpec("notes", indexes=(OWNER,))])
    assert [item["pk"] for item in store.query("notes", "me", index="by_owner").items] == ["b", "a"]
    store.close()


def test_an_open_store_goes_on_with_other_declarations_or_with_its_own(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "new folder" / "store.db", [TableSpec("notes", indexes=(OWNER,))])
    store.write(Put("notes", {"pk": "a", "rank#p": "r", "rank#o": "1"}))
    store.declare([TableSpec("notes", indexes=(OWNER, RANK)), TableSpec("more")])
    assert [item["pk"] for item in store.query("notes", "r", index="by_rank").items] == ["a"]
    with pytest.raises(BadRequest):
        store.declare([TableSpec("notes", sorted=True)])
    store.write(Put("more", {"pk": "b"}))
    store.close()


def test_a_table_that_is_not_asked_for_keeps_its_items(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = SqliteStore(file, SPECS)
    store.write(Put("notes", {"pk": "a"}))
    store.close()
    SqliteStore(file, [TableSpec("other")]).close()
    store = SqliteStore(file, SPECS)
    assert store.get(Key("notes", "a")) == {"pk": "a"}
    store.close()


def test_a_table_cannot_change_its_key(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    SqliteStore(file, [TableSpec("notes")]).close()
    with pytest.raises(BadRequest, match="new name"):
        SqliteStore(file, [TableSpec("notes", sorted=True)])
    SqliteStore(file, [TableSpec("notes")]).close()


@pytest.mark.parametrize(
    "specs",
    [
        [TableSpec("a b")],
        [TableSpec("notes"), TableSpec("notes")],
        [TableSpec("notes", indexes=(IndexSpec("ab", "p", "o"),))],
        [TableSpec("notes", indexes=tuple(IndexSpec(f"by_{n}", "p", "o") for n in range(21)))],
    ],
    ids=["name", "twice", "short", "many"],
)
def test_tables_that_dynamodb_could_not_have_are_refused(specs: list[TableSpec]) -> None:
    with pytest.raises(BadRequest):
        SqliteStore(":memory:", specs)


@engine.needs_engine
def test_a_dynamodb_engine_gets_new_tables_and_indexes_too() -> None:
    running = engine.Engine()
    try:
        client = connect(running.url)
        first, second = [TableSpec("notes")], [TableSpec("notes", indexes=(OWNER, RANK)), TableSpec("more")]
        assert ensure_tables(client, models(first).values()) == ["notes"]
        store = DynamoStore(second, client=client)
        store.write(Put("notes", {"pk": "a", "by_owner#p": "me", "by_owner#o": "1", "rank#p": "r", "rank#o": "1"}))
        assert ensure_tables(client, models(second).values()) == ["more"]
        for index, partition in (("by_owner", "me"), ("by_rank", "r")):
            assert len(store.query("notes", partition, index=index).items) == 1
        store.close()
    finally:
        running.kill()


@engine.needs_engine
def test_the_dynamodb_engine_keeps_its_file_when_it_is_killed(tmp_path: Path) -> None:
    running = engine.Engine(tmp_path / "engine.db")
    try:
        store = dynamo_stores(running.url)()
        store.transact([Put("notes", {"pk": f"n{number}"}) for number in range(50)])
        running.kill()
        with pytest.raises(StoreFailed):
            store.get(Key("notes", "n0"))
        running.start()
        again = dynamo_stores(running.url)()
        assert again.batch_get([Key("notes", f"n{number}") for number in range(50)])[49] == {"pk": "n49"}
    finally:
        running.kill()


def test_a_store_that_refuses_to_be_written_says_so_and_goes_on_being_read(tmp_path: Path) -> None:
    """A full disk or a file without permission: nothing that is worth trying again for twenty seconds."""
    store = SqliteStore(tmp_path / "a.db", SPECS)
    store.write(Put("notes", {"pk": "a"}))
    store._db.execute("PRAGMA query_only = ON")
    for write in (lambda: store.write(Put("notes", {"pk": "b"})), lambda: store.transact([Put("notes", {"pk": "c"})])):
        with pytest.raises(StoreRefused) as refused:
            write()
        assert refused.value.code == "SQLITE_READONLY"
    assert store.get(Key("notes", "a")) == {"pk": "a"}
    assert store.get(Key("notes", "b")) is None
    store.close()
