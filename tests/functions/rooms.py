"""What the tests of the chat gateway share: a house that signs agents' tokens, agents, and their sockets without a wire."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person, Refusal
from tests.support.rest import Names


def pem() -> str:
    """A fresh signing key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Gateway(House):
    """A house with a signing key; a token is `subject@org`, or one that it made."""

    def __init__(self, model: ScriptedModel, **settings: Any) -> None:
        super().__init__(model, signing_key=pem(), **settings)
        self.own = self.backend.verifier
        self.backend.verifier = Names(self.own)  # type: ignore[assignment]

    def act(self, person: Person, path: str, **args: Any) -> Any:
        """Call an action. Refusals are raised as by `Person`."""
        from tests.functions.conftest import _value

        return _value(self.backend.executor.action(path, args, person.user))

    def agent(self, name: str, owner: str = "alice", org: str = "acme", **settings: Any) -> Person:
        """A registered agent, with the token that `connect` gives."""
        person = self.person(owner, org)
        self.act(person, "agents:create", id=name, settings=settings)
        return self.connected(name, person)

    def connected(self, name: str, owner: Person) -> Person:
        """An agent with a new token."""
        token = self.act(owner, "agents:connect", agentId=name)["accessToken"]
        return Person(self, self.own.verify(token))


class Socket:
    """A socket of somebody's, driven by hand: its calls, and what its feed says."""

    def __init__(self, person: Person, name: str, **wishes: Any) -> None:
        self.person, self.name, self.seen = person, name, {}
        self.ready = person.mutation("gateway:open", socket=name, **wishes)

    def call(self, path: str, **args: Any) -> Any:
        """A call in the socket's name."""
        return self.person.mutation(path, socket=self.name, **args)

    def send(self, content: str, **args: Any) -> Any:
        """Send a message."""
        return self.call("rooms:send", content=content, **args)

    def heard(self, *only: str) -> list[dict[str, Any]]:
        """What happened since the last time, of these events."""
        events: list[dict[str, Any]] = []
        while True:
            told = self.person.query("feeds:feed", socket=self.name, seen=self.seen)
            self.seen = told["next"]["seen"]
            events += told["events"]
            if not told["more"]:
                return [each for each in events if not only or each["event"] in only]

    def ended(self) -> None:
        """The connection is over."""
        backend = self.person.house.backend
        assert self.person.user is not None
        backend.executor.call(self.person.user.org, backend.registry.get("gateway:closed"), socket=self.name)


def texts(events: list[dict[str, Any]]) -> list[str]:
    """The contents of messages."""
    return [each["data"]["content"] for each in events]


def refused(tag: str, call: Any, *args: Any, **named: Any) -> Refusal:
    """The refusal of a call, which must have this tag."""
    with pytest.raises(Refusal) as caught:
        call(*args, **named)
    assert caught.value.tag == tag
    return caught.value


def room_of(socket: Socket) -> str:
    """The conversation that an agent's socket has joined by itself."""
    return str(socket.ready["conversationId"])
