"""A house with the chat door open: sockets without a wire, in this thread, so that everything is the same every time."""

from __future__ import annotations

import json
import uuid
from typing import Any

from chalicelib.doors import sockets
from infra.local.model.server import ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.functions.rooms import Gateway


class Lines:
    """The gateway: keeps what was posted to each connection."""

    def __init__(self) -> None:
        self.posted: dict[str, list[str]] = {}
        self.closed: list[str] = []

    def post(self, connection: str, text: str) -> str:
        """As the port says."""
        if connection not in self.posted or connection in self.closed:
            return "gone"
        self.posted[connection].append(text)
        return "ok"

    def is_open(self, connection: str) -> bool:
        """As the port says."""
        return True

    def close(self, connection: str) -> bool:
        """As the port says."""
        self.closed.append(connection)
        return True


class Chat(Gateway):
    """A house whose chat door is open."""

    def __init__(self, model: ScriptedModel, **settings: Any) -> None:
        self.lines = Lines()
        super().__init__(model, gateway=self.lines, **settings)
        inner: Any = self.store.inner
        assert isinstance(inner, SqliteStore)
        self.sqlite = inner
        self._told: str | None = None

    def tell(self) -> None:
        """The stream of changes, as far as it goes."""
        while changes := self.sqlite.changes(self._told):
            self._told = changes[-1].sequence
            assert self.backend.changed(changes) == []


class Line:
    """One connection. `packets`: it speaks Socket.IO, else JSON frames."""

    def __init__(self, chat: Chat, token: str | None, *, packets: bool = False, name: str = "", **wishes: str) -> None:
        self.chat, self.packets = chat, packets
        self.name = name or f"line-{uuid.uuid4()}"
        chat.lines.posted[self.name] = []
        own = {} if token is None or packets else {"token": token}
        query = {**wishes, **own, **({"EIO": "4", "transport": "websocket"} if packets else {})}
        path = "/socket.io/" if packets else "/chat"
        self.status = sockets.connect(chat.backend, self.name, path, {}, query)
        self._numbers = 0
        if self.status == 200:
            sockets.welcome(chat.backend, self.name)
            if packets:
                self.send(f"40/chat,{json.dumps({} if token is None else {'token': token})}")
            chat.tell()

    @property
    def posted(self) -> list[str]:
        """Everything that it was told."""
        return self.chat.lines.posted[self.name]

    @property
    def closed(self) -> bool:
        """Whether the server has closed it."""
        return self.name in self.chat.lines.closed

    def send(self, text: str) -> None:
        """One frame."""
        sockets.message(self.chat.backend, self.name, text, self.chat.clock.now_ms())

    def ask(self, event: str, data: Any = None) -> Any:
        """An event; its acknowledgement."""
        self._numbers += 1
        number = self._numbers - 1
        if self.packets:
            self.send(f"42/chat,{number}{json.dumps([event, data])}")
            head = f"43/chat,{number}["
            return next(json.loads(text[len(head) - 1 :])[0] for text in self.posted if text.startswith(head))
        self.send(json.dumps({"event": event, "data": data, "id": f"n{number}"}))
        told = [json.loads(text) for text in self.posted]
        return next(each["data"] for each in told if each["event"] == "ack" and each["id"] == f"n{number}")

    def heard(self, event: str) -> list[Any]:
        """The data of all events of a name."""
        if self.packets:
            told = [json.loads(text.removeprefix("42/chat,")) for text in self.posted if text.startswith("42/chat,")]
            return [each[1] for each in told if each[0] == event]
        return [each["data"] for each in map(json.loads, self.posted) if each["event"] == event]

    def leave(self) -> None:
        """The client is gone."""
        sockets.disconnect(self.chat.backend, self.name)
        self.chat.tell()
