"""Records that are handed over from one user to another: an erasure finds whatever was ever somebody's, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chalicelib.domain.immutable import storing
from chalicelib.domain.memory import layers
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.functions.immutables import call, keep, numbers

USERS = ("alice", "bob", "carol")
RECORDS = ("one", "two", "three")
TABLES = ("immutables", "immutableVersions", "indexRows")


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


def stored(house: House) -> str:
    """Everything that the tables of the immutable store and its search hold."""
    return "".join(str(item) for name in TABLES for item in house.store.inner.scan(name, limit=5_000).items)


def erase(org: Person, user: str) -> dict[str, Any]:
    """Erase a user, to the end."""
    told: dict[str, Any] = org.action("memory:erase", userId=user, confirm=True)
    assert told["state"] == "completed"
    return told


class Model:
    """What the records of the test are to hold: by id, versions as (number, user, text); an erased one has no text."""

    def __init__(self) -> None:
        self.records: dict[str, list[tuple[int, str | None, str | None]]] = {}

    def store(self, id: str, user: str | None, text: str) -> None:
        kept = self.records.setdefault(id, [])
        owner = user if user is not None or not kept else kept[-1][1]
        kept.append((kept[-1][0] + 1 if kept else 1, owner, text))

    def erase(self, user: str) -> int:
        """Returns how many versions go."""
        gone = [id for id, kept in self.records.items() if kept[-1][1] == user]
        count = sum(text is not None or owner is None for id in gone for _, owner, text in self.records.pop(id))
        for id, kept in self.records.items():
            count += sum(owner == user for _, owner, _ in kept)
            self.records[id] = [(n, None, None) if owner == user else (n, owner, text) for n, owner, text in kept]
        return count

    def history(self, id: str) -> list[tuple[int, str | None, str]]:
        return [(n, owner, text) for n, owner, text in self.records.get(id, []) if text is not None]


def told(org: Person, id: str) -> list[tuple[int, str | None, str]]:
    """A record's history as the org's backend sees it."""
    found = call(org, "getHistory", type="policy", id=id)
    return [(each["version"], each.get("userId"), each["data"]["text"]) for each in found]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_was_handed_over_an_erasure_leaves_nothing_of_its_user_and_all_of_the_others(
    house: House, org: Person, seed: int
) -> None:
    rng, model = random.Random(seed), Model()
    for number in range(60):
        id = rng.choice(RECORDS)
        kind = rng.random()
        if kind < 0.85:
            user = rng.choice((*USERS, None))
            text = f"canary-{number} of {user or 'the org'}"
            keep(org, {"text": text}, id=id, **({} if user is None else {"userId": user}))
            model.store(id, user, text)
        elif kind < 0.9 and id in model.records:
            call(org, "purgeVersions", type="policy", id=id, keepLatest=4)
            model.records[id] = model.records[id][-4:]
        elif kind < 0.92 and id in model.records:
            call(org, "purge", type="policy", id=id)
            del model.records[id]
        else:
            user = rng.choice(USERS)
            model.erase(user)
            erase(org, user)
            mine = [text for kept in model.records.values() for _, owner, text in kept if owner == user]
            assert not mine
            assert f"'{user}'" not in stored(house), "neither as an owner, nor as who was one"
        for each in RECORDS:
            assert told(org, each) == model.history(each)
    for user in USERS:
        erase(org, user)
        assert f"'{user}'" not in stored(house)


def handed_over(org: Person, versions: int = 3) -> None:
    """A record that was Alice's, then Bob's."""
    for number in range(versions):
        keep(org, {"text": f"alices canary {number}"}, userId="alice")
    keep(org, {"text": "a note of bob"}, userId="bob")


def test_of_a_record_that_was_handed_over_the_old_versions_go_and_the_new_owner_keeps_its_own(either: House) -> None:
    house, org = either, either.person("backend", roles=("service",))
    handed_over(org)
    told = erase(org, "alice")
    assert told["erased"] == {"immutableVersions": 3}
    assert "alice" not in stored(house)
    assert numbers(call(org, "getHistory", type="policy", id="refund")) == [4]
    assert call(org, "getVersion", type="policy", id="refund", version=2) is None
    row = call(house.person("bob"), "get", type="policy", id="refund", space="default")
    assert (row["version"], row["data"]) == (4, {"text": "a note of bob"})
    before = row["previousVersions"][0]["timestamp"]
    assert call(org, "getAtTimestamp", type="policy", id="refund", timestamp=before) is None
    assert call(org, "getAtTimestamp", type="policy", id="refund", timestamp=row["updatedAt"])["version"] == 4
    assert keep(org, {"text": "more"}, userId="bob")["version"] == 5
    assert erase(org, "alice")["erased"] == {}


def test_a_long_history_is_emptied_in_steps_that_each_fit_a_commit(house: House, org: Person) -> None:
    handed_over(org, versions=150)
    assert erase(org, "alice")["erased"] == {"immutableVersions": 150}
    assert "canary" not in stored(house)
    assert numbers(call(org, "getHistory", type="policy", id="refund")) == [151]


def test_a_history_goes_on_behind_versions_that_are_not_there_for_its_reader(house: House, org: Person) -> None:
    handed_over(org, versions=7)
    for number in range(3):
        keep(org, {"text": f"bob {number}"}, userId="bob")
    erase(org, "alice")
    found = call(org, "getHistory", type="policy", id="refund", limit=2)
    assert numbers(found) == [8, 9]
    assert found[-1]["listTruncated"]
    assert numbers(call(org, "getHistory", type="policy", id="refund", limit=2, afterVersion=9)) == [10, 11]


@pytest.mark.parametrize("step", ["who had it is written down", "its versions are looked for", "the index is cleared"])
def test_each_step_protects(house: House, org: Person, step: str) -> None:
    """Switched off, one at a time, something of Alice is left."""
    for number in range(90):  # so many that the words stand in blocks
        keep(org, {"text": f"alices canary {number}"}, id=f"r{number}", userId="alice")
    house.sweep()
    for number in range(90):
        keep(org, {"text": "a note of bob"}, id=f"r{number}", userId="bob")
    mutants = {
        "who had it is written down": lambda: swapped((storing, "handed_over", lambda before, row: {})),
        "its versions are looked for": lambda: swapped((layers, "_handed_over", lambda ctx, work: None)),
        "the index is cleared": lambda: swapped((layers, "_cleared", lambda work, space: None)),
    }
    with mutants[step]():
        keep(org, {"text": "alices canary"}, userId="alice")
        keep(org, {"text": "a note of bob"}, userId="bob")
        erase(org, "alice")
    assert "canary" in stored(house)
