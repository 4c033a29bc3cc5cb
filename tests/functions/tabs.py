"""A house with live tabs: the sync door, mailboxes, fan-out and the model of the official client, all in this thread.

Nothing is concurrent and nothing waits, so what is counted here is the same every time.
"""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chalicelib.doors import sync
from chalicelib.runtime.identity import AuthFailed, User
from infra.local.model.server import ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.functions.conftest import House, Person
from tests.support.client import Client


def who(token: str | None) -> User | None:
    """The caller behind `subject@org` or `subject@org+role`; None is nobody."""
    if token is None:
        return None
    subject, _, rest = token.partition("@")
    org, *roles = rest.split("+")
    if not org:
        raise AuthFailed(f"{token} is no token of this test")
    claims = {"type": "agent", "agentId": subject} if "agent" in roles else {}
    return User(subject=subject, issuer="https://test", org=org, roles=tuple(roles), claims=claims)


class Names:
    """A verifier for which a token is a name."""

    def verify(self, token: str) -> User:
        """The user of a token."""
        found = who(token)
        assert found is not None
        return found


class Sockets:
    """The gateway: hands each post to its tab at once, and counts the bytes."""

    def __init__(self) -> None:
        self.tabs: dict[str, Tab] = {}

    def post(self, connection: str, text: str) -> str:
        """As the port says."""
        tab = self.tabs.get(connection)
        if tab is None:
            return "gone"
        tab.received += len(text.encode())
        tab.client.receive(text)
        return "ok"

    def close(self, connection: str) -> bool:
        """As the port says."""
        tab = self.tabs.pop(connection, None)
        if tab is not None:
            tab.client.closed()
        return True


class Tab:
    """One connection of the official client. `received`: bytes of the messages that it was sent."""

    def __init__(self, live: Live, token: str | None) -> None:
        self.live, self.name, self.received = live, f"tab-{uuid.uuid4()}", 0
        self.client = Client(str(uuid.uuid4()), token)
        live.sockets.tabs[self.name] = self
        assert sync.connect(live.backend, self.name, "/api/1.48.0/sync", {"convex-client": "npm-1.48.0"}) == 200
        self.client.open()
        self.flush()

    def flush(self) -> None:
        """Send what the client has to say, in order."""
        while self.client.outbox:
            sync.message(self.live.backend, self.name, self.client.outbox.pop(0))
            self.live.act()

    def close(self) -> None:
        """Leave."""
        self.live.sockets.tabs.pop(self.name, None)
        self.client.closed()
        sync.disconnect(self.live.backend, self.name)


@cache
def signing_key() -> str:
    """A key for agents' tokens, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    told = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return told.decode()


class Live(House):
    """A house whose doors are open."""

    def __init__(self, model: ScriptedModel, **settings: Any) -> None:
        self.sockets = Sockets()
        super().__init__(model, gateway=self.sockets, **{"signing_key": signing_key(), "identity_wait_ms": 5, **settings})
        self.backend.verifier = Names()  # type: ignore[assignment]
        inner: Any = self.store.inner
        assert isinstance(inner, SqliteStore)
        self.sqlite = inner
        self._told: str | None = None

    def person_of(self, token: str) -> Person:
        """Somebody by token."""
        return Person(self, who(token))

    def tab(self, token: str | None) -> Tab:
        """Connect."""
        return Tab(self, token)

    def act(self) -> None:
        """Run the actions that sockets asked for."""
        for asked in [each for each in self.later.asked if each[0] == "act"]:
            self.later.asked.remove(asked)
            sync.act(self.backend, asked[1]["connectionId"], asked[1]["requestId"])

    def tell(self) -> None:
        """The stream of changes, as far as it goes."""
        while changes := self.sqlite.changes(self._told):
            self._told = changes[-1].sequence
            assert self.backend.changed(changes) == []
            for tab in list(self.sockets.tabs.values()):
                tab.flush()
