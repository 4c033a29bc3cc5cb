"""`RateLimit`: never more than the limit, however many ask at once; what is refused costs nothing; the wait is the true one."""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import ActionCtx, MutationCtx, RateLimit, Refused, action, mutation
from chalicelib.data.errors import WrongDeclaration
from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import User
from chalicelib.runtime.rate_limits import Bucket
from chalicelib.runtime.registry import Registry
from examples import guestbook
from infra.local.sqlite.store import SqliteStore
from tests.runtime.test_faults import House
from tests.support.rest import Names, Rest

LIMITS = {
    "bucket": RateLimit("bucket", per_minute=30, capacity=10),
    "window": RateLimit("window", per_minute=10, kind="fixed window"),
    "saving": RateLimit("saving", per_minute=10, capacity=25, kind="fixed window"),
    "shared": RateLimit("shared", per_hour=60, shards=4),
    "slow": RateLimit("slow", per_day=0.5, capacity=1),
}


@mutation
def take(
    ctx: MutationCtx, limit: str, key: str = "", count: float = 1, throws: bool = True, fails: bool = False
) -> dict[str, Any]:
    answer = LIMITS[limit].limit(ctx, key, count, throws=throws)
    if fails:
        raise Refused("Changed", "I changed my mind.")
    return {"ok": answer.ok, "retryAfter": answer.retry_after}


@mutation
def look(ctx: MutationCtx, limit: str, key: str = "", count: float = 1) -> dict[str, Any]:
    answer = LIMITS[limit].check(ctx, key, count)
    return {"ok": answer.ok, "retryAfter": answer.retry_after}


@mutation
def forget(ctx: MutationCtx, limit: str, key: str = "") -> None:
    LIMITS[limit].reset(ctx, key)


@action
def misuse(ctx: ActionCtx) -> None:
    LIMITS["bucket"].limit(ctx)  # type: ignore[arg-type]


class Still:
    """A clock that stands where a test puts it."""

    def __init__(self) -> None:
        self.now = 1_700_000_040_000.0

    def now_ms(self) -> int:
        return int(self.now)

    def now_ns(self) -> int:
        return int(self.now * 1_000_000)

    def sleep(self, seconds: float) -> None:
        time.sleep(0)


class Door:
    """Somebody who asks."""

    def __init__(self) -> None:
        registry = Registry()
        for function in (take, look, forget, misuse):
            registry.add(function, "limits")
        self.clock = Still()
        self.store = SqliteStore(":memory:", all_specs())
        self.executor = Executor(self.store, registry, self.clock, development=True)

    def __call__(self, function: str, limit: str, org: str = "acme", **args: Any) -> Any:
        user = User(subject="ada", issuer="https://test", org=org)
        outcome = self.executor.mutation(f"limits:{function}", {"limit": limit, **args}, user, retry_ms=10**9)
        return outcome.value if outcome.ok else outcome.error

    def rows(self) -> int:
        return len(self.store.scan(Bucket.table_name, limit=1000).items)


def granted(door: Door, limit: str, times: int, **args: Any) -> int:
    return sum(isinstance(told := door("take", limit, **args), dict) and told["ok"] for _ in range(times))


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    door = Door()
    assert granted(door, "bucket", 15) == 10
    refused = door("take", "bucket")
    assert refused.data == {"code": "RateLimited", "message": refused.data["message"], "name": "bucket", "retryAfter": 2000}
    door.clock.now += 1999
    assert door("look", "bucket") == {"ok": False, "retryAfter": pytest.approx(1, abs=0.01)}
    door.clock.now += 1
    assert granted(door, "bucket", 3) == 1
    door.clock.now += 3_600_000
    assert granted(door, "bucket", 15) == 10


def test_a_window_gives_all_at_its_beginning_and_nothing_within() -> None:
    door = Door()
    door.clock.now = 60_000.0 * 1000 + 59_000
    assert granted(door, "window", 12) == 10
    assert door("take", "window").data["retryAfter"] == 1000
    door.clock.now += 1000
    assert granted(door, "window", 12) == 10
    door.clock.now += 59_999
    assert granted(door, "window", 1) == 0


def test_a_window_may_save_what_was_not_used() -> None:
    door = Door()
    assert granted(door, "saving", 30) == 25
    door.clock.now += 60_000 * 2
    assert granted(door, "saving", 30) == 20


def test_several_may_be_taken_at_once_or_none() -> None:
    door = Door()
    assert door("take", "bucket", count=7)["ok"]
    assert door("take", "bucket", count=4, throws=False) == {"ok": False, "retryAfter": pytest.approx(2000)}
    assert door("take", "bucket", count=3)["ok"]
    assert "more than can ever be taken" in door("take", "bucket", count=11).message


@pytest.mark.parametrize("count", [0, -1, 11, 1e300])
def test_a_count_that_means_nothing_is_refused_by_name(count: float) -> None:
    assert "bucket: " in Door()("take", "bucket", count=count).message


def test_looking_takes_nothing_and_what_fails_costs_nothing() -> None:
    door = Door()
    for _ in range(20):
        assert door("look", "bucket")["ok"]
        assert door("take", "bucket", fails=True).tag == "Changed"
    assert granted(door, "bucket", 12) == 10


def test_each_key_and_each_org_has_a_limit_of_its_own_and_a_reset_forgets() -> None:
    door = Door()
    for key in ("ada", "bob", "ada|0", "", "x" * 5000, "\x00", "日本"):
        assert granted(door, "bucket", 11, key=key) == 10, key
    assert granted(door, "bucket", 11, org="other", key="ada") == 10
    door("forget", "bucket", key="ada")
    assert granted(door, "bucket", 11, key="ada") == 10
    assert granted(door, "bucket", 1, key="bob") == 0


def test_a_slow_limit_counts_in_days() -> None:
    door = Door()
    assert granted(door, "slow", 2) == 1
    assert door("take", "slow").data["retryAfter"] == 2 * 86_400_000


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    door = Door()
    assert granted(door, "bucket", 10) == 10
    door.clock.now -= 3_600_000
    assert granted(door, "bucket", 5) == 0
    door.clock.now += 3_600_000
    assert granted(door, "bucket", 5) == 0


def test_a_full_bucket_may_vanish() -> None:
    door = Door()
    door("take", "bucket")
    (row,) = door.store.scan(Bucket.table_name).items
    assert row["ttl"] * 1000 > door.clock.now
    door.clock.now = row["ttl"] * 1000
    assert door("look", "bucket", count=10)["ok"]


def test_an_action_is_told_to_ask_through_a_mutation() -> None:
    outcome = Door().executor.action("limits:misuse", {}, None)
    assert outcome.error is not None
    assert "is asked by a mutation" in outcome.error.message


@pytest.mark.parametrize("limit", ["bucket", "shared"])
def test_many_at_once_take_no_token_twice(limit: str) -> None:
    door = Door()
    most = {"bucket": 10, "shared": 60}[limit]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: door("take", limit, throws=False), range(most * 2)))
    took = sum(bool(each["ok"]) for each in told)
    assert took <= most
    assert took == most or limit == "shared"
    assert took > most * 3 / 4


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["bucket", "window", "saving", "shared"]),
    st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 5)), min_size=1, max_size=25),
)
def test_in_any_span_no_more_is_given_than_was_saved_and_came(limit: str, calls: list[tuple[int, int]]) -> None:
    door, limits = Door(), LIMITS[limit]
    began, taken = door.clock.now, list[tuple[float, int]]()
    for wait, count in calls:
        door.clock.now += wait
        if door("take", limit, count=count, throws=False)["ok"]:
            taken.append((door.clock.now, count))
    spare = limits.rate if limits.kind == "fixed window" else 0
    for start in [began, *(at for at, _ in taken)]:
        for end in [at for at, _ in taken if at >= start]:
            given_ = sum(count for at, count in taken if start <= at <= end)
            assert given_ <= limits.capacity + limits.rate * (end - start) / limits.period_ms + spare + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["bucket", "window", "saving", "slow"]), st.integers(0, 200_000), st.integers(1, 10))
def test_who_waits_as_long_as_he_was_told_is_served_and_a_moment_before_he_is_not(limit: str, start: int, count: int) -> None:
    door = Door()
    door.clock.now += start
    count = min(count, int(LIMITS[limit].capacity))
    while (told := door("take", limit, count=count, throws=False))["ok"]:
        pass
    wait = math.ceil(told["retryAfter"])
    door.clock.now += wait - 1
    early = door("look", limit, count=count)
    assert not early["ok"] or math.isclose(told["retryAfter"], wait - 1, abs_tol=1)
    door.clock.now += 1
    assert door("take", limit, count=count, throws=False)["ok"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"per_minute": 1, "per_hour": 1},
        {"per_minute": 0},
        {"per_minute": -1},
        {"per_minute": math.nan},
        {"per_minute": math.inf},
        {"per_minute": 0.5},
        {"per_minute": 3, "shards": 4},
        {"per_minute": 3, "shards": 0},
        {"per_minute": 3, "capacity": 0},
        {"per_minute": 3, "kind": "leaky"},
    ],
    ids=str,
)
def test_a_limit_that_allows_nothing_is_refused_where_it_is_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongDeclaration, match=r"test_rate_limits\.py:\d+: the rate limit 'wrong': "):
        RateLimit("wrong", **wrong)


@pytest.mark.parametrize("name", ["", "a|b", "x" * 101, "bucket"])
def test_a_name_that_is_taken_or_none_is_refused(name: str) -> None:
    with pytest.raises(WrongDeclaration):
        RateLimit(name, per_minute=1)


def test_over_http_it_is_an_error_with_its_data() -> None:
    house = House(development=False)
    for function in (take,):
        house.registry.add(function, "limits")
    rest = Rest(house.backend, "ada@acme")
    house.backend.verifier = Names()  # type: ignore[assignment]
    bodies = [rest.raw("POST", "/api/mutation", {"path": "limits:take", "args": {"limit": "bucket"}}).body for _ in range(11)]
    told = json.loads(bodies[-1])
    assert (told["status"], told["errorData"]["code"], told["errorData"]["name"]) == ("error", "RateLimited", "bucket")
    assert 0 < told["errorData"]["retryAfter"] <= 2000


def test_the_example_stops_a_guest_who_floods_it_and_nobody_else() -> None:
    registry = Registry()
    registry.collect(guestbook, "guestbook")
    executor = Executor(SqliteStore(":memory:", all_specs()), registry, Still(), development=True)

    def write(guest: str) -> bool:
        return executor.mutation("guestbook:write", {"guest": guest, "text": "hello"}, None).ok

    assert [write("ada") for _ in range(4)] == [True, True, True, False]
    assert write("bob")
    assert len(executor.query("guestbook:entries", {}, None).value) == 4
