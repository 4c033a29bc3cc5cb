"""The immutable store: versions without a gap, history, a moment of it, lists, search, deletion, and the refusals."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain import memory_spaces
from chalicelib.domain.immutable import purging, storing
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person, Refusal
from tests.functions.immutables import HERE, call, code, ids, keep, numbers


def test_each_store_is_a_version_and_old_ones_never_change(house: House, org: Person) -> None:
    told = []
    for number in range(1, 5):
        house.clock.ahead += 1_000
        told.append(keep(org, {"days": number, "text": [None, {"a": number}]}, metadata={"by": number}))
    assert numbers(told) == [1, 2, 3, 4]
    assert [each["createdAt"] for each in told] == [told[0]["createdAt"]] * 4
    history = call(org, "getHistory", **HERE)
    assert [each["data"] for each in history] == [each["data"] for each in told]
    assert [each["metadata"] for each in history] == [{"by": number} for number in range(1, 5)]
    assert [each["timestamp"] for each in history] == [each["updatedAt"] for each in told]
    for each in history:
        assert call(org, "getVersion", **HERE, version=each["version"]) == each
    newest = call(org, "get", **HERE)
    assert [each["version"] for each in told[3]["previousVersions"]] == numbers(newest["previousVersions"]) == [1, 2, 3]
    assert [each["data"] for each in newest["previousVersions"]] == [each["data"] for each in told[:3]]
    assert {**newest, "previousVersions": None} == {**told[3], "previousVersions": None}


def test_empty_data_are_data(org: Person) -> None:
    assert keep(org, {})["data"] == call(org, "get", **HERE)["data"] == {}


def test_what_is_absent_is_null_and_has_no_history(org: Person) -> None:
    assert call(org, "get", **HERE) is None
    assert call(org, "getVersion", **HERE, version=1) is None
    assert call(org, "getAtTimestamp", **HERE, timestamp=5) is None
    assert call(org, "getHistory", **HERE) == []
    keep(org, {})
    assert call(org, "getVersion", **HERE, version=2) is None


def test_a_moment_shows_the_version_that_was_the_newest_then(house: House, org: Person) -> None:
    at = []
    for number in range(9):
        house.clock.ahead += 1_000
        at.append(keep(org, {"n": number})["updatedAt"])
    assert call(org, "getAtTimestamp", **HERE, timestamp=at[0] - 1) is None
    for number, moment in enumerate(at):
        for time in (moment, moment + 900):
            assert call(org, "getAtTimestamp", **HERE, timestamp=time)["version"] == number + 1
    date = datetime.fromtimestamp(at[3] / 1000 + 0.5, UTC)
    for text in (date.isoformat(), date.isoformat().replace("+00:00", "Z"), date.replace(tzinfo=None).isoformat()):
        assert call(org, "getAtTimestamp", **HERE, timestamp=text)["version"] == 4
    call(org, "purgeVersions", **HERE, keepLatest=3)
    assert [call(org, "getAtTimestamp", **HERE, timestamp=each) is None for each in at] == [True] * 6 + [False] * 3


def times_rise(house: House, org: Person) -> None:
    """Whatever the clocks say."""
    for number in range(20):
        house.clock.ahead -= 1_000
        keep(org, {"n": number})
    history = call(org, "getHistory", **HERE)
    times = [each["timestamp"] for each in history]
    assert times == sorted(set(times))
    assert [call(org, "getAtTimestamp", **HERE, timestamp=each["timestamp"]) for each in history] == history


def test_a_long_history_is_read_on_after_its_last_version(org: Person) -> None:
    for number in range(5):
        keep(org, {"text": "x" * 30_000, "n": number})
    first = call(org, "getHistory", **HERE)
    assert numbers(first) == [1, 2, 3]
    assert first[-1]["listTruncated"] is True
    assert numbers(call(org, "getHistory", **HERE, afterVersion=3)) == [4, 5]
    assert numbers(call(org, "getHistory", **HERE, afterVersion=1, limit=1)) == [2]
    assert numbers(call(org, "get", **HERE)["previousVersions"]) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("function", "args", "told"),
    [
        ("store", {"id": "i", "data": {}}, ("MISSING_REQUIRED_FIELD", "type")),
        ("store", {"type": "", "id": "i", "data": {}}, ("INVALID_TYPE", "type")),
        ("store", {"type": 5, "id": "i", "data": {}}, ("INVALID_TYPE", "type")),
        ("store", {"type": "t" * 101, "id": "i", "data": {}}, ("INVALID_TYPE", "type")),
        ("store", {"type": "t", "id": " ", "data": {}}, ("INVALID_ID", "id")),
        ("store", {"type": "t", "id": "i" * 201, "data": {}}, ("INVALID_ID", "id")),
        ("store", {"type": "t", "id": "i"}, ("MISSING_REQUIRED_FIELD", "data")),
        ("store", {"type": "t", "id": "i", "data": [1]}, ("INVALID_DATA", "data")),
        ("store", {"type": "t", "id": "i", "data": "text"}, ("INVALID_DATA", "data")),
        ("store", {"type": "t", "id": "i", "data": None}, ("INVALID_DATA", "data")),
        ("store", {"type": "t", "id": "i", "data": {"a": "x" * 70_000}}, ("DATA_TOO_LARGE", "data")),
        ("store", {"type": "t", "id": "i", "data": {}, "metadata": "m"}, ("INVALID_METADATA", "metadata")),
        ("store", {"type": "t", "id": "i", "data": {}, "userId": ""}, ("INVALID_USER_ID", "userId")),
        ("getVersion", {**HERE, "version": 0}, ("INVALID_VERSION", "version")),
        ("getVersion", {**HERE, "version": 1.5}, ("INVALID_VERSION", "version")),
        ("getVersion", {**HERE, "version": "1"}, ("INVALID_VERSION", "version")),
        ("getAtTimestamp", {**HERE, "timestamp": "yesterday"}, ("INVALID_TIMESTAMP", "timestamp")),
        ("getAtTimestamp", {**HERE, "timestamp": []}, ("INVALID_TIMESTAMP", "timestamp")),
        ("list", {"limit": 0}, ("INVALID_LIMIT", "limit")),
        ("list", {"limit": 1001}, ("INVALID_LIMIT", "limit")),
        ("list", {"offset": 950}, ("INVALID_OFFSET", "offset")),
        ("search", {}, ("MISSING_REQUIRED_FIELD", "query")),
        ("search", {"query": "  "}, ("MISSING_REQUIRED_FIELD", "query")),
        ("search", {"query": "x", "limit": 101}, ("INVALID_LIMIT", "limit")),
        ("purge", HERE, ("IMMUTABLE_ENTRY_NOT_FOUND", "id")),
        ("purgeMany", {}, ("INVALID_FILTER", None)),
        ("purgeVersions", {**HERE, "keepLatest": 0}, ("INVALID_KEEP_LATEST", "keepLatest")),
        ("purgeVersions", {**HERE, "keepLatest": 1}, ("IMMUTABLE_ENTRY_NOT_FOUND", "id")),
    ],
)
def test_every_refusal_has_its_code_and_field(
    house: House, org: Person, function: str, args: dict[str, Any], told: tuple[str, Any]
) -> None:
    if args == {"offset": 950}:
        many(house, org, 901)
    assert code(org, function, **args) == told


def many(house: House, org: Person, count: int) -> None:
    """A lot of records, several in one commit."""
    from chalicelib import MutationCtx
    from chalicelib.runtime.contexts import caller_of
    from chalicelib.runtime.identity import service

    def some(start: int) -> None:
        def body(run: Any) -> str:
            ctx = MutationCtx(caller_of(service("acme")), run.log, run.db, run.now, run.jobs)
            reach = memory_spaces.Reach(memory_spaces.DEFAULT, is_org=True)
            for number in range(start, min(count, start + 20)):
                storing.store(ctx, reach, "many", f"{number:04}", {})
            return "null"

        house.backend.executor.transact("acme", "test:many", body)

    for start in range(0, count, 20):
        some(start)
    assert call(org, "count", type="many") == count


def test_counts_are_the_lengths_of_lists_whatever_happens(org: Person) -> None:
    rng, alive = random.Random(11), dict[tuple[str, str], str | None]()
    for step in range(120):
        place = (rng.choice("tuv"), rng.choice("abcdef"))
        args = {"type": place[0], "id": place[1]}
        match rng.choice(["store", "store", "store for", "purge", "purge versions"]):
            case "store":
                call(org, "store", **args, data={"n": step})
                alive.setdefault(place, None)
            case "store for":
                alive[place] = rng.choice(["alice", "bob"])
                call(org, "store", **args, data={"n": step}, userId=alive[place])
            case "purge" if place in alive:
                call(org, "purge", **args)
                del alive[place]
            case "purge versions" if place in alive:
                call(org, "purgeVersions", **args, keepLatest=1)
    for type in (None, *"tuvw"):
        for user in (None, "alice", "bob", "carol"):
            wanted = {name: each for name, each in (("type", type), ("userId", user)) if each is not None}
            expected = {place for place, whose in alive.items() if type in (None, place[0]) and user in (None, whose)}
            found = call(org, "list", **wanted)
            assert {(each["type"], each["id"]) for each in found} == expected
            assert call(org, "count", **wanted) == len(found) == len(expected)


def test_lists_are_newest_first_and_paged(house: House, org: Person) -> None:
    for each in "abcd":
        house.clock.ahead += 1_000
        keep(org, {"text": "x" * 30_000}, id=each)
    keep(org, {"text": "y" * 30_000}, id="a")
    first = call(org, "list")
    assert ids(first) == ["d", "c", "b"]
    assert first[-1]["listTruncated"] is True
    assert ids(call(org, "list", offset=3)) == ["a"]
    assert numbers(call(org, "list", offset=3)) == [2]
    assert ids(call(org, "list", limit=1, offset=1)) == ["c"]


def test_the_newest_data_are_found_by_their_words(org: Person) -> None:
    keep(org, {"title": "Ein Café", "tags": ["kaffee", {"note": "Röstung"}]}, id="a", userId="alice")
    keep(org, {"title": "日本語の検索"}, id="b")
    keep(org, {"title": "Tea in a cafe", "price": 1250}, id="c", type="menu")
    assert {each["entry"]["id"] for each in call(org, "search", query="cafe")} == {"a", "c"}
    assert [each["entry"]["id"] for each in call(org, "search", query="検索")] == ["b"]
    assert [each["entry"]["id"] for each in call(org, "search", query="rost")] == ["a"]
    assert [each["entry"]["id"] for each in call(org, "search", query="1250")] == ["c"]
    assert [each["entry"]["id"] for each in call(org, "search", query="cafe", type="menu")] == ["c"]
    assert [each["entry"]["id"] for each in call(org, "search", query="cafe", userId="alice")] == ["a"]
    (hit,) = call(org, "search", query="cafe", limit=1)
    assert hit["score"] > 0
    assert "caf" in hit["highlights"][0].lower()
    keep(org, {"title": "Ein Haus"}, id="a")
    assert [each["entry"]["id"] for each in call(org, "search", query="cafe")] == ["c"], "what is no more its newest version"
    call(org, "purge", type="menu", id="c")
    assert call(org, "search", query="cafe") == []


def purged_is_gone(house: House, org: Person) -> None:
    """With all its versions, and it may come again."""
    for number in range(95):
        keep(org, {"n": number})
    told = call(org, "purge", **HERE)
    assert told == {"deleted": True, **HERE, "versionsDeleted": 95}
    assert call(org, "get", **HERE) is None
    assert [call(org, "getVersion", **HERE, version=each) for each in (1, 50, 95)] == [None] * 3
    assert [keep(org, {"again": number})["version"] for number in range(50)] == list(range(1, 51))
    assert call(org, "getVersion", **HERE, version=95) is None
    house.work()
    assert house.rows("immutableVersions") == 50
    assert [each["data"] for each in call(org, "getHistory", **HERE)] == [{"again": number} for number in range(50)]


def test_old_versions_are_purged_and_numbers_stay(house: House, org: Person) -> None:
    for number in range(60):
        keep(org, {"n": number + 1})
    assert call(org, "purgeVersions", **HERE, keepLatest=5) == {"versionsPurged": 55, "versionsRemaining": 5}
    assert numbers(call(org, "getHistory", **HERE)) == [56, 57, 58, 59, 60]
    assert call(org, "getVersion", **HERE, version=55) is None
    assert numbers(call(org, "get", **HERE)["previousVersions"]) == [56, 57, 58, 59]
    house.work()
    assert house.rows("immutableVersions") == 5
    assert call(org, "purgeVersions", **HERE, keepLatest=9) == {"versionsPurged": 0, "versionsRemaining": 5}
    assert keep(org, {})["version"] == 61


def test_records_of_a_type_or_a_user_are_purged_and_said_before(house: House, org: Person) -> None:
    for number in range(20):
        for _ in range(number % 3 + 1):
            keep(org, {"n": number}, id=f"i{number:02}", userId=f"u{number % 2}")
    keep(org, {}, type="other", userId="u0")
    planned = call(org, "purgeMany", type="policy", dryRun=True)
    assert (planned["deleted"], planned["wouldDelete"], len(planned["entries"])) == (0, 20, 20)
    done = call(org, "purgeMany", type="policy", userId="u1")
    assert (done["deleted"], done["totalVersionsDeleted"]) == (10, sum(n % 3 + 1 for n in range(1, 20, 2)))
    assert call(org, "count", type="policy") == 10
    assert call(org, "purgeMany", userId="u0")["deleted"] == 11
    assert call(org, "count") == 0
    house.work()
    assert house.rows("immutableVersions") == 0


def test_a_purged_record_is_gone_with_all_its_versions_and_may_come_again(house: House, org: Person) -> None:
    purged_is_gone(house, org)


def test_times_of_versions_rise_whatever_the_clocks_say(house: House, org: Person) -> None:
    times_rise(house, org)


def _one_name(ctx: Any, reach: Any, *args: Any, **more: Any) -> Any:
    """Versions stand under the record's own name, whether or not it was purged before."""
    kept = ctx.new_id
    ctx.new_id = lambda prefix="": "rec-same" if prefix == "rec-" else kept(prefix)
    return _STORE(ctx, reach, *args, **more)


_STORE = storing.store


@pytest.mark.parametrize(
    "swap",
    [(storing, "store", _one_name), (purging, "clear", lambda ctx, record, first, last, at_once=0: None)],
    ids=["versions of its own", "a job for the rest"],
)
def test_a_purged_record_would_not_be_gone_without(swap: Any, house: House, org: Person) -> None:
    with swapped(swap), pytest.raises((AssertionError, Refusal)):
        purged_is_gone(house, org)


def test_times_would_not_rise_by_the_clock_alone(house: House, org: Person) -> None:
    with swapped((storing, "later", lambda ctx, row: ctx.now)), pytest.raises(AssertionError):
        times_rise(house, org)
