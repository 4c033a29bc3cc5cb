"""Houses that send push messages to a service on loopback, and browsers that hear them."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from infra.local.model.server import ScriptedModel
from infra.local.push_keys import encoded
from tests.functions.conftest import House, Person, patient
from tests.support.push_service import Browser, PushService

PUBLIC, PRIVATE = encoded(ec.generate_private_key(ec.SECP256R1()))


def told_house(model: ScriptedModel, service: PushService, store: Any = None, **more: Any) -> House:
    """A house that sends push messages to this service, and where what is to happen later does not happen at once."""
    keys = {"push_public_key": PUBLIC, "push_private_key": PRIVATE, "push_hosts": (service.origin,)}
    return patient(model, store, **{**keys, **more})


def subscribed(person: Person, service: PushService, *names: str) -> list[Browser]:
    """Browsers of somebody's."""
    browsers = [service.browser(name) for name in names or ("one",)]
    for each in browsers:
        person.mutation("push:subscribe", subscription=each.subscription, label="Firefox")
    return browsers


def heard(service: PushService, browser: Browser) -> list[dict[str, Any]]:
    """The messages that this browser was sent so far, decrypted."""
    return [browser.opened(each) for each in service.arrived if browser.endpoint.endswith(each.path)]


def asked(person: Person, content: str) -> str:
    """A chat with one question. Returns its session."""
    session = str(person.mutation("chat:startSession"))
    person.mutation("chat:sendMessage", sessionId=session, content=content)
    return session


def jobs(house: House, path: str) -> int:
    """How many jobs of a function were ever scheduled."""
    store: Any = house.store.inner
    rows = getattr(store, "inner", store)._db.execute('SELECT item FROM "items.jobs"').fetchall()
    return sum(path.encode() in bytes(item) for (item,) in rows)
