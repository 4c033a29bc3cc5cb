"""From a machine that nobody knows to a worker: the code, the person, the secret, and its end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loop import alone
from tests.worker.agents import opencode_program
from tests.worker.house import House, MachineProcess, Person, Refusal, environment_of


@pytest.fixture
def bare(env: dict[str, str], tmp_path: Path) -> Iterator[House]:
    """A backend, and a machine that was never enrolled."""
    opencode_program()
    made = House(tmp_path, environment_of(env))
    yield made
    made.close()


def enrolling(house: House) -> tuple[MachineProcess, str]:
    """The program that enrols, and the code that it shows."""
    agent = f"opencode={opencode_program()}"
    program = house.program("enrol", house.url, "--name", "desk", "--dir", str(house.work), "--agent", agent)
    found = re.search(r"[A-Z]{4}-[A-Z]{4}", program.hear("    "))
    assert found
    return program, found[0]


def test_a_person_enters_the_code_and_the_machine_answers(bare: House) -> None:
    async def walk() -> None:
        program, code = enrolling(bare)
        alice = bare.owner
        shown = alice.acts("workers:pendingByCode", code=code.lower())
        assert (shown["name"], shown["dirs"], shown["agents"][0]["kind"]) == ("desk", [str(bare.work)], "opencode")
        assert shown["agents"][0]["version"].startswith("1.")
        assert alice.asks("machines:list") == []
        alice.acts("workers:approve", code=code)
        assert program.ended() == 0
        kept = bare.home.folder / "worker.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        bare.worker = json.loads(kept.read_text())["worker_id"]
        bare.run()
        (machine,) = alice.asks("machines:list")
        assert [(each["workerId"], each["status"]) for each in machine["workers"]] == [(bare.worker, "online")]
        session = alice.session(bare.worker, bare.work)
        assert (await alice.answered(session, "please\n/say hello"))["content"].strip() == "hello"
        status = bare.program("status")
        assert status.ended() == 0
        assert "ready" in "\n".join(status.lines)

    alone(walk())


def test_a_machine_that_is_denied_keeps_nothing(bare: House) -> None:
    program, code = enrolling(bare)
    bare.owner.acts("workers:deny", code=code)
    assert program.ended() == 1
    assert "was not enrolled" in "\n".join(program.lines)
    assert not (bare.home.folder / "worker.json").exists()
    run = bare.program("run", "--dir", str(bare.work))
    assert (run.ended(), "not enrolled" in "\n".join(run.lines)) == (1, True)


def test_a_secret_that_was_rotated_is_not_taken_and_the_new_one_is(house: House) -> None:
    old = house.home.identity()
    new = house.owner.acts("workers:rotate", workerId=house.worker)
    run = house.program("run", "--dir", str(house.work), "--agent", f"opencode={opencode_program()}")
    assert run.ended() == 3
    house.home.keep(type(old)(**{**vars(old), "token": new if isinstance(new, str) else new["token"]}))
    house.run()
    with pytest.raises(Refusal) as refused:
        Person(house.url, "bob").acts("workers:rotate", workerId=house.worker)
    assert refused.value.code == "WorkerNotFound"


def test_a_secret_that_others_can_read_is_not_used(house: House) -> None:
    (house.home.folder / "worker.json").chmod(0o644)
    run = house.program("run", "--dir", str(house.work), "--agent", f"opencode={opencode_program()}")
    assert run.ended() == 1
    assert "chmod 600" in "\n".join(run.lines)


def test_a_machine_that_gives_itself_up_stops_and_has_no_access_and_no_secret_any_more(house: House) -> None:
    worker = house.run("claude")
    known = house.home.identity()
    assert house.program("revoke").ended() == 0
    assert worker.ended() == 0
    assert not (house.home.folder / "worker.json").exists()
    (machine,) = house.owner.asks("machines:list")
    assert [(each["approval"], each["status"]) for each in machine["workers"]] == [("revoked", "offline")]
    house.home.keep(known)
    assert house.program("run", "--dir", str(house.work), "--agent", "claude").ended() == 3
    again = house.program("revoke")
    assert again.ended() == 0, "that it is revoked already is as well"


def test_a_machine_that_gives_itself_up_while_its_backend_is_away_says_what_is_left_to_do(house: House) -> None:
    house.served.kill()
    program = house.program("revoke")
    assert program.ended() == 1
    assert "Revoke it in the page, too" in "\n".join(program.lines)
    assert not (house.home.folder / "worker.json").exists()


def test_wrong_use_is_explained(house: House) -> None:
    for arguments, words in (
        (("enrol", "ftp://x", "--name", "desk"), "no address of a backend"),
        (("run", "--dir", "/no/such/folder"), "is no directory"),
        (("run", "--agent", "nobody"), "is no agent"),
        (("run", "--parallel", "0"), "1 to 64"),
    ):
        program = house.program(*arguments)
        assert program.ended() in (1, 2)
        assert words in "\n".join(program.lines)


def test_the_doctor_finds_agents_and_the_backend(house: House) -> None:
    doctor = house.program("doctor", "--agent", f"opencode={opencode_program()}", "--agent", "acp:/no/such/program")
    assert doctor.ended(120) == 1
    said = "\n".join(doctor.lines)
    assert re.search(r"ok   the backend at .* answers 200", said)
    assert re.search(r"ok   opencode 1\.\S+ .*: It works\.", said)
    assert "BAD  program: not installed" in said
