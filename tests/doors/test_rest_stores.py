"""The mutable and the immutable store over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from chalicelib.runtime.identity import User
from tests.functions.conftest import House
from tests.support.rest import Rest

People = Callable[..., Rest]
OWN = "/spaces/user%3Aalice/mutable"


def of_the_org(house: House, rest: People) -> Rest:
    """The org's own backend at the REST door."""

    class Service:
        def verify(self, token: str) -> User:
            return User(subject="backend", issuer="https://test", org="acme", roles=("service",))

    house.backend.verifier.behind = Service()
    return rest("a token of the service")


def test_a_value_is_set_read_counted_changed_and_deleted_over_rest(rest: People) -> None:
    alice = rest("alice@acme")
    key = f"{OWN}/shop/keys/{quote('50% of 😀/day', safe='')}"
    status, made = alice("PUT", key, {"value": 1, "metadata": {"unit": "piece"}})
    assert (status, made["data"]["key"], made["data"]["space"]) == (200, "50% of 😀/day", "user:alice")
    assert alice("GET", key) == (200, made)
    assert alice("POST", f"{key}/increment", {"amount": 4})[1]["data"]["value"] == 5
    assert alice("POST", f"{key}/decrement")[1]["data"]["value"] == 4
    status, told = alice("PATCH", key, {"value": 9, "revision": made["data"]["revision"]})
    assert (status, told["code"], told["field"]) == (409, "REVISION_CONFLICT", "revision")
    assert [each["value"] for each in alice("GET", f"{OWN}/shop/keys?keyPrefix=50%25&limit=5")[1]["data"]] == [4]
    assert alice("GET", f"{OWN}/shop/count?keyPrefix=50%25")[1] == {"data": 1}
    assert alice("DELETE", key)[1]["data"]["deleted"] is True
    assert alice("GET", key)[0] == alice("DELETE", key)[0] == 404
    assert alice("GET", key)[1]["code"] == alice("DELETE", key)[1]["code"] == "MUTABLE_KEY_NOT_FOUND"


def test_a_transaction_and_a_purge_over_rest(rest: People) -> None:
    alice = rest("alice@acme")
    operations: list[dict[str, Any]] = [{"op": "set", "namespace": "shop", "key": f"k{n}", "value": n} for n in range(3)]
    assert alice("POST", OWN, {"operations": operations})[1]["data"]["operationsExecuted"] == 3
    status, told = alice("POST", OWN, {"operations": [*operations, {"op": "delete", "namespace": "shop", "key": "no"}]})
    assert (status, told["code"], told["operation"]) == (404, "MUTABLE_KEY_NOT_FOUND", 3)
    assert alice("POST", f"{OWN}/shop/purge", {"keyPrefix": "k1"})[1]["data"]["keys"] == ["k1"]
    assert alice("DELETE", f"{OWN}/shop/keys?dryRun=true")[1]["data"]["wouldDelete"] == 2
    assert alice("DELETE", f"{OWN}/shop/keys")[1]["data"]["deleted"] == 2


def test_names_are_names_whatever_they_spell(rest: People, house: House) -> None:
    """A key may be called as a part of a path, or as a word of JSON."""
    org = of_the_org(house, rest)
    for name in ("count", "keys", "purge", "increment", "null", "true", "1"):
        where = f"/spaces/{name}/mutable/{name}/keys/{name}"
        assert (
            org("PUT", where, {"value": name})[1]["data"] | {"space": name, "namespace": name, "key": name}
            == org("GET", where)[1]["data"]
        )
        assert org("GET", f"/spaces/{name}/mutable/{name}/count")[1] == {"data": 1}


def test_strangers_are_told_what_they_would_be_of_nothing(rest: People) -> None:
    alice, bob = rest("alice@acme"), rest("bob@acme")
    alice("PUT", f"{OWN}/shop/keys/k", {"value": 1})
    for method, tail, body in (("GET", "", None), ("PATCH", "", {"value": 2}), ("DELETE", "", None), ("POST", "/increment", {})):
        real, made_up = (bob.raw(method, f"{OWN}/shop/keys/{key}{tail}", body) for key in ("k", "q"))
        assert (real.status, real.body) == (404, made_up.body)
    assert bob("PUT", f"{OWN}/shop/keys/k", {"value": 2})[0] == bob("PUT", f"{OWN}/shop/keys/q", {"value": 2})[0] == 403
    assert rest()("GET", f"{OWN}/shop/keys/k")[0] == 401


def test_versions_are_stored_read_found_and_purged_over_rest(rest: People) -> None:
    alice, base = rest("alice@acme"), "/spaces/user%3Aalice/immutable"
    entry = f"{base}/policy/entries/{quote('refund/eu', safe='')}"
    for days in (30, 60):
        status, made = alice("POST", entry, {"data": {"days": days, "text": "a café"}})
        assert (status, made["data"]["id"]) == (201, "refund/eu")
    assert alice("GET", entry)[1]["data"]["version"] == 2
    status, told = alice("GET", f"{entry}/versions")
    assert [each["data"]["days"] for each in told["data"]] == [30, 60]
    first = told["data"][0]
    assert alice("GET", f"{entry}/versions/1")[1]["data"] == first
    assert alice("GET", f"{entry}/at?timestamp={first['timestamp']}")[1]["data"]["version"] >= 1
    assert alice("GET", f"{entry}/at?timestamp=2001-01-01")[1]["code"] == "VERSION_NOT_FOUND"
    assert alice("GET", f"{entry}/versions/3")[0] == 404
    assert (alice("GET", f"{entry}/versions/0")[1]["code"], alice("GET", f"{entry}/versions/x")[0]) == ("INVALID_VERSION", 400)
    assert alice("POST", f"{base}/search", {"query": "cafe"})[1]["data"][0]["entry"]["id"] == "refund/eu"
    assert alice("GET", f"{base}/count?type=policy")[1] == {"data": 1}
    assert len(alice("GET", f"{base}?type=policy")[1]["data"]) == 1
    assert alice("POST", f"{entry}/purge-versions", {"keepLatest": 1})[1]["data"] == {"versionsPurged": 1, "versionsRemaining": 1}
    stranger = rest("bob@acme")
    assert stranger("GET", entry)[0] == stranger("DELETE", entry)[0] == 404
    assert alice("POST", f"{base}/purge", {"type": "policy", "dryRun": True})[1]["data"]["wouldDelete"] == 1
    assert alice("DELETE", entry)[1]["data"]["versionsDeleted"] == 1
    assert alice("GET", entry)[0] == 404
