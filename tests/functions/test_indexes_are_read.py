"""No index is there for show: each is read by a function or a sweep (review check 29)."""

from __future__ import annotations

from typing import Any

from chalicelib.data.store import Key
from chalicelib.data.tables import TABLES, Index, all_specs
from chalicelib.run.canary import index_lag
from infra.local.model import ScriptedModel
from infra.local.sqlite import SqliteStore
from tests.functions.rooms import Gateway, Socket
from tests.support.conversations import member


class Reading:
    """A store that remembers which addresses it was asked for."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in ("get", "batch_get", "transact_get", "query"):
            return found

        def read(*args: Any, **more: Any) -> Any:
            keys = [args[1]] if name == "query" else [args[0]] if name == "get" else args[0]
            self.asked |= {key.pk if isinstance(key, Key) else str(key) for key in keys}
            return found(*args, **more)

        return read

    def unread(self, wanted: list[Index]) -> list[str]:
        """Names of the indexes whose partitions were never asked for."""
        names = [f"{index.table.table_name}.{index.name}" for index in wanted]
        return [name for name in names if not any(f"|{name}|" in address for address in self.asked)]


def test_every_declared_index_is_read_by_a_function_or_a_sweep(model: ScriptedModel) -> None:
    store = Reading(SqliteStore(":memory:", all_specs()))
    house = Gateway(model, store=store)  # type: ignore[arg-type]
    alice, worker = house.person("alice"), house.person("w1", roles=("worker",))
    cortex = member(house, "alice")
    declared = [
        index for table in TABLES.values() if table.__module__.startswith("chalicelib") for index in table.indexes.values()
    ]
    assert len(store.unread(declared)) == len(declared)
    # Sessions, and a deleted one whose reply was being written.
    alice.query("chat:listSessions")
    worker.query("chat:listSessions", workerId="w1")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:sendMessage", sessionId=session, content="/say hello")
    cortex.delete(conversationId=cortex.list()[0]["conversationId"])
    # Conversations.
    made = cortex.create(type="user-agent", participants={"userId": "alice", "agentId": "a1"})
    cortex.get(conversationId=made["conversationId"])
    cortex.get_or_create(type="user-agent", participants={"userId": "alice", "agentId": "a1"})
    cortex.get_message(conversationId=made["conversationId"], messageId="chosen")
    for filters in ({"userId": "alice"}, {"agentId": "a1"}, {"userId": "alice", "agentId": "a1"}, {"type": "user-agent"}, {}):
        member(house, "alice").list(**filters)
    everything = house.person("backend", roles=("backend",))
    for filters in ({"type": "user-agent"}, {}):
        everything.query("conversations:list", **filters)
    # Domains.
    domain = alice.mutation("domains:create", name="Support")["domainId"]
    alice.query("domains:list")
    alice.query("domains:conversations", domainId=domain)
    # Tasks and schedules.
    task = alice.mutation("tasks:create", title="Bridge")["taskId"]
    for asked in ({}, {"status": "pending"}):
        alice.query("tasks:list", **asked)
    alice.query("tasks:runs", taskId=task)
    alice.query("tasks:conversations", taskId=task)
    schedule = alice.mutation("schedules:create", name="x", prompt="x", schedule="0 0 1 1 *")["scheduleId"]
    alice.query("schedules:list")
    alice.query("schedules:runs", scheduleId=schedule)
    # Rooms and agents.
    helper = house.agent("helper", audience="org")
    room = Socket(helper, "s1").ready["conversationId"]
    alice.query("agents:list")
    alice.query("agents:get", agentId="helper")
    alice.mutation("rooms:route")
    alice.query("rooms:list")
    helper.query("gateway:online", conversationId=room)
    helper.query("receipts:get", conversationId=room)
    house.clock.ahead += 3_600_000
    house.sweep()
    house.work()
    index_lag(house.backend.executor)  # of the cloud's sweeps
    assert store.unread(declared) == []
