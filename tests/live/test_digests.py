"""Where the digest of a query's value is kept: in its connection's mailbox for sixteen, else in the query's row."""

from __future__ import annotations

from typing import Any

from chalicelib.backend import Backend
from chalicelib.live.queries import HOT
from tests.live import call_mutants, counters
from tests.live.mutants import with_turns
from tests.live.test_protective_steps import broken
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import Sim
from tests.support.verdict import check, rows


def hot(sim: Sim) -> dict[str, str]:
    (row,) = [each for each in rows(sim, "mailboxes") if each["pk"] == "conn-1"]
    found: dict[str, str] = row["hot"]
    return found


def in_step(sim: Sim, person: Person) -> None:
    assert sim.until(lambda: not person.client.waiting and person.client.in_step, 8000)
    sim.run(300)


def test_a_new_value_is_written_down_with_the_release(sim: Sim) -> None:
    person = sim.person("alice", "alice@acme")
    query = person.watch("counters:get", name="a")
    in_step(sim, person)
    before, kept = hot(sim), rows(sim, "subscriptions")
    person.call("counters:add", name="a", op="one")
    in_step(sim, person)
    assert person.client.value(query)["value"] == 1
    assert hot(sim).keys() == before.keys() == {str(query)}
    assert hot(sim) != before
    assert rows(sim, "subscriptions") == kept
    person.do(lambda client: client.unsubscribe(query))
    in_step(sim, person)
    assert hot(sim) == {}


def from_the_row_to_the_mailbox(backend: type[Backend]) -> None:
    """A query that was beyond the sixteen gets a place; its row keeps an older digest, to which its value comes back."""
    with Sim(1, counters, backend=backend) as sim:
        person = sim.person("alice", "alice@acme")
        names = [person.watch("counters:get", name=f"n{number}") for number in range(HOT)]
        in_step(sim, person)
        person.call("counters:add", name="a", op="one")
        total = person.watch("counters:total", group="g")
        in_step(sim, person)
        assert str(total) not in hot(sim)
        person.do(lambda client: client.unsubscribe(names[0]))
        in_step(sim, person)
        shown: list[Any] = []
        for group in ("h", "g"):
            person.call("counters:move", name="a", group=group)
            in_step(sim, person)
            shown.append(person.client.value(total))
            assert (str(total) in hot(sim)) is (group == "h")
        if shown != [0, 1]:
            raise Broken(f"a value was not told: {shown}")
        check(sim)


def test_the_digest_in_the_mailbox_is_the_one_that_counts() -> None:
    from_the_row_to_the_mailbox(Backend)
    assert broken(from_the_row_to_the_mailbox, with_turns(call_mutants.ReadsTheOlderDigest))
