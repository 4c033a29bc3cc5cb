"""What an org's replies cost in a day holds at every exit, and whatever waits; what one user may have is bounded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chalicelib.domain import budget
from infra.local.model.server import Pace, ScriptedModel
from tests.functions.conftest import House, Person, Refusal
from tests.functions.test_chat import messages, send, start


def rows(house: House, field: str) -> int:
    """The sum of a counter of the day, over its rows."""
    return sum(int(item.get(field, 0)) for item in house.store.inner.scan("budgets").items)


def cost(alice: Person, session: str) -> int:
    """What the replies of a session have cost, as their messages say."""
    return sum(budget.billed(each.get("usage")) for each in messages(alice, session))


def open_replies(house: House) -> int:
    return sum(int(item["number"]) for item in house.store.inner.scan("openReplies").items)


def test_ten_times_ten_sends_that_wait_spend_the_limit_once(model: ScriptedModel) -> None:
    limit = 4_000
    house = House(model, token_budget_per_org=limit)
    alice = house.person("alice")
    accepted = 0
    for _ in range(10):
        session = start(alice)
        for number in range(10):
            try:
                send(alice, session, f"/say {number} " + "word " * 200)
                accepted += 1
            except Refusal as refused:
                assert refused.tag == "BudgetExceeded"
    assert 1 <= accepted <= limit // budget.LEAST_HELD + 1
    house.work()
    assert 0 < rows(house, "spent") <= 2 * limit
    assert rows(house, "held") == open_replies(house) == 0


def test_sends_of_one_moment_do_not_pass_the_limit_together(model: ScriptedModel) -> None:
    limit = 6 * budget.LEAST_HELD
    house = House(model, token_budget_per_org=limit)
    people = [house.person(f"user-{number}") for number in range(24)]
    sessions = [start(each) for each in people]
    gate = threading.Barrier(len(people))

    def at_once(one: tuple[Person, str]) -> bool:
        gate.wait()
        try:
            send(*one, "/say hello")
        except Refusal as refused:
            assert refused.tag == "BudgetExceeded"
            return False
        return True

    with ThreadPoolExecutor(len(people)) as pool:
        accepted = sum(pool.map(at_once, zip(people, sessions, strict=True)))
    assert 1 <= accepted <= 6
    assert rows(house, "held") < limit + budget.LEAST_HELD


def test_a_reply_whose_turn_comes_after_the_tokens_are_spent_is_not_begun(model: ScriptedModel) -> None:
    house = House(model, token_budget_per_org=2_500)
    alice = house.person("alice")
    session = start(alice)
    send(alice, session, "/repeat 4000 word ")
    send(alice, session, "/say two")
    asked = len(model.requests)
    house.work()
    last = messages(alice, session)[-1]
    assert (last["status"], last["reason"], last["completed"]) == ("failed", "budget_exceeded", True)
    assert len(model.requests) == asked + 1
    with pytest.raises(Refusal, match="tomorrow"):
        send(alice, session, "/say three")


@pytest.mark.parametrize("how", ["stop", "interrupt", "rollback", "end"])
def test_a_reply_that_is_ended_while_it_is_written_is_paid_for(how: str) -> None:
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=60, first_token_s=0)) as slow:
        house = House(slow)
        alice = house.person("alice")
        session = start(alice)
        reply = send(alice, session, "write 2000 words")
        writer = threading.Thread(target=house.work)
        writer.start()
        slow.wait_for(1, timeout_s=30)
        while not alice.query("chat:subscribeToChunks", sessionId=session, messageId=reply):
            writer.join(0.02)
        if how == "stop":
            alice.mutation("chat:stop", sessionId=session)
        elif how == "end":
            alice.mutation("chat:endSession", sessionId=session)
            for function, payload in list(house.later.asked):
                if function == "run_job":
                    house.backend.run_job(payload)
        else:
            send(alice, session, "/pace 0\n/say short", onBusy=how)
        writer.join(20)
        assert not writer.is_alive()
        house.work()
        ended = next(each for each in messages(alice, session) if each["messageId"] == reply)
        assert ended["status"] == "aborted"
        assert ended["usage"]["outputTokens"] > 0
        assert ended["usage"]["inputTokens"] > 0
        assert rows(house, "spent") == cost(alice, session)
        assert rows(house, "held") == open_replies(house) == 0


def test_a_reply_whose_writer_died_is_paid_for_by_what_is_there(model: ScriptedModel) -> None:
    house = House(model)
    alice = house.person("alice")
    session = start(alice)
    send(alice, session, "/say " + "word " * 1900)
    lent = house.backend.executor.parts
    append, stored = lent.append, list[str]()

    class Died(BaseException):
        """The process is gone."""

    def dying(org: str, document: Any, hint: bool = False) -> bool:
        if len(stored) == 3:
            raise Died
        stored.append(document.chunk)
        return bool(append(org, document))

    lent.append = dying
    with pytest.raises(Died):
        house.work()
    lent.append = append
    house.clock.ahead += 61_000
    house.sweep()
    house.work()
    ended = messages(alice, session)[-1]
    assert ended["status"] == "interrupted"
    assert ended["usage"]["outputTokens"] >= sum(map(len, stored)) // 3
    assert rows(house, "spent") == cost(alice, session) > 0
    assert rows(house, "held") == open_replies(house) == 0


def test_a_conversation_that_is_erased_holds_nothing(house: House) -> None:
    alice = house.person("alice")
    record = alice.mutation("images:create")["record"]
    alice.mutation("images:send", imageId=record["imageId"], content="/say one")
    alice.mutation("images:send", imageId=record["imageId"], content="/say two")
    assert rows(house, "held") > 0
    assert open_replies(house) == 2
    alice.mutation("images:delete", imageId=record["imageId"])
    for _ in range(4):
        house.work()
        house.clock.ahead += 200_000
        house.sweep()
    assert rows(house, "held") == open_replies(house) == 0


class Spending(RuleBasedStateMachine):
    """Sends, stops, policies and ends in any order: what is charged is what the messages say, and nothing stays held."""

    model: ScriptedModel

    def __init__(self) -> None:
        super().__init__()
        self.house = House(self.model)
        self.alice = self.house.person("alice")
        self.sessions: list[str] = []

    @rule()
    def begin(self) -> None:
        self.sessions.append(start(self.alice))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), how=st.sampled_from(["enqueue", "interrupt", "rollback", "reject"]), fails=st.booleans())
    def say(self, data: Any, how: str, fails: bool) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        try:
            send(self.alice, session, "/fail truncated 3 9\nwrite 30 words" if fails else "/say word word", onBusy=how)
        except Refusal as refused:
            assert refused.tag in ("ConversationBusy", "SessionTerminated")

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def stop(self, data: Any) -> None:
        self.alice.mutation("chat:stop", sessionId=data.draw(st.sampled_from(self.sessions)))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def finish(self, data: Any) -> None:
        self.alice.mutation("chat:endSession", sessionId=data.draw(st.sampled_from(self.sessions)))

    @rule()
    def work(self) -> None:
        self.house.work()

    @invariant()
    def nothing_is_lost(self) -> None:
        if not self.house.later.asked:
            assert rows(self.house, "spent") == sum(cost(self.alice, each) for each in self.sessions)
            assert rows(self.house, "held") == open_replies(self.house) == 0


def test_whatever_order_things_come_in(model: ScriptedModel) -> None:
    Spending.model = model
    run_state_machine_as_test(Spending, settings=hypothesis_settings(max_examples=10, stateful_step_count=12, deadline=None))


# What one user may have -----------------------------------------------------------------------------------------------------


def test_a_user_has_so_many_replies_that_have_not_ended(model: ScriptedModel) -> None:
    house = House(model, replies_per_user=3)
    alice, bob = house.person("alice"), house.person("bob")
    session, other = start(alice), start(alice)
    for each in (session, session, other):
        send(alice, each, "/say hi")
    with pytest.raises(Refusal) as refused:
        send(alice, other, "/say hi")
    assert (refused.value.tag, refused.value.data["limit"]) == ("TooManyReplies", 3)
    send(bob, start(bob), "/say hi")
    house.work()
    send(alice, other, "/say hi")


@pytest.mark.parametrize(
    ("setting", "path", "args", "tag"),
    [
        ("sessions_per_user", "chat:startSession", {}, "TooManySessions"),
        ("sessions_per_user", "images:create", {}, "TooManySessions"),
        ("tasks_per_user", "tasks:create", {"title": "t"}, "TooManyTasks"),
        ("schedules_per_user", "schedules:create", {"name": "n", "prompt": "p", "schedule": "0 9 * * *"}, "TooManySchedules"),
    ],
)
def test_a_user_has_so_many_of_each(model: ScriptedModel, setting: str, path: str, args: dict[str, Any], tag: str) -> None:
    house = House(model, None, None, **{setting: 2})
    alice = house.person("alice")
    for _ in range(2):
        alice.mutation(path, **args)
    with pytest.raises(Refusal, match="delete one first") as refused:
        alice.mutation(path, **args)
    assert (refused.value.tag, refused.value.data["limit"]) == (tag, 2)
    house.person("bob").mutation(path, **args)
    house.person("alice", org="other").mutation(path, **args)
