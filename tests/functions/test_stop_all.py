"""Every reply of somebody is stopped, however many there are."""

from __future__ import annotations

import pytest

from chalicelib.domain.replies import adapter
from tests.functions.conftest import House
from tests.functions.test_agent_runs import task
from tests.functions.test_domains import refused


def test_all_replies_of_a_user_are_stopped_and_nobody_elses(house: House) -> None:
    """001: stop is scoped: one's own, or as the org's backend everybody's."""
    alice, bob = house.person("alice"), house.person("bob")
    for person in (alice, bob):
        for _ in range(3):
            person.mutation("adapter:startConversation", taskId=task(person), message="hello")
    refused("Forbidden", alice, "mutation", "adapter:stopAll", scope="all")
    house.later.asked.clear()
    assert alice.mutation("adapter:stopAll") == 3
    house.work()
    assert alice.query("adapter:getActiveSessions") == []
    assert len(bob.query("adapter:getActiveSessions")) == 3
    assert house.person("backend", roles=("service",)).mutation("adapter:stopAll", scope="all") == 3
    house.work()
    assert bob.query("adapter:getActiveSessions") == []


@pytest.mark.parametrize("scope", ["user", "all"])
def test_twenty_of_a_hundred_conversations_are_stopped_at_once(house: House, scope: str) -> None:
    """A reply of an agent run ends with six documents, and a commit holds a hundred actions."""
    alice = house.person("alice", roles=("service",))
    for number in range(100):
        if number < 100 - adapter.STOPPED_AT_ONCE:
            alice.mutation("chat:startSession")
        else:
            alice.mutation("tasks:startRun", taskId=task(alice), type="implementation")
    house.later.asked.clear()
    assert alice.mutation("adapter:stopAll", scope=scope) == adapter.STOPPED_AT_ONCE
    house.work()
    assert alice.query("adapter:getActiveSessions") == []
    assert alice.mutation("adapter:stopAll", scope=scope) == 0
