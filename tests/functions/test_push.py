"""Which browsers a user is told in, and what becomes of a message that was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.data.tables import all_specs
from chalicelib.domain import push
from infra.local.model.server import ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.functions.browsers import asked, heard, subscribed, told_house
from tests.functions.conftest import House, Person, pass_by
from tests.functions.test_domains import refused
from tests.support.push_service import Browser, PushService, Says


@pytest.fixture
def house(model: ScriptedModel, service: PushService) -> House:
    return told_house(model, service)


# What becomes of a message ------------------------------------------------------------------------------------------------


@pytest.fixture
def answering(model: ScriptedModel) -> Iterator[Any]:
    """A house and a service that answers like this."""
    opened = list[PushService]()

    def made(*says: Says) -> tuple[House, PushService, Person, Browser]:
        service = PushService(*says)
        opened.append(service.__enter__())
        house = told_house(model, service)
        alice = house.person("alice")
        return house, service, alice, subscribed(alice, service)[0]

    yield made
    for each in opened:
        each.__exit__()


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_forgotten(answering: Any, status: int) -> None:
    house, service, alice, _ = answering((status, {}))
    alice.mutation("push:test")
    house.work()
    assert alice.query("push:list") == []
    assert (alice.mutation("push:test"), house.work(), len(service.arrived)) == (0, 0, 1)


def test_a_message_that_cannot_be_taken_now_is_sent_again_later(answering: Any) -> None:
    house, service, alice, browser = answering((500, {}), (429, {"retry-after": "200"}), (201, {}))
    alice.mutation("push:test")
    house.work()
    pass_by(house, 15_000)
    assert len(service.arrived) == 1, "too early"
    pass_by(house, 6_000)
    assert len(service.arrived) == 2
    pass_by(house, 150_000)
    assert len(service.arrived) == 2, "the service asked for 200 seconds"
    pass_by(house, 60_000)
    assert [each["title"] for each in heard(service, browser)] == ["Concave"] * 3
    assert len({each.headers["topic"] for each in service.arrived}) == 1, "a repeated one does not replace the first"
    pass_by(house, 7_200_000)
    assert len(service.arrived) == 3


def test_a_service_that_stays_down_is_asked_six_times_and_the_subscription_stays(answering: Any) -> None:
    house, service, alice, _ = answering((503, {"retry-after": "99999999"}))
    alice.mutation("push:test")
    house.work()
    for _ in range(10):
        pass_by(house, 2_100_000)
    assert len(service.arrived) == 6
    assert len(alice.query("push:list")) == 1


@pytest.mark.parametrize("status", [301, 400, 403, 413])
def test_what_is_refused_is_not_sent_again(answering: Any, status: int) -> None:
    house, service, alice, _ = answering((status, {"location": "http://127.0.0.1:1/"}))
    alice.mutation("push:test")
    house.work()
    pass_by(house, 7_200_000)
    assert (len(service.arrived), len(alice.query("push:list"))) == (1, 1)


def until(house: House, *functions: str) -> list[tuple[str, dict[str, Any]]]:
    """Let jobs of these functions happen, and keep those that they asked for."""
    for path in functions:
        asked_for, house.later.asked = house.later.asked, []
        for name, payload in asked_for:
            job = house.backend.jobs._peek(payload["org"], payload["jobId"])
            if path == name or (job is not None and job.path == path):
                house.backend.run_job(payload)
    kept, house.later.asked = house.later.asked, []
    return kept


@pytest.mark.parametrize("erased", [True, False])
def test_a_deleted_conversation_is_not_told_of(house: House, service: PushService, erased: bool) -> None:
    """A job names the run; its words are read when it is sent. Also before the deleted log is erased."""
    alice = house.person("alice")
    subscribed(alice, service)
    asked(alice, "/say a secret")
    waiting = until(house, "generate", "notifications:fanOut")
    assert len(waiting) == 1
    conversation = next(each for each in alice.query("conversations:list") if each["messageCount"])["conversationId"]
    alice.mutation("conversations:delete", conversationId=conversation)
    if erased:
        house.work()
    house.later.asked = waiting
    assert house.work() == 1
    assert service.arrived == []


# Subscriptions --------------------------------------------------------------------------------------------------------------


def test_a_browser_is_one_row_and_belongs_to_who_used_it_last(house: House, service: PushService) -> None:
    alice, bob = house.person("alice"), house.person("bob")
    (browser,) = subscribed(alice, service)
    subscribed(alice, service)
    (listed,) = alice.query("push:list")
    assert (listed["host"], listed["label"], listed["_id"]) == ("127.0.0.1", "Firefox", push.id_of(browser.endpoint))
    asked(alice, "/say for alice")
    house.later.asked = until(house, "generate", "notifications:fanOut")
    # The reply is written, and bob signs in at this browser before it is told.
    bob.mutation("push:subscribe", subscription=Browser(browser.endpoint).subscription)
    assert house.work() == 1
    assert (alice.query("push:list"), len(bob.query("push:list"))) == ([], 1)
    assert service.arrived == [], "bob was told what alice asked"
    assert house.rows("pushSubscriptions") == 1


def test_no_answer_holds_an_endpoint_or_a_key(house: House, service: PushService) -> None:
    alice = house.person("alice")
    browser = service.browser("very-secret")
    made = alice.mutation("push:subscribe", subscription=browser.subscription, label="x")
    told = json.dumps([made, alice.query("push:list")])
    secrets = [browser.endpoint, "very-secret", browser.p256dh, browser.subscription["keys"]["auth"]]
    assert not [each for each in secrets if each in told]


def test_unsubscribing_ends_it_and_strangers_cannot(house: House, service: PushService) -> None:
    alice, bob = house.person("alice"), house.person("bob")
    (browser,) = subscribed(alice, service)
    for stranger in (bob, house.person("alice", org="other")):
        assert stranger.mutation("push:unsubscribe", endpoint=browser.endpoint) is False
        assert stranger.query("push:list") == []
        assert stranger.mutation("push:test") == 0
    refused("Unauthorized", house.anybody(), "mutation", "push:unsubscribe", endpoint=browser.endpoint)
    refused("Unauthorized", house.anybody(), "mutation", "push:test")
    assert house.anybody().query("push:list") == []
    assert alice.mutation("push:test") == 1
    assert alice.mutation("push:unsubscribe", endpoint=browser.endpoint) is True
    assert alice.mutation("push:unsubscribe", endpoint=browser.endpoint) is False
    asked(alice, "/say nobody hears")
    house.work()
    assert service.arrived == []


def test_a_user_has_twenty_browsers_at_most(house: House, service: PushService) -> None:
    alice = house.person("alice")
    browsers = subscribed(alice, service, *(f"number-{number}" for number in range(push.MOST)))
    subscribed(alice, service, "number-3")
    refused("TooManySubscriptions", alice, "mutation", "push:subscribe", subscription=service.browser("more").subscription)
    alice.mutation("push:unsubscribe", endpoint=browsers[0].endpoint)
    subscribed(alice, service, "more")
    assert len(alice.query("push:list")) == push.MOST


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest/meta-data/",
        "http://fcm.googleapis.com/x",
        "https://evil.example/x",
        "http://127.0.0.1:1/x",
        "nonsense",
    ],
)
def test_an_address_that_is_no_push_service_is_refused(house: House, endpoint: str) -> None:
    """Check 26."""
    subscription = Browser(endpoint).subscription
    refusal = refused("PushEndpointNotAllowed", house.person("alice"), "mutation", "push:subscribe", subscription=subscription)
    assert refusal.data["field"] == "subscription.endpoint"


@pytest.mark.parametrize("keys", [{"p256dh": "x", "auth": "x"}, {"p256dh": "B" * 87, "auth": "A"}, {"p256dh": "é", "auth": "é"}])
def test_keys_that_nothing_can_be_encrypted_with_are_refused(house: House, service: PushService, keys: dict[str, str]) -> None:
    subscription = {**service.browser().subscription, "keys": keys}
    refused("InvalidSubscription", house.person("alice"), "mutation", "push:subscribe", subscription=subscription)


def test_a_host_that_the_operator_took_off_the_list_is_reached_no_more(model: ScriptedModel, service: PushService) -> None:
    store = SqliteStore(":memory:", all_specs())
    alice = told_house(model, service, store).person("alice")
    subscribed(alice, service)
    house = told_house(model, service, store, push_hosts=("fcm.googleapis.com",))
    assert house.person("alice").mutation("push:test") == 1
    house.work()
    assert service.arrived == []
