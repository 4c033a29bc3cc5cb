"""How long memories are kept: said by the org's backend, carried out by the sweep, with a receipt."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.memory import retention
from tests.functions.conftest import House, Person
from tests.support.memories import code, ids, keep

DAY = int(retention.DAY_MS)


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


def passed(house: House, ms: int, looks: int = 12) -> None:
    """Time passes, and the sweep looks now and then."""
    house.clock.ahead += ms
    for _ in range(looks):
        house.sweep()
        house.work()


def test_what_is_older_than_a_space_keeps_is_erased_but_what_is_important(house: House, org: Person) -> None:
    old = keep(org, "old", metadata={"importance": 10})
    put_away = keep(org, "put away", metadata={"importance": 10})
    org.mutation("memories:archive", space="home", memoryId=put_away)
    important = keep(org, "important", metadata={"importance": 90})
    elsewhere = keep(org, "elsewhere", space="work", metadata={"importance": 10})
    house.work()
    house.clock.ahead += 20 * DAY
    young = keep(org, "young", metadata={"importance": 10})
    rule = org.mutation("memory:setRetention", space="home", days=30, keepImportance=90)
    assert (rule["days"], rule["keepImportance"]) == (30, 90)
    passed(house, 5 * DAY)
    assert org.query("memories:count", space="home", includeArchived=True) == 4
    passed(house, 6 * DAY)
    left = org.query("memories:list", space="home", includeArchived=True)
    assert sorted(ids(left)) == sorted([important, young])
    assert org.query("memories:get", space="home", memoryId=old) is None
    assert org.query("memories:get", space="work", memoryId=elsewhere) is not None
    assert house.rows("memoryErasures") == 1
    passed(house, 40 * DAY)
    assert ids(org.query("memories:list", space="home")) == [important]


def test_a_round_goes_over_more_than_one_look_takes_and_over_what_stays(house: House, org: Person) -> None:
    for number in range(75):
        keep(org, f"m{number}", metadata={"importance": 90 if number < 40 else 10}, generateEmbedding=False)
    org.mutation("memory:setRetention", space="home", days=1, keepImportance=50)
    passed(house, 2 * DAY)
    assert org.query("memories:count", space="home") == 40


def test_only_the_orgs_backend_says_it_and_takes_it_back(house: House, org: Person) -> None:
    alice = house.person("alice")
    assert code(alice, "mutation", "memory:setRetention", space="home", days=1) == ("FORBIDDEN", "space")
    for days in (0, -1, 36_501):
        assert code(org, "mutation", "memory:setRetention", space="home", days=days) == ("INVALID_RANGE", "days")
    assert code(org, "mutation", "memory:setRetention", space="home", days=1, keepImportance=101)[0] == "INVALID_IMPORTANCE"
    org.mutation("memory:setRetention", space="home", days=1)
    elsewhere: Any = house.person("backend", org="north", roles=("service",))
    for other in (alice, house.anybody(), elsewhere):
        assert other.query("memory:getRetention", space="home") is None
    assert org.query("memory:getRetention", space="home")["days"] == 1
    assert org.mutation("memory:setRetention", space="home") is None
    keep(org, "x")
    passed(house, 9 * DAY, looks=2)
    assert org.query("memories:count", space="home") == 1
