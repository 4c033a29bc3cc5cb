"""What comes after a commit changes nothing about it, and each duty fails alone."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.data.errors import StoreRefused
from chalicelib.data.store import Change
from chalicelib.runtime.job_runner import JobRunner
from chalicelib.runtime.ports import HandOverFailed
from infra.local.faults.counting import CountingStore
from tests.runtime import faulty
from tests.runtime.test_faults import House, Records, records

__all__ = ["records"]


class Refuses:
    """An invoker whose platform refuses, in whatever words."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        self.asked += 1
        raise self.error

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        self.invoke(function, payload)


def orders(house: House, kind: str = "mutation", fault: str = "none") -> tuple[int, Any]:
    return house.rest("POST", "/api/mutation", {"path": "faulty:order", "args": {"kind": kind, "fault": fault}})


REFUSALS = [HandOverFailed("throttled"), KeyError("run_job"), ConnectionError("no route")]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_job_that_cannot_be_handed_over_leaves_its_mutation_a_success_and_the_sweep_starts_it(
    records: Records, error: Exception
) -> None:
    house = House(development=False)
    house.backend.jobs.invoker = Refuses(error)  # type: ignore[assignment]
    status, told = orders(house)
    assert (status, told["status"]) == (200, "success")
    assert any(each.levelno == logging.ERROR and "could not be handed over" in each.getMessage() for each in records.all)
    house.backend.jobs.invoker = house.later
    house.backend.jobs.sweep()
    house.work()
    assert json.loads(house.row(told["value"]))["value"]["state"] == "success"


def test_whatever_follows_a_commit_and_fails_is_logged_and_the_commit_is_a_success(records: Records) -> None:
    house = House(development=False)

    def breaks(receipt: Any, org: str) -> None:
        raise RuntimeError("the hook is broken")

    house.backend.executor.committed = breaks
    assert orders(house)[1]["status"] == "success"
    assert any(each.exc_info and "hook is broken" in str(each.exc_info[1]) for each in records.all)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_subscribers_are_told_though_no_job_of_the_batch_can_be_started(error: Exception) -> None:
    """One refused Invoke silenced every subscriber of the batch."""
    house = House(development=False)
    house.socket("query", "none")
    orders(house)
    rows = house.backend.store.scan("commits", limit=100).items
    refuses = Refuses(error)
    house.backend.jobs.invoker = refuses  # type: ignore[assignment]
    house.heard.posts.clear()
    assert house.backend.changed([Change(str(number), "commits", None, row) for number, row in enumerate(rows)]) == []
    assert refuses.asked == 1


def test_subscribers_are_told_before_jobs_are_handed_over() -> None:
    """A platform that is slow to take a job makes nobody wait for what has happened."""
    house = House(development=False)
    orders(house)
    rows = [{**row, "touched": [["acme|notes|n1", "!"]]} for row in house.backend.store.scan("commits", limit=100).items]
    done: list[str] = []
    driver: Any = house.backend.driver

    class Telling:
        """The driver, watched."""

        def __getattr__(self, name: str) -> Any:
            if name == "changed":
                done.append("told")
            return getattr(driver, name)

    class Slow(Refuses):
        def invoke(self, function: str, payload: dict[str, Any]) -> None:
            done.append(function)

    house.backend.driver = Telling()  # type: ignore[assignment]
    house.backend.jobs.invoker = Slow(KeyError())  # type: ignore[assignment]
    house.backend.changed([Change(str(number), "commits", None, row) for number, row in enumerate(rows)])
    assert done == ["told", "run_job"]


def test_a_record_that_cannot_be_read_keeps_no_other_from_being_taken_in(records: Records) -> None:
    house = House(development=False)
    orders(house)
    house.later.asked.clear()
    (row,) = house.backend.store.scan("commits", limit=100).items
    broken = {**row, "jobs": "nonsense", "touched": 7}
    failed = house.backend.changed([Change("1", "commits", None, broken), Change("2", "commits", None, row)])
    assert failed == ["1"]
    assert [function for function, _ in house.later.asked] == ["run_job"]


def test_one_sweep_that_fails_keeps_no_other_from_looking(records: Records) -> None:
    house, looked = House(development=False), list[str]()

    def broken() -> None:
        raise SystemExit("a user's sweep")

    house.backend.sweeps = [broken, lambda: looked.append("next")]
    house.backend.sweep()
    assert looked == ["next"]
    assert any(each.levelno == logging.ERROR and each.exc_info for each in records.all)


def test_jobs_and_crons_do_not_wait_for_a_look_at_all_sockets() -> None:
    """One invocation of 55 seconds did both: with many sockets nothing else was looked at."""
    house, looked = House(development=False), list[str]()
    house.backend.sweeps = [lambda: looked.append("domain")]
    house.backend.tick()
    asked = [payload for function, payload in house.later.asked if function == "sweep"]
    parts = [{name: payload[name] for name in payload} for payload in asked]
    assert parts.count({"only": "sockets"}) == parts.count({"only": "upkeep"}) == len(parts) // 2 == 6
    house.backend.sweep({"only": "sockets"})
    assert looked == []
    house.backend.sweep({"only": "upkeep"})
    assert looked == ["domain"]
    house.backend.sweep()
    assert looked == ["domain", "domain"]


def test_a_cron_that_cannot_be_scheduled_keeps_no_other_from_being(records: Records) -> None:
    house = House(development=False)
    crons = faulty.crons_of("breaks", "works")
    house.collect(crons)
    crons.listed[0].args["nonsense"] = 1  # as if the function had changed meanwhile
    assert house.backend.jobs.tick() == 1
    assert any(each.levelno == logging.ERROR for each in records.all)


# Jobs -------------------------------------------------------------------------------------------------------------------


def test_a_job_that_cancels_itself_ends_canceled_with_what_it_wrote() -> None:
    house = House(development=False)
    job = house.rest("POST", "/api/mutation", {"path": "faulty:orderGivingUp", "args": {}})[1]["value"]
    house.work()
    assert json.loads(house.row(job))["value"]["state"] == "canceled"
    house.backend.jobs.sweep()
    assert house.later.asked == []
    assert house.rest("POST", "/api/query", {"path": "faulty:traces", "args": {"note": "gave up"}})[1]["value"] == 1


def test_a_mutation_job_that_fails_runs_once_in_a_process_however_often_it_is_started(records: Records) -> None:
    house = House(development=False)
    job = orders(house, fault="an error")[1]["value"]
    payload = {"jobId": job, "org": "acme"}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(house.backend.run_job, [payload] * 8))
    assert len(records.faults()) == 1
    assert len(records.said()) == 1


def test_of_two_processes_that_fail_at_one_job_one_tells_the_operator(records: Records) -> None:
    house = House(development=False)
    job = orders(house, fault="an error")[1]["value"]
    other = JobRunner(house.backend.executor, house.later, lease_s=60)
    known = other._peek("acme", job)
    assert known is not None
    house.backend.run_job({"jobId": job, "org": "acme"})
    other._run("acme", known, None)  # it has looked before the first one finished
    assert len(records.faults()) == 1
    assert len(records.said()) == 1


def test_a_request_id_in_a_jobs_row_is_the_logs(records: Records) -> None:
    house = House(development=False)
    told = house.job("action", "an error")
    (line,) = records.faults()
    assert vars(line)["request"] in told


# A store that refuses for good ----------------------------------------------------------------------------------------------


class Locked(CountingStore):
    """A store whose permissions were taken away."""

    locked = False

    def _refuse(self) -> None:
        if self.locked:
            raise StoreRefused("AccessDeniedException", "arn:aws:iam::123456789012:role/concave may not PutItem")

    def transact(self, actions: Any) -> None:
        self._refuse()
        super().transact(actions)

    def get(self, key: Any) -> Any:
        self._refuse()
        return super().get(key)


@pytest.mark.parametrize(("road", "kind"), [("http", "query"), ("http", "mutation"), ("called", "mutation"), ("called", "query")])
def test_what_the_store_refuses_for_good_is_not_tried_again_and_told_to_the_operator_only(
    records: Records, road: str, kind: str
) -> None:
    made: list[Locked] = []

    def locked(store: Any, specs: Any) -> Locked:
        made.append(Locked(store, specs))
        return made[0]

    house = House(development=False, wrap=locked)
    made[0].locked = True
    told = getattr(house, road)(kind, "none")
    (line,) = records.faults()
    assert line.exc_info is not None
    assert "AccessDeniedException" in str(line.exc_info[1])
    assert "AccessDenied" not in told
    assert "changed while this mutation" not in told
    assert vars(line)["request"] in told
    assert not any(each.getMessage() == "commit" for each in records.all)
