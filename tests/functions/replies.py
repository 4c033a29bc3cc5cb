"""What is claimed of replies (invariants 7 and 8), each claim as a schedule that raises `AssertionError` when it is not kept.

`test_steps_of_a_reply.py` runs each on the product as it is, and again with a protective step switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chalicelib.data.errors import StoreFailed
from chalicelib.data.store import Action, Item, Key, Put, Write
from chalicelib.domain.replies import lifecycle, writer
from chalicelib.functions import runs
from infra.local.model.server import ScriptedModel
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.support.stores import Around
from tests.support.writing import Died, at_every_chunk

LEASE_MS = 61_000
LONG = "/say " + "word " * 700
"""Four chunks: the first word at once, then full ones; time makes none."""


class Mortal(Around):
    """A store on which one thing can happen at a chosen write: a death before or after it, or anything else before it."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.writes = 0
        self.die_at: int | None = None
        self.after = False
        self.before: Callable[[Sequence[Action]], None] | None = None
        self.accepted: dict[str, list[str]] = {}
        """The chunks that were stored, by their stream."""

    def write(self, write: Write) -> Item | None:
        """As the port says."""
        found: Item | None = self._do([write], lambda: self.inner.write(write))
        return found

    def transact(self, actions: Sequence[Action]) -> None:
        """As the port says."""
        self._do(actions, lambda: self.inner.transact(actions))

    def _do(self, actions: Sequence[Action], work: Callable[[], Any]) -> Any:
        if self.before is not None:
            watcher, self.before = self.before, None
            watcher(actions)
            self.before = self.before or watcher
        self.writes += 1
        if self.writes == self.die_at and not self.after:
            raise Died
        done = work()
        for each in actions:
            if isinstance(each, Put) and each.table == "chatChunks" and each.item["chunk"]:
                self.accepted.setdefault(each.item["reply"], []).append(each.item["chunk"])
        if self.writes == self.die_at:
            raise Died
        return done


def mortal(house: House) -> Mortal:
    """Put such a store under a house."""
    store = Mortal(house.store.inner)
    house.store.inner = store  # type: ignore[assignment]
    return store


def at_first(store: Mortal, holds: Callable[[Sequence[Action]], bool], happens: Callable[[Sequence[Action]], Any]) -> list[bool]:
    """Have something happen just before the first write of this kind. Returns a list that is empty until then."""
    happened: list[bool] = []

    def look(actions: Sequence[Action]) -> None:
        if not happened and holds(actions):
            happened.append(True)
            happens(actions)

    store.before = look
    return happened


def places(actions: Sequence[Action], table: str) -> list[Action]:
    """The writes to a table."""
    return [each for each in actions if (each.table if isinstance(each, Put) else each.key.table) == table]


def asked(model: ScriptedModel, *texts: str, **settings: Any) -> tuple[House, Person, str, list[str]]:
    """A house in which alice has sent messages. Returns it, her, the session and the replies."""
    house = House(model, chunk_flush_ms=60_000, **settings)
    alice = house.person("alice")
    session = str(alice.mutation("chat:startSession"))
    return house, alice, session, [alice.mutation("chat:sendMessage", sessionId=session, content=text) for text in texts]


def message(alice: Person, session: str, reply: str) -> dict[str, Any]:
    """One reply as its owner sees it."""
    found = alice.query("chat:getMessages", sessionId=session, limit=200)
    return next(each for each in found if each["messageId"] == reply)


def chunks(alice: Person, session: str, reply: str) -> str:
    """The chunks of a reply, joined."""
    text, after = "", -1
    while page := alice.query("chat:subscribeToChunks", sessionId=session, messageId=reply, after=after):
        text += "".join(each["chunk"] for each in page)
        after = page[-1]["sequence"]
    return text


def stored(house: House, table: str, name: str) -> Item:
    """A document as it lies in the store."""
    found = house.store.inner.get(Key(table, f"acme|{table}|{name}"))
    assert found is not None
    return found


def repaired(house: House) -> None:
    """What happens anyway within two leases and a minute."""
    for _ in range(3):
        house.clock.ahead += LEASE_MS
        house.sweep()
        house.work()


def ended_well(house: House, store: Mortal, alice: Person, session: str, reply: str) -> dict[str, Any]:
    """A reply is over: its message, its run and its chunks say the same, and the conversation is free again."""
    found = message(alice, session, reply)
    run = stored(house, "runs", reply.replace("msg-", "run-"))
    assert found["completed"], found
    assert found["status"] == run["state"], (found, run)
    assert run["state"] in lifecycle.TERMINAL
    accepted = [text for stream, text in store.accepted.items() if stream.startswith(reply)]
    assert found["content"] == "".join("".join(text) for text in accepted), "the text is not the accepted chunks"
    assert chunks(alice, session, reply) == found["content"]
    conversation = stored(house, "conversations", run["conversation"])
    assert conversation.get("activeRun") is None, conversation
    assert conversation.get("queuedRuns", []) == []
    return found


# Invariant 7 -------------------------------------------------------------------------------------------------------------


def a_death_at_any_write_loses_nothing(model: ScriptedModel) -> None:
    """The writer's process dies before and after each of its writes; another message waits behind the reply."""
    for after in (False, True):
        died, at = True, 0
        while died:
            at += 1
            house, alice, session, replies = asked(model, LONG, "/say next")
            store = mortal(house)
            store.die_at, store.after = at, after
            try:
                house.work()
                died = False
            except Died:
                house.later.asked.clear()
            store.die_at = None
            repaired(house)
            first = ended_well(house, store, alice, session, replies[0])
            second = ended_well(house, store, alice, session, replies[1])
            assert first["status"] == "completed" or (first["status"] == "interrupted" and first["reason"]), first
            assert second["status"] == "completed" or died, second
        assert at > 10, "the reply has more writes than that"


def a_stop_cut_short_is_carried_through(model: ScriptedModel) -> None:
    """Whoever carries a stop out dies at any of its writes; the writer is gone, too."""
    died, at = True, 0
    while died:
        at += 1
        house, alice, session, (reply,) = asked(model, LONG)
        store = mortal(house)
        store.die_at, store.after = 4, True
        try:
            house.work()
        except Died:
            house.later.asked.clear()
        store.writes, store.die_at = 0, at
        died = False
        try:
            alice.mutation("chat:stop", sessionId=session)
            house.work()
        except Died:
            died = True
            house.later.asked.clear()
        store.die_at = None
        repaired(house)
        found = ended_well(house, store, alice, session, reply)
        assert found["status"] in ("aborted", "interrupted"), found
        assert found["content"], "the partial text is gone"


def a_stop_whose_job_failed_is_carried_through(model: ScriptedModel) -> None:
    """The store does not serve the job that makes the chunks the text, for longer than it tries."""
    house, alice, session, (reply,) = asked(model, LONG)
    store = mortal(house)
    store.die_at = 4
    with pytest.raises(Died):
        house.work()
    house.later.asked.clear()
    alice.mutation("chat:stop", sessionId=session)

    def unavailable(_: Sequence[Action]) -> None:
        house.clock.ahead += 25_000
        raise StoreFailed("down")

    happened = at_first(store, lambda actions: bool(places(actions, "chatMessages")), unavailable)
    house.work()
    assert happened
    repaired(house)
    assert ended_well(house, store, alice, session, reply)["status"] == "aborted"


def a_stop_is_not_overtaken_by_the_end(model: ScriptedModel) -> None:
    """The owner stops a reply; its writer comes to the end before anybody has read its chunks."""
    house, alice, session, (reply,) = asked(model, LONG)
    store = mortal(house)
    stopped: list[bool] = []
    stop = lambda _: stopped.append(alice.mutation("chat:stop", sessionId=session))  # noqa: E731
    at_first(store, lambda actions: chunk_number(actions) == 2, stop)
    house.work()
    assert stopped == [True]
    found = ended_well(house, store, alice, session, reply)
    assert (found["status"], found.get("reason")) == ("aborted", "stopped"), found


def a_chunk_on_its_way_is_in_the_text_or_refused(model: ScriptedModel) -> None:
    """A chunk is under way while its reply is ended: it arrives after the chunks were read, before or after the text is there."""
    assert len(_ended_under_way(model, arrives_between=True)) > 10
    assert len(_ended_under_way(model, arrives_between=False)) < 10


def _ended_under_way(model: ScriptedModel, *, arrives_between: bool) -> str:
    house, alice, session, (reply,) = asked(model, LONG)
    store = mortal(house)

    def end(actions: Sequence[Action]) -> None:
        alice.mutation("chat:stop", sessionId=session)
        if arrives_between:
            at_first(store, lambda others: bool(places(others, "chatMessages")), lambda _: store.transact(actions))
        for function, payload in list(house.later.asked):
            if function == "run_job":
                house.backend.run_job(payload)

    happened = at_first(store, lambda actions: chunk_number(actions) == 1, end)
    house.work()
    assert happened
    found = ended_well(house, store, alice, session, reply)
    assert found["status"] == "aborted"
    return str(found["content"])


def a_long_reply_outlives_its_first_lease(model: ScriptedModel) -> None:
    """Half a lease passes at every chunk, and the sweep looks each time."""
    house, alice, session, (reply,) = asked(model, "/say " + "word " * 1400)
    store = mortal(house)

    def slowly(_: object) -> None:
        house.clock.ahead += LEASE_MS // 2
        house.sweep()

    with swapped((writer, "POLL_S", 0.0)), at_every_chunk(house.backend, slowly):
        house.work()
    found = ended_well(house, store, alice, session, reply)
    assert (found["status"], len(store.accepted[f"{reply}:1"])) == ("completed", 8), found["reason"]


# Invariant 8 -------------------------------------------------------------------------------------------------------------


def a_send_that_meets_the_end_of_a_reply_is_answered(model: ScriptedModel) -> None:
    """A send has read that a reply is running; it ends before the send is committed."""
    house, alice, session, _ = asked(model, "/say one")
    store = mortal(house)
    happened = at_first(store, lambda actions: bool(places(actions, "runs")), lambda _: house.work())
    second = alice.mutation("chat:sendMessage", sessionId=session, content="/say two")
    assert happened
    house.work()
    assert ended_well(house, store, alice, session, second)["content"] == "two"


def a_run_has_one_writer(model: ScriptedModel) -> None:
    """Two claim a run at the same moment."""
    house, _, _, (reply,) = asked(model, "/say one")
    store = mortal(house)
    run_id, epochs = reply.replace("msg-", "run-"), list[Any]()

    def claim() -> None:
        epochs.append(house.backend.executor.call("acme", runs.claim, run_id=run_id))

    at_first(store, lambda actions: bool(places(actions, "runs")), lambda _: claim())
    claim()
    assert sorted(map(str, epochs)) == ["1", "None"], epochs


def a_waiting_run_waits(model: ScriptedModel) -> None:
    """The sweep looks while one reply is being written and another waits; both times no second one is started."""
    house, alice, session, replies = asked(model, LONG, "/say two")
    store = mortal(house)

    begun: list[str] = []

    def look(_: Sequence[Action]) -> None:
        house.clock.ahead += 15_000
        house.sweep()
        for _name, payload in list(house.later.asked):
            house.backend.run_job(payload)
        begun.extend(each for each in replies if stored(house, "runs", each.replace("msg-", "run-"))["state"] != "pending")

    at_first(store, lambda actions: chunk_number(actions) == 1, look)
    house.work()
    assert begun == replies[:1], "the second was started while the first was being written"
    assert [ended_well(house, store, alice, session, each)["status"] for each in replies] == ["completed"] * 2


def chunk_number(actions: Sequence[Action]) -> int | None:
    """The number of the chunk that is being stored, if it is one."""
    found = [each.item["sequence"] for each in places(actions, "chatChunks") if isinstance(each, Put)]
    return int(found[0]) if found else None
