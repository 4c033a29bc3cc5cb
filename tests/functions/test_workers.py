"""Who may have a worker answer: it works on somebody's machine, so it is its owner's, or shared by the operator."""

from __future__ import annotations

import pytest

from chalicelib.settings import Settings
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Refusal


@pytest.mark.parametrize("worker", ["bob", "bob/laptop", "alice2/laptop", "nobody", "alice-laptop"])
def test_nobody_names_a_colleagues_worker(model: ScriptedModel, worker: str) -> None:
    house = House(model, workers_shared=("pool",))
    alice = house.person("alice")
    with pytest.raises(Refusal) as refused:
        alice.mutation("chat:startSession", workerId=worker)
    assert (refused.value.tag, refused.value.data["field"]) == ("WorkerNotFound", "workerId")


@pytest.mark.parametrize("worker", ["alice", "alice/laptop", "pool"])
def test_ones_own_worker_and_a_shared_one_answer(model: ScriptedModel, worker: str) -> None:
    house = House(model, workers_shared=("pool",))
    alice = house.person("alice")
    session = alice.mutation("chat:startSession", workerId=worker)
    reply = alice.mutation("chat:sendMessage", sessionId=session, content="hi")
    machine = house.person(worker, roles=("worker",))
    machine.mutation("chat:completeMessage", sessionId=session, messageId=reply, content="done")
    assert alice.query("chat:getMessages", sessionId=session)[-1]["content"] == "done"


def test_no_worker_is_shared_unless_the_operator_says_so() -> None:
    assert Settings.from_env({}).workers_shared == Settings.from_env({"STAGE": "prod"}).workers_shared == ()
    assert Settings.from_env({"STAGE": "prod", "WORKERS_SHARED": "pool, other"}).workers_shared == ("pool", "other")
