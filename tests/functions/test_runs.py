"""How replies end: by the model, by a stop, by a death. Nothing accepted is lost, and every run ends (invariants 6, 7, 8)."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.replies.writer import LAST_COMMIT_S
from infra.local.model.server import Pace, ScriptedModel
from tests.functions.conftest import House, Person, Refusal
from tests.functions.test_chat import messages, send, start
from tests.support.writing import Died, at_every_chunk, in_the_middle


def chunks(person: Person, session: str, reply: str) -> str:
    text, after = "", -1
    while page := person.query("chat:subscribeToChunks", sessionId=session, messageId=reply, after=after, limit=64):
        text += "".join(chunk["chunk"] for chunk in page)
        after = page[-1]["sequence"]
    return text


@pytest.mark.parametrize(
    ("directive", "reason"),
    [
        ("/fail midstream 5 9", "overloaded"),
        ("/fail reset 5 9", "connection"),
        ("/fail truncated 5 9", "truncated"),
        ("/fail invalid", "invalid_request"),
        ("/fail unauthorized", "unauthorized"),
        ("/fail too_large", "too_large"),
        ("/fail refusal 5", "refused"),
    ],
)
def test_every_failure_of_the_model_ends_the_reply_with_its_reason_and_its_partial_text(
    house: House, directive: str, reason: str
) -> None:
    alice = house.person("alice")
    session = start(alice)
    reply = send(alice, session, f"{directive}\nwrite 60 words")
    house.work()
    ended = messages(alice, session)[-1]
    assert (ended["status"], ended["reason"], ended["completed"]) == ("failed", reason, True)
    assert ended["content"] == chunks(alice, session, reply)
    if "5" in directive:
        assert ended["content"]
    send(alice, session, "/say still here")
    house.work()
    assert messages(alice, session)[-1]["content"].strip() == "still here"


@pytest.mark.parametrize("accepted", [0, 1, 3, 7])
def test_a_dead_writer_leaves_its_chunks_as_the_text_within_lease_and_sweep(house: House, accepted: int) -> None:
    """Invariant 7."""
    alice = house.person("alice")
    session = start(alice)
    reply = send(alice, session, "/say " + "word " * 1900)
    stored: list[str] = []

    def dying(chunk: Any) -> None:
        if len(stored) == accepted:
            raise Died
        stored.append(chunk.chunk)

    with at_every_chunk(house.backend, dying), pytest.raises(Died):
        house.work()
    house.clock.ahead += 61_000
    house.sweep()
    house.work()
    ended = messages(alice, session)[-1]
    assert (ended["status"], ended["content"], ended["completed"]) == ("interrupted", "".join(stored), True)
    assert ended["reason"]
    assert chunks(alice, session, reply) == "".join(stored)
    send(alice, session, "/say again")
    house.work()
    assert messages(alice, session)[-1]["content"].strip() == "again"


def test_a_reply_ends_with_its_text_before_lambda_ends_its_writer() -> None:
    """The function's own deadline; what was said stays, with the reason."""
    import anthropic  # noqa: F401 - loaded before, or on a busy machine its loading takes the reply's whole time

    with ScriptedModel(port=0, pace=Pace(tokens_per_s=40, first_token_s=0)) as slow:
        house = House(slow)
        alice = house.person("alice")
        session = start(alice)
        reply = send(alice, session, "write 2000 words")
        (job,) = [payload for function, payload in house.later.asked if function == "generate"]
        house.backend.generate(job, left_ms=1000 * LAST_COMMIT_S + 1200)
        ended = messages(alice, session)[-1]
    assert (ended["status"], ended["reason"]) == ("failed", "deadline")
    assert ended["content"]
    assert ended["content"] == chunks(alice, session, reply)


def test_a_stop_ends_a_running_reply_keeps_its_text_and_hangs_up_on_the_model() -> None:
    """Check 18: stop works from anywhere, and is not cosmetic."""
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=40, first_token_s=0)) as slow:
        house = House(slow)
        alice = house.person("alice")
        session = start(alice)
        reply = send(alice, session, "write 2000 words")
        with in_the_middle(house.work, lambda: chunks(alice, session, reply)):
            assert alice.mutation("chat:stop", sessionId=session) is True
        house.work()
        ended = messages(alice, session)[-1]
        assert (ended["status"], ended["reason"]) == ("aborted", "stopped")
        assert ended["content"]
        assert ended["content"] == chunks(alice, session, reply)
        assert slow.requests[-1].done.wait(2)
        assert slow.requests[-1].closed_early
        assert alice.mutation("chat:stop", sessionId=session) is False


def test_a_waiting_reply_is_stopped_before_it_starts(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    send(alice, session, "/say one")
    second = send(alice, session, "/say two")
    third = send(alice, session, "/say three")
    assert alice.mutation("chat:stop", sessionId=session, messageId=second) is True
    house.work()
    by_id = {each["messageId"]: each for each in messages(alice, session)}
    assert by_id[second]["status"] == "aborted"
    assert by_id[third]["content"].strip() == "three"


def test_a_writer_that_lost_its_run_changes_nothing(house: House) -> None:
    """Invariant 6; check 15: a zombie comes back after its run was taken over and ended."""
    alice = house.person("alice")
    session = start(alice)
    reply = send(alice, session, "/say " + "word " * 1900)
    seen = []

    def frozen(chunk: Any) -> None:
        seen.append(chunk)
        if len(seen) == 3:
            house.clock.ahead += 61_000
            house.sweep()
            for function, payload in list(house.later.asked):
                if function == "run_job":
                    house.backend.run_job(payload)

    with at_every_chunk(house.backend, frozen):
        house.work()
    ended = messages(alice, session)[-1]
    assert ended["status"] == "interrupted"
    assert ended["content"] == "".join(each.chunk for each in seen[:2])
    assert chunks(alice, session, reply) == ended["content"]


def test_a_lost_job_is_found_by_the_sweep(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    send(alice, session, "/say found")
    house.later.asked.clear()
    house.clock.ahead += 15_000
    house.sweep()
    house.work()
    assert messages(alice, session)[-1]["content"].strip() == "found"


def test_a_worker_answers_its_own_sessions(house: House) -> None:
    """Duplicates, late chunks, foreign messages."""
    alice, worker = house.person("alice"), house.person("w1", roles=("worker",))
    session = start(alice, workerId="w1")
    reply = send(alice, session)
    asked = len(house.model.requests)
    house.work()
    assert len(house.model.requests) == asked
    worker.mutation("chat:sessionReady", sessionId=session, agentSessionId="engine-1")
    assert alice.query("chat:getSession", sessionId=session)["agentSessionId"] == "engine-1"
    write = {"sessionId": session, "messageId": reply}
    worker.mutation("chat:writeChunk", **write, chunk="Hello", sequence=0)
    worker.mutation("chat:writeChunk", **write, chunk="Hello", sequence=0)
    with pytest.raises(Refusal) as refused:
        worker.mutation("chat:writeChunk", **write, chunk="Other", sequence=0)
    assert refused.value.tag == "SequenceReused"
    worker.mutation("chat:writeChunk", **write, chunk=", world", sequence=1)
    assert chunks(alice, session, reply) == "Hello, world"
    worker.mutation("chat:completeMessage", **write, content="Hello, world", usage={"outputTokens": 3})
    worker.mutation("chat:completeMessage", **write, content="Hello, world")
    for path, args in (("chat:writeChunk", {"chunk": "x", "sequence": 2}), ("chat:completeMessage", {"content": "changed"})):
        with pytest.raises(Refusal) as refused:
            worker.mutation(path, **write, **args)
        assert refused.value.tag == "ReplyEnded"
    assert messages(alice, session)[-1]["content"] == "Hello, world"
    other = start(alice, workerId="w1")
    with pytest.raises(Refusal) as refused:
        worker.mutation("chat:writeChunk", sessionId=other, messageId=reply, chunk="x", sequence=5)
    assert refused.value.tag == "MessageNotFound"
    with pytest.raises(Refusal) as refused:
        alice.mutation("chat:writeChunk", **write, chunk="x", sequence=9)
    assert refused.value.tag == "SessionNotFound"


def test_ending_a_session_stops_what_runs_and_what_waits(house: House) -> None:
    alice = house.person("alice")
    session = start(alice)
    for number in range(3):
        send(alice, session, f"/say {number}")
    alice.mutation("chat:endSession", sessionId=session)
    house.work()
    log = messages(alice, session)
    assert all(each["completed"] for each in log)
    assert {each["status"] for each in log if each["role"] == "assistant"} <= {"aborted", "completed"}


def test_the_models_sdk_is_loaded_before_a_lease_is_taken_that_runs_meanwhile(house: House) -> None:
    parts = house.backend.executor.parts
    states: list[str] = []

    class SlowToLoad:
        def __init__(self, model: Any) -> None:
            self._model = model

        def load(self) -> None:
            states.extend(item["state"] for item in house.store.inner.scan("runs").items)
            house.clock.ahead += 10 * 60 * 1000

        def __getattr__(self, name: str) -> Any:
            return getattr(self._model, name)

    parts.model = SlowToLoad(parts.model)
    alice = house.person("alice")
    session = start(alice)
    send(alice, session, "/say hello")
    house.work()
    assert states == ["pending"]
    assert messages(alice, session)[-1]["content"] == "hello"
