"""Calling `conversations:*` through different doors, with one set of words."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import MutationCtx
from chalicelib.data.tables import all_specs
from chalicelib.domain.conversations.log import append
from chalicelib.runtime.contexts import caller_of
from chalicelib.runtime.identity import User, service
from chalicelib.runtime.registry import load
from chalicelib.schema import Agent, Conversation
from tests.functions.conftest import House, Person, Refusal
from tests.support import engine

Call = Callable[[str, str, dict[str, Any]], Any]
KINDS = {
    **dict.fromkeys(("create", "addMessage", "delete", "getOrCreate"), "mutation"),
    **dict.fromkeys(("deleteMany", "deleteByIds", "purgeAll"), "action"),
}


class Failed(Exception):
    """A refusal: its text, and its data."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(message)
        self.data = data


class Cortex:
    """`cortex.add_message(conversationId=…)` calls `conversations:addMessage`."""

    def __init__(self, call: Call, person: Any = None) -> None:
        self._call, self.person = call, person

    def __getattr__(self, name: str) -> Callable[..., Any]:
        head, *rest = name.split("_")
        path = head + "".join(part.title() for part in rest)
        kind = KINDS.get(path, "query")
        return lambda **args: self._call(kind, f"conversations:{path}", args)

    @classmethod
    def of(cls, person: Person) -> Cortex:
        """In this process."""

        def call(kind: str, path: str, args: dict[str, Any]) -> Any:
            try:
                return getattr(person, kind)(path, **args)
            except Refusal as refused:
                raise Failed(str(refused), refused.data) from refused

        return cls(call, person)

    @classmethod
    def over_http(cls, url: str, token: str) -> Cortex:
        """Through the HTTP door of a server."""

        def call(kind: str, path: str, args: dict[str, Any]) -> Any:
            body = json.dumps({"path": path, "args": args}).encode()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            request = urllib.request.Request(f"{url}/api/{kind}", body, headers)
            with urllib.request.urlopen(request, timeout=20) as answer:
                told = json.load(answer)
            if told["status"] == "error":
                raise Failed(told["errorMessage"], told.get("errorData"))
            return told["value"]

        return cls(call)


def backend(house: House, org: str = "acme") -> Cortex:
    """The org's own backend, in this process."""
    return Cortex.of(house.person("backend", org, ("service",)))


def member(house: House, name: str, org: str = "acme", role: str = "") -> Cortex:
    """A user, or with the role `agent` a registered agent."""
    if role != "agent":
        return Cortex.of(house.person(name, org, (role,) if role else ()))

    def register(run: Any) -> str:
        if run.db.get(Agent, name) is None:
            run.db.insert(Agent(id=name, owner="its-owner"))
        return "null"

    house.backend.executor.transact(org, "test:agent", register)
    user = User(subject=f"agent:{name}", issuer="https://test", org=org, claims={"type": "agent", "agentId": name})
    return Cortex.of(Person(house, user))


def opened(cortex: Cortex, user: str = "alice", agent: str = "helper", **more: Any) -> str:
    """A new conversation's id."""
    made = cortex.create(type="user-agent", participants={"userId": user, "agentId": agent}, **more)
    return str(made["conversationId"])


def say(cortex: Cortex, conversation: str, content: str, role: str = "user", **more: Any) -> Any:
    """Add a message."""
    tail = more.pop("tail", None)
    args = {} if tail is None else {"tail": tail}
    return cortex.add_message(conversationId=conversation, message={"role": role, "content": content, **more}, **args)


@contextmanager
def dynamo_house(model: Any) -> Iterator[House]:
    """A backend in this process on a DynamoDB engine."""
    engine.require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    running = engine.Engine()
    try:
        load(("chalicelib.functions",))  # which declares the tables
        client = connect(running.url)
        ensure_tables(client, models(all_specs(), "t-").values())
        yield House(model, DynamoStore(all_specs(), "t-", client=client))
    finally:
        running.kill()


def fill(house: House, conversation_id: str, until: int, text: str) -> None:
    """More messages, many in one commit, to come to a long log quickly."""

    def body(run: Any) -> str:
        conversation = run.db.query(Conversation.by_conversationId(conversation_id)).unique()
        ctx = MutationCtx(caller_of(service("acme")), run.log, run.db, run.now, run.jobs)
        for _ in range(min(45, until - conversation.message_count)):
            _, conversation = append(ctx, conversation, role="user", content=text)
        return str(conversation.message_count)

    while house.backend.executor.transact("acme", "test:fill", body).value < until:
        pass
