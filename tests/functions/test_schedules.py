"""Agents that work by the clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.functions import schedules
from tests.functions.conftest import House, Refusal, pass_by
from tests.functions.test_agent_runs import house
from tests.functions.test_domains import refused

__all__ = ["house"]


def test_a_cron_agent_runs_when_it_is_due_once_whoever_looks(house: House) -> None:
    alice = house.person("alice")
    made = alice.mutation("schedules:create", name="Hourly", prompt="/say tick", schedule="0 * * * *")
    assert made["nextRunAt"] > house.clock.now_ms()
    house.sweep()
    assert alice.query("schedules:runs", scheduleId=made["scheduleId"]) == []
    house.clock.ahead += int(made["nextRunAt"] - house.clock.now_ms()) + 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: house.sweep(), range(4)))
    house.work()
    (run,) = alice.query("schedules:runs", scheduleId=made["scheduleId"])
    assert (run["triggeredBy"], run["status"], run["agentId"]) == ("cron", "completed", made["scheduleId"])
    now = alice.query("schedules:get", scheduleId=made["scheduleId"])
    assert now["lastRunAt"] >= made["nextRunAt"]
    assert now["nextRunAt"] == made["nextRunAt"] + 3_600_000
    assert "running" not in now


def test_a_cron_agent_that_still_runs_is_left_out_and_not_piled_up(house: House) -> None:
    """Overlap prevention."""
    alice = house.person("alice")
    agent = alice.mutation("schedules:create", name="Hourly", prompt="/say tick", schedule="0 * * * *")["scheduleId"]
    alice.mutation("schedules:runNow", scheduleId=agent)
    house.later.asked.clear()
    refused("AgentBusy", alice, "mutation", "schedules:runNow", scheduleId=agent)
    house.clock.ahead += 3_600_000
    executor = house.backend.executor
    schedules.look(executor)
    assert len(alice.query("schedules:runs", scheduleId=agent)) == 1
    assert alice.query("schedules:get", scheduleId=agent)["nextRunAt"] > house.clock.now_ms()


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "61 * * * *",
        "* * 31 2 *",
        "every day",
        "0 9 * * MON; rm",
        "0 0 9 * * MON",
        "* * * * * *",
        "0 9 * * MON 2027",
    ],
)
def test_an_expression_that_is_none_is_refused_by_its_field(house: House, expression: str) -> None:
    """`validateCronExpression`."""
    alice = house.person("alice")
    with pytest.raises(Refusal) as told:
        alice.mutation("schedules:create", name="x", prompt="x", schedule=expression)
    assert told.value.tag in ("InvalidSchedule", "ArgumentValidationError")
    if expression:
        assert alice.mutation("schedules:validate", schedule=expression)["valid"] is False
    good = alice.mutation("schedules:validate", schedule="*/5 * * * *")
    assert good["valid"] is True
    assert good["nextRunAt"] % 300_000 == 0


def test_a_disabled_cron_agent_rests(house: House) -> None:
    alice = house.person("alice")
    agent = alice.mutation("schedules:create", name="x", prompt="/say x", schedule="* * * * *", enabled=False)["scheduleId"]
    pass_by(house, 3_600_000)
    assert alice.query("schedules:runs", scheduleId=agent) == []
    assert "nextRunAt" not in alice.query("schedules:get", scheduleId=agent)
    assert alice.mutation("schedules:update", scheduleId=agent, enabled=True)["nextRunAt"] > house.clock.now_ms()
    assert alice.mutation("schedules:update", scheduleId=agent, model="other-model")["model"] == "other-model"
    assert alice.mutation("schedules:update", scheduleId=agent, name="Renamed")["model"] == "other-model"
    assert "model" not in alice.mutation("schedules:update", scheduleId=agent, model="")
    alice.mutation("schedules:delete", scheduleId=agent)
    assert alice.query("schedules:list") == []
