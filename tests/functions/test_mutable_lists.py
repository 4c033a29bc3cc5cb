"""Lists and counts of the mutable store, and deleting many values."""

from __future__ import annotations

import random

import pytest

from chalicelib.domain.mutable import listing
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.functions.mutables import call, code, keys, put


def prefixes_mean_their_characters(org: Person) -> None:
    """Whatever they are."""
    names = [
        "a",
        "a%b",
        "aXb",
        "a_b",
        "ab",
        "b",
        "😀",
        "😀 smile",
        "😁",
        "👨‍👩‍👧",
        "\uffff",
        "\U0010ffff",
        "\U0010ffffz",
        "ä",
        "\ud7ff",
        "\ue000",
    ]
    for each in names:
        put(org, each)
    for prefix in ["a", "a%", "a_", "😀", "😁", "👨", "%", "\uffff", "\U0010ffff", "ä", "\ud7ff", "b", "zz"]:
        found = keys(call(org, "list", namespace="shop", keyPrefix=prefix))
        assert found == sorted(each for each in names if each.startswith(prefix)), prefix
        assert call(org, "count", namespace="shop", keyPrefix=prefix) == len(found)
    assert keys(call(org, "list", namespace="shop")) == sorted(names)
    assert keys(call(org, "list", namespace="shop", sortOrder="desc", limit=3)) == sorted(names)[:-4:-1]


def test_lists_are_narrowed_turned_around_and_paged(house: House, org: Person) -> None:
    made = {}
    for number, each in enumerate("dbca"):
        house.clock.ahead += 1_000
        made[each] = put(org, each, userId=f"u{number % 2}")
    house.clock.ahead += 1_000
    put(org, "b", 2)
    shop = {"namespace": "shop"}
    assert keys(call(org, "list", **shop)) == ["a", "b", "c", "d"]
    assert keys(call(org, "list", **shop, sortBy="createdAt")) == ["d", "b", "c", "a"]
    assert keys(call(org, "list", **shop, sortBy="updatedAt", sortOrder="desc")) == ["b", "a", "c", "d"]
    assert keys(call(org, "list", **shop, limit=2, offset=1)) == ["b", "c"]
    assert keys(call(org, "list", **shop, offset=4)) == []
    assert keys(call(org, "list", **shop, userId="u1")) == ["a", "b"]
    between = {"updatedAfter": made["d"]["updatedAt"], "updatedBefore": made["a"]["updatedAt"]}
    assert keys(call(org, "list", **shop, **between)) == ["c"]
    assert call(org, "count", **shop, **between) == 1
    assert keys(call(org, "list", namespace="other")) == []


def test_counts_are_the_lengths_of_lists_whatever_happens(org: Person) -> None:
    rng, alive = random.Random(7), dict[tuple[str, str], str | None]()
    for step in range(160):
        place = (rng.choice(["n", "m"]), rng.choice(["a", "ab", "b%", "b_", "é"]) + str(rng.randrange(3)))
        args = {"namespace": place[0], "key": place[1]}
        match rng.choice(["set", "set for", "delete", "increment", "transaction"]):
            case "set":
                call(org, "set", **args, value=step)
                alive.setdefault(place, None)
            case "set for":
                alive[place] = rng.choice(["u", "v"])
                call(org, "set", **args, value=step, userId=alive[place])
            case "delete" if place in alive:
                call(org, "delete", **args)
                del alive[place]
            case "increment" if place in alive:
                call(org, "increment", **args)
            case "transaction" if place in alive:
                call(org, "transaction", operations=[{"op": "delete", **args}, {"op": "set", **args, "value": 0, "userId": "w"}])
                alive[place] = "w"
    for namespace in ("n", "m"):
        for user in (None, "u", "v", "w"):
            for prefix in (None, "a", "ab", "b%", "é", "zz"):
                wanted = {"namespace": namespace, "keyPrefix": prefix, "userId": user}
                wanted = {name: each for name, each in wanted.items() if each is not None}
                expected = sorted(
                    key
                    for (space, key), whose in alive.items()
                    if space == namespace and user in (None, whose) and key.startswith(prefix or "")
                )
                assert keys(call(org, "list", **wanted)) == expected
                assert call(org, "count", **wanted) == len(expected)
                assert call(org, "count", **wanted, updatedAfter=0) == len(expected)


def test_a_long_list_ends_where_its_bytes_end_and_says_so(org: Person) -> None:
    for number in range(4):
        put(org, f"k{number}", "x" * 40_000)
    first = call(org, "list", namespace="shop")
    assert keys(first) == ["k0", "k1"]
    assert first[-1]["listTruncated"] is True
    rest = call(org, "list", namespace="shop", offset=2)
    assert keys(rest) == ["k2", "k3"]
    assert "listTruncated" not in rest[-1]


def test_what_no_index_orders_is_refused_beyond_400_and_not_silently_cut(org: Person) -> None:
    for start in range(0, 425, 25):
        operations = [{"op": "set", "namespace": "shop", "key": f"{n:04}", "value": n} for n in range(start, start + 25)]
        call(org, "transaction", operations=operations)
    assert len(call(org, "list", namespace="shop", limit=900)) == call(org, "count", namespace="shop") == 425
    assert code(org, "list", namespace="shop", sortBy="updatedAt") == ("FILTER_TOO_BROAD", "keyPrefix")
    assert len(call(org, "list", namespace="shop", keyPrefix="00", sortBy="updatedAt")) == 100
    assert call(org, "count", namespace="shop", keyPrefix="0") == 425


def test_a_namespace_is_purged_and_said_before(org: Person) -> None:
    for number in range(60):
        put(org, f"k{number:02}", userId=f"u{number % 7}")
    put(org, "k", namespace="other")
    planned = call(org, "purgeNamespace", namespace="shop", dryRun=True)
    assert (planned["deleted"], planned["wouldDelete"], len(planned["keys"])) == (0, 60, 60)
    assert call(org, "count", namespace="shop") == 60
    done = call(org, "purgeNamespace", namespace="shop")
    assert (done["deleted"], done["keys"]) == (60, planned["keys"])
    assert call(org, "count", namespace="shop") == len(call(org, "list", namespace="shop")) == 0
    assert call(org, "count", namespace="other") == 1
    assert call(org, "purgeNamespace", namespace="shop")["deleted"] == 0


def test_what_fits_a_filter_is_purged_and_nothing_else(house: House, org: Person) -> None:
    for each in ("a1", "a2", "b1"):
        put(org, each, userId="alice")
    house.clock.ahead += 1_000
    later = put(org, "a3", userId="bob")["updatedAt"]
    assert call(org, "purgeMany", namespace="shop", keyPrefix="a", updatedBefore=later, dryRun=True)["keys"] == ["a1", "a2"]
    assert call(org, "purgeMany", namespace="shop", userId="alice", keyPrefix="b")["keys"] == ["b1"]
    assert call(org, "purgeMany", namespace="shop", keyPrefix="a", updatedBefore=later)["deleted"] == 2
    assert keys(call(org, "list", namespace="shop")) == ["a3"]


def test_a_prefix_means_its_characters_whatever_they_are(org: Person) -> None:
    prefixes_mean_their_characters(org)


def test_it_would_not_if_a_prefix_had_no_end(org: Person) -> None:
    without = (listing, "beginning_with", lambda along, prefix: along.at_least(prefix))
    with swapped(without), pytest.raises(AssertionError):
        prefixes_mean_their_characters(org)
