"""From the store's log to `on_change`: in order, again after a failure, and on from the same place after a crash."""

from __future__ import annotations

import queue
import threading
from typing import Any

import pytest

from chalicelib.data.store import Change, Key, Put, TableSpec, Update
from infra.local.aws.pump import FIRST_PAUSE_S, LONGEST_PAUSE_S, LogFeed, Pump, StreamFeed
from infra.local.sqlite.store import SqliteStore

SPECS = [TableSpec("commits", stream=True), TableSpec("chatChunks", sorted=True, stream=True), TableSpec("notes")]


class Target:
    """Stands for `on_change`: remembers what it got, and answers as told."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.answers: list[Any] = []
        self.arrived: queue.Queue[str] = queue.Queue()

    def __call__(self, event: dict[str, Any]) -> Any:
        names = [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]
        self.batches.append(names)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        for name in names:
            self.arrived.put(name)
        return answer(event) if callable(answer) else answer


def fail(*names: str) -> Any:
    """An answer that refuses the records of these items."""

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        refused = [record for record in event["Records"] if record["dynamodb"]["Keys"]["pk"]["S"] in names]
        return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in refused]}

    return answer


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore(tmp_path / "x.db", SPECS)
    yield opened
    opened.close()


def put(store: SqliteStore, *names: str) -> None:
    for name in names:
        store.write(Put("commits", {"pk": name}))


def pump_of(store: SqliteStore, target: Target, table: str = "commits") -> tuple[Pump, list[float]]:
    pauses: list[float] = []
    return Pump(table, LogFeed(store, table), target, pauses.append), pauses


def drain(pump: Pump) -> None:
    while pump.step():
        continue


def test_changes_arrive_in_commit_order_and_only_the_tables_own(store):
    target = Target()
    pump, _ = pump_of(store, target)
    put(store, "a", "b")
    store.write(Put("notes", {"pk": "n"}))
    store.write(Put("chatChunks", {"pk": "m", "sk": "1"}))
    put(store, "c")
    drain(pump)
    assert target.batches == [["a", "b", "c"]]


def test_a_batch_has_at_most_a_hundred_records(store):
    target = Target()
    pump, _ = pump_of(store, target)
    put(store, *(f"{number:03}" for number in range(120)))
    drain(pump)
    assert [len(batch) for batch in target.batches] == [100, 20]


def test_after_a_partial_failure_everything_from_the_lowest_failed_record_on_comes_again(store):
    target = Target()
    pump, pauses = pump_of(store, target)
    target.answers = [fail("d", "b"), fail("c")]
    put(store, "a", "b", "c", "d")
    drain(pump)
    assert target.batches == [["a", "b", "c", "d"], ["b", "c", "d"], ["c", "d"]]
    assert pauses == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S]


@pytest.mark.parametrize(
    "answer", [RuntimeError("broken"), {"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"batchItemFailures": [{}]}]
)
def test_after_an_exception_or_a_senseless_answer_the_whole_batch_comes_again(store, answer):
    target = Target()
    pump, _ = pump_of(store, target)
    target.answers = [answer]
    put(store, "a", "b")
    drain(pump)
    assert target.batches == [["a", "b"], ["a", "b"]]


def test_pauses_grow_to_a_ceiling_and_start_over_after_a_success(store):
    target = Target()
    pump, pauses = pump_of(store, target)
    target.answers = [fail("a")] * 9 + [None, fail("b")]
    put(store, "a")
    drain(pump)
    put(store, "b")
    drain(pump)
    assert pauses[7:] == [LONGEST_PAUSE_S, LONGEST_PAUSE_S, FIRST_PAUSE_S]


def test_a_new_pump_goes_on_behind_what_was_done_and_repeats_what_was_not(store):
    target = Target()
    pump, _ = pump_of(store, target)
    target.answers = [fail("b")]
    put(store, "a", "b", "c")
    pump.step()
    pump.stop()
    again = Target()
    drain(pump_of(store, again)[0])
    assert again.batches == [["b", "c"]]


def test_the_position_survives_the_process(tmp_path):
    store = SqliteStore(tmp_path / "x.db", SPECS)
    put(store, "a")
    drain(pump_of(store, Target())[0])
    put(store, "b")
    store.close()
    store = SqliteStore(tmp_path / "x.db", SPECS)
    target = Target()
    drain(pump_of(store, target)[0])
    store.close()
    assert target.batches == [["b"]]


def test_tables_do_not_wait_for_each_other(store):
    chunks, commits = Target(), Target()
    stuck, _ = pump_of(store, commits)
    commits.answers = [fail("a")]
    put(store, "a")
    store.write(Put("chatChunks", {"pk": "m", "sk": "1"}))
    stuck.step()
    drain(pump_of(store, chunks, "chatChunks")[0])
    assert chunks.batches == [["m"]]


def test_a_running_pump_is_woken_by_a_commit_and_stops_when_told(store):
    target = Target()
    pump, _ = pump_of(store, target)
    pump.start()
    put(store, "a")
    assert target.arrived.get(timeout=5) == "a"
    put(store, "b")
    assert target.arrived.get(timeout=5) == "b"
    pump.stop()
    assert not pump._thread.is_alive()


def test_a_running_pump_outlives_a_store_that_fails(store):
    class Flaky:
        """Fails once."""

        def __init__(self) -> None:
            self.failed = False

        def changes(self, after: str | None = None, limit: int = 100) -> list[Change]:
            if not self.failed:
                self.failed = True
                raise OSError("the disk is away")
            return store.changes(after, limit)

        listen, cursor, set_cursor = store.listen, store.cursor, store.set_cursor

    target = Target()
    put(store, "a")
    pump = Pump("commits", LogFeed(Flaky(), "commits"), target, lambda seconds: None)
    pump.start()
    assert target.arrived.get(timeout=5) == "a"
    pump.stop()


def test_only_a_tables_own_records_wake_its_pump_and_now_and_then_those_of_others(store):
    woken: list[str] = []
    stop = store.listen(lambda: woken.append("chunks"), "chatChunks")
    store.listen(lambda: woken.append("commits"), "commits")
    put(store, "a")
    store.write(Put("chatChunks", {"pk": "m", "sk": "1"}))
    assert woken == ["commits", "chunks"]
    put(store, *map(str, range(300)))  # its cursor must pass them, or they are kept
    assert woken.count("chunks") == 2
    stop()
    store.write(Put("chatChunks", {"pk": "m", "sk": "2"}))
    assert woken.count("chunks") == 2


def test_what_comes_within_the_window_goes_together(store):
    batches: list[int] = []
    waits, woken, told = threading.Event(), threading.Event(), threading.Event()

    class Heard(LogFeed):
        def wait(self) -> None:
            waits.set()
            super().wait()
            woken.set()

    def take(event: dict[str, Any]) -> None:
        batches.append(len(event["Records"]))
        told.set()

    pump = Pump("commits", Heard(store, "commits"), take, gather_s=60.0)
    pump.start()
    assert waits.wait(5)
    put(store, "a")
    assert woken.wait(5)
    put(store, "b", "c", "d", "e")
    assert not told.wait(0.1)
    pump.stop()
    drain(Pump("commits", LogFeed(store, "commits"), take))
    assert batches == [5]


def test_an_update_carries_the_new_item(store):
    seen: list[dict[str, Any]] = []
    pump = Pump("commits", LogFeed(store, "commits"), lambda event: seen.extend(event["Records"]))
    put(store, "a")
    store.write(Update(Key("commits", "a"), set={("n",): 5}))
    drain(pump)
    assert [record["eventName"] for record in seen] == ["INSERT", "MODIFY"]
    assert seen[1]["dynamodb"]["NewImage"] == {"pk": {"S": "a"}, "n": {"N": "5"}}
    assert "/commits/" in seen[1]["eventSourceARN"]


class FakeStreams:
    """The shards of an engine's stream."""

    def __init__(self, *polls: list[list[tuple[str, str]]]) -> None:
        self.polls = list(polls)

    def poll(self, limit: int) -> list[list[dict[str, Any]]]:
        batches = self.polls.pop(0) if self.polls else []
        return [
            [{"dynamodb": {"Keys": {"pk": {"S": name}}, "SequenceNumber": sequence}} for sequence, name in batch]
            for batch in batches
        ]


def test_an_engines_shards_are_moved_one_after_the_other_and_a_failed_rest_comes_again():
    target = Target()
    streams = FakeStreams([[("1", "a"), ("2", "b")], [("7", "x")]], [[("3", "c")]])
    pump = Pump("commits", StreamFeed(streams), target, lambda seconds: None)  # type: ignore[arg-type]
    target.answers = [fail("b")]
    drain(pump)
    assert target.batches == [["a", "b"], ["b"], ["x"], ["c"]]


def test_what_everybody_knows_is_passed_over_and_is_not_read_again(store):
    known = {"a", "c"}
    seen: list[str] = []
    feed = LogFeed(store, "commits", lambda change: change.new is not None and change.new["pk"] in known)
    pump = Pump("commits", feed, lambda event: seen.extend(each["dynamodb"]["Keys"]["pk"]["S"] for each in event["Records"]))
    put(store, "a", "b", "c")
    drain(pump)
    assert seen == ["b"]
    known.clear()
    drain(Pump("commits", LogFeed(store, "commits"), lambda event: seen.append("again")))
    assert seen == ["b"]
