"""A worker is taken in by a person who types its code; its token gives access until it is revoked."""

from __future__ import annotations

import pytest

from chalicelib.data.building import SYSTEM_ORG
from chalicelib.data.tables import all_specs
from chalicelib.domain.machines.enrolling import NOWHERE
from infra.admin.transfer import items
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House
from tests.functions.machines import MACHINE, WORKER, asked, enrolled, house_of, refused, taken_in


@pytest.fixture
def house(model: ScriptedModel) -> House:
    return house_of(model)


def test_a_worker_that_nobody_has_approved_has_no_access_and_is_nobodys(house: House) -> None:
    machine = enrolled(house)
    assert refused(machine.access) == "WaitingApproval"
    assert house.person("ada").query("machines:list") == []
    assert house.person("ada").query("workers:get", workerId=WORKER) is None
    assert refused(house.person("ada").mutation, "chat:startSession", workerId=WORKER) == "WorkerNotFound"


def test_who_types_the_code_sees_what_asks_and_owns_it_then(house: House) -> None:
    machine, ada = enrolled(house), house.person("ada")
    seen = ada.action("workers:pendingByCode", code=machine.code.lower().replace("-", " "))
    assert (seen["machineName"], seen["dirs"], seen["agents"][0]["kind"]) == ("Ada's laptop", ["/srv/ada/code"], "opencode")
    view = ada.action("workers:approve", code=machine.code)
    assert (view["workerId"], view["mine"], view["status"], view["approval"]) == (WORKER, True, "offline", "approved")
    (listed,) = ada.query("machines:list")
    assert (listed["machineId"], listed["name"], listed["status"]) == (MACHINE, "Ada's laptop", "offline")
    worker = machine.access()
    assert worker.user is not None
    assert (worker.user.subject, worker.user.org) == (f"worker:{WORKER}", "acme")
    assert ada.query("machines:list")[0]["status"] == "online"


def test_the_secret_is_shown_once_and_stored_nowhere(house: House) -> None:
    machine = taken_in(house)
    secret = machine.token.rpartition("secret_")[2]
    stored = [item for spec in all_specs() for item in items(house.store, spec.name)]
    assert WORKER in str(stored)
    assert secret not in str(stored)


@pytest.mark.parametrize(
    "wrong",
    [
        "machine_machine-laptop-1:worker_worker-laptop-1:secret_" + "x" * 43,
        "machine_another-machine:worker_worker-laptop-1:secret_{secret}",
        "machine_machine-laptop-1:worker_another-worker:secret_{secret}",
        "nonsense",
        "",
    ],
)
def test_whoever_proves_nothing_learns_nothing(house: House, wrong: str) -> None:
    machine = taken_in(house)
    machine.token = wrong.replace("{secret}", machine.token.rpartition("secret_")[2])
    assert refused(machine.access) == "WorkerNotFound"


def test_a_code_counts_once_and_only_for_a_quarter_of_an_hour(house: House) -> None:
    machine = enrolled(house)
    house.person("ada").action("workers:approve", code=machine.code)
    assert refused(house.person("eve", "north").action, "workers:approve", code=machine.code) == "EnrolmentNotFound"
    assert house.person("eve", "north").query("machines:list") == []
    late = enrolled(house, workerId="worker-late-01", machineId="machine-late-01")
    house.clock.ahead += 15 * 60_000 + 1
    assert refused(house.person("ada").action, "workers:approve", code=late.code) == "EnrolmentNotFound"
    assert refused(late.access) == "EnrolmentExpired"


def test_a_worker_that_is_denied_may_ask_again(house: House) -> None:
    machine, ada = enrolled(house), house.person("ada")
    ada.action("workers:deny", code=machine.code)
    assert refused(machine.access) == "EnrolmentDenied"
    assert refused(ada.action, "workers:approve", code=machine.code) == "EnrolmentNotFound"
    again = enrolled(house)
    ada.action("workers:approve", code=again.code)
    assert again.access()


def test_whoever_enrols_learns_nothing_of_ids_that_are_taken_and_takes_none_over(house: House) -> None:
    mine = taken_in(house)
    again = enrolled(house, machineId="machine-of-bob1")
    assert refused(house.person("bob").action, "workers:approve", code=again.code) == "EnrolmentNotFound"
    assert refused(again.access) == "WaitingApproval"
    assert mine.access()


def test_a_worker_that_is_enrolled_again_has_one_good_token(house: House) -> None:
    old, new = taken_in(house), taken_in(house)
    house.work()
    assert refused(old.access) == "WorkerNotFound"
    assert new.access("instance-2").query("work:assigned")["workerId"] == WORKER
    assert house.rows("workerSecrets") == 1


def test_a_persons_machine_takes_in_nobody_elses_worker(house: House) -> None:
    taken_in(house)
    other = enrolled(house, workerId="worker-of-bob1")
    assert refused(house.person("bob").action, "workers:approve", code=other.code) == "MachineNotFound"


def test_codes_are_not_guessed(house: House) -> None:
    eve = house.person("eve")
    for _ in range(10):
        assert eve.action("workers:pendingByCode", code="BCDF-GHJK") is None
    assert refused(eve.action, "workers:pendingByCode", code="BCDF-GHJK") == "RateLimited"


def test_a_revoked_worker_is_refused_at_its_next_call_and_gets_no_access_again(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    session, reply = asked(house)
    worker.mutation("work:claim", messageId=reply, instance=machine.instance)
    worker.mutation("chat:writeChunk", sessionId=session, messageId=reply, chunk="half", sequence=0, epoch=1)
    house.person("ada").mutation("workers:revoke", workerId=WORKER)
    for call, path, args in [
        (worker.query, "work:assigned", {}),
        (worker.mutation, "workers:heartbeat", {"instance": machine.instance}),
        (worker.mutation, "chat:writeChunk", {"sessionId": session, "messageId": reply, "chunk": "x", "sequence": 1}),
        (worker.mutation, "chat:completeMessage", {"sessionId": session, "messageId": reply, "content": "x"}),
        (worker.query, "chat:getMessages", {"sessionId": session}),
    ]:
        assert refused(call, path, **args) == "WorkerRevoked", path
    assert refused(machine.access) == "WorkerNotFound"
    house.work()
    message = house.person("ada").query("chat:getMessages", sessionId=session)[-1]
    assert (message["content"], message["status"]) == ("half", "interrupted")
    assert refused(house.person("ada").mutation, "chat:startSession", workerId=WORKER) == "WorkerNotFound"


def test_a_worker_ends_its_own_access_and_nobody_elses(house: House) -> None:
    machine, other = taken_in(house), taken_in(house, workerId="worker-laptop-2")
    worker = machine.access()
    assert refused(other.access("instance-2").mutation, "workers:leave", instance=machine.instance) == "InstanceReplaced"
    worker.mutation("workers:leave", instance=machine.instance)
    assert refused(worker.mutation, "workers:leave", instance=machine.instance) == "WorkerRevoked"
    assert refused(machine.access) == "WorkerNotFound"
    (told,) = house.person("ada").query("machines:list")
    assert {each["workerId"]: each["approval"] for each in told["workers"]} == {WORKER: "revoked", "worker-laptop-2": "approved"}


def test_a_new_token_makes_the_old_one_and_all_access_void(house: House) -> None:
    machine = taken_in(house)
    worker, old = machine.access(), machine.token
    machine.token = house.person("ada").action("workers:rotate", workerId=WORKER)
    assert machine.token != old
    assert refused(worker.query, "work:assigned") == "WorkerRevoked"
    assert machine.access().query("work:assigned") == {"workerId": WORKER, "work": []}
    machine.token = old
    assert refused(machine.access) == "WorkerNotFound"


def test_a_machine_that_is_removed_leaves_no_access_and_no_secret(house: House) -> None:
    machine = taken_in(house)
    worker = machine.access()
    house.person("ada").mutation("machines:remove", machineId=MACHINE)
    house.work()
    assert house.person("ada").query("machines:list") == []
    assert refused(worker.query, "work:assigned") == "WorkerRevoked"
    assert refused(machine.access) == "WorkerNotFound"
    assert house.rows("workerSecrets") == house.rows("workers") == house.rows("workerBeats") == 0


def test_the_org_of_what_belongs_to_no_org_is_the_systems_own() -> None:
    assert NOWHERE == SYSTEM_ORG
