"""No index is there for show: each is read by a function or a sweep (check 29)."""

from __future__ import annotations

from typing import Any

from chalicelib.data.building import name_of
from chalicelib.data.store import Key, Rows
from chalicelib.data.tables import SYSTEM_SPECS, TABLES, Index, all_specs
from chalicelib.runtime.canary import index_lag
from chalicelib.runtime.scheduling import Run
from chalicelib.schema import CronAgent
from infra.local.faults.wrapper import Range
from infra.local.model.server import ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.functions.machines import MACHINE, taken_in
from tests.functions.machines import asked as asked_of_worker
from tests.functions.rooms import Gateway, Socket
from tests.support.conversations import member
from tests.support.memories import axis, keep
from tests.support.stores import Around

COUNTED = {"chatSockets.by_member"}
"""Of these only the size is asked, never the documents."""


class Reading(Around):
    """A store that remembers what of the indexes was asked for: entries listed, sizes read, claims looked up."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.listed: set[str] = set()
        self.rows: set[str] = set()

    def ranged(self, asked: Range) -> Rows:
        """A range; only that of a GSI counts."""
        if asked.index is not None:
            self.listed.add(f"{asked.table}.{asked.index}")
        return super().ranged(asked)

    def get(self, key: Key) -> Any:
        """One row: a claim says where the one document of a unique index is, a fence how many documents a partition has."""
        if key.table in ("claims", "fences"):
            self.rows.add(key.pk)
        return self.inner.get(key)

    def unread(self, wanted: list[Index]) -> list[str]:
        """Names of the indexes of which nothing was asked."""
        return [name_of(index) for index in wanted if not self._read(index)]

    def _read(self, index: Index) -> bool:
        if index.unique or name_of(index) in COUNTED:
            return any(f"|{name_of(index)}|" in address for address in self.rows)
        return name_of(index) in self.listed


def test_writing_to_an_index_is_not_reading_it(model: ScriptedModel) -> None:
    store = Reading(SqliteStore(":memory:", all_specs()))
    house = Gateway(model, store=store)  # type: ignore[arg-type]

    def write(run: Run) -> str:
        run.db.insert(CronAgent(id="one", org="acme", owner="alice", name="x", prompt="x", schedule="0 0 1 1 *"))
        return "null"

    house.backend.executor.transact("acme", "test", write)
    assert store.unread([CronAgent.by_owner]) == ["cronAgents.by_owner"]
    house.person("alice").query("schedules:list")
    assert store.unread([CronAgent.by_owner]) == []


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
    member(house, "alice").list(userId="alice", sortBy="updatedAt")
    everything = house.person("backend", roles=("service",))
    everything.query("conversations:list", agentId="a1")
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
    alice.query("push:list")
    # Rooms and agents.
    helper = house.agent("helper", audience="org")
    room = Socket(helper, "s1").ready["conversationId"]
    alice.query("agents:list")
    alice.query("agents:get", agentId="helper")
    alice.mutation("rooms:route")
    alice.query("rooms:list")
    helper.query("gateway:online", conversationId=room)
    helper.query("receipts:get", conversationId=room)
    machine = taken_in(house, "alice")
    desk = machine.access()
    on_desk, reply = asked_of_worker(house, "alice")
    desk.query("work:assigned")
    desk.query("sync:plan", sessions=[{"agentSessionId": "ses_1", "title": "x", "updatedAt": 0}])
    desk.mutation("work:claim", messageId=reply, instance=machine.instance)
    ask = {"tool": "x", "title": "x", "options": [{"optionId": "x", "kind": "allow_once", "name": "x"}], "grant": "x"}
    desk.mutation("permissions:ask", messageId=reply, epoch=1, toolCallId="x", **ask)
    alice.query("permissions:list", sessionId=on_desk)
    alice.query("permissions:waiting")
    alice.query("machines:list")
    alice.mutation("machines:remove", machineId=MACHINE)
    # Memories.
    for person in (alice, everything):
        person.query("memories:list", space="home")
        person.query("memory:listFacts", space="home")
    fact = alice.mutation("memory:storeFact", space="home", fact="x", memoryId=keep(alice, "x"))["fact"]["factId"]
    alice.query("memory:get", space="home", memoryId=keep(alice, "x"))
    alice.query("memory:getFactHistory", space="home", factId=fact)
    # The stores.
    for caller, user in ((alice, None), (everything, "alice")):
        caller.query("mutable:list", namespace="n", userId=user)
        for type in (None, "t"):
            caller.query("immutable:list", type=type, userId=user)
    everything.action("memory:erase", userId="alice", confirm=True)
    kept = {"text": "x", "embedding": axis(1), "model": "an old one"}
    house.backend.executor.call("acme", "memory_jobs:keep", memory_id=keep(alice, "x"), **kept)
    house.clock.ahead += 3_600_000
    house.sweep()
    house.work()
    index_lag(house.backend.executor)  # of the cloud's sweeps
    house.operator("alice").mutation("tasks:create", title="by an operator")
    house.operator("alice").query("_system/audit:acts", paginationOpts={"numItems": 10.0, "cursor": None})
    assert store.unread(declared) == []
    of_the_engine = {f"{spec.name}.{index.name}" for spec in SYSTEM_SPECS for index in spec.indexes}
    assert of_the_engine - store.listed == set()
