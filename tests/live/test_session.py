"""The session's state machine: any order of frames, any moment of looking, one outcome."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.live import messages, session
from chalicelib.live.messages import Add, Authenticate, Connect, Failure, ModifyQuerySet, Remove, Version
from chalicelib.live.session import GAP_MS, Answer, State, Waiting
from tests.support.client import Client

NOW = 10_000
SETTLE = 500


def waiting(*frames: Connect | ModifyQuerySet | Authenticate, at: int = NOW) -> list[Waiting]:
    return [Waiting(f"k{number}", at, frame) for number, frame in enumerate(frames)]


def modify(base: int, *changes: Add | Remove) -> ModifyQuerySet:
    return ModifyQuerySet(base, base + 1, list(changes))


def add(query_id: int) -> Add:
    return Add(query_id, "m:f", [{}])


def auth(base: int, token: str = "t") -> Authenticate:
    return Authenticate(base, "User", token)


FRAMES: list[Connect | ModifyQuerySet | Authenticate] = [
    Connect("s", max_observed_timestamp=messages.write_ts(77)),
    auth(0, "first"),
    auth(1, "second"),
    modify(0, add(0), add(1)),
    modify(1, Remove(0), add(2)),
    modify(2, Remove(2)),
]


@settings(deadline=None)
@given(st.permutations(FRAMES), st.lists(st.integers(0, len(FRAMES)), max_size=4))
def test_frames_in_any_order_and_in_any_portions_come_to_the_same(frames: list[Any], cuts: list[int]) -> None:
    state, live, tokens = State(opened=NOW), set[int](), list[str | None]()
    left: list[Waiting] = []
    edges = [0, *sorted(cuts), len(frames)]
    for low, high in itertools.pairwise(edges):
        left += [Waiting(f"{low}.{number}", NOW, frame) for number, frame in enumerate(frames[low:high])]
        found = session.absorb(state, left, NOW, SETTLE)
        assert not found.broken
        assert set(found.done) <= {one.id for one in left}
        left = [one for one in left if one.id not in found.done]
        state, tokens = found.state, tokens + [frame.value for frame in found.authenticate]
        live = (live - found.removed) | found.added.keys()
    assert left == []
    assert (state.version, state.session, state.floor, state.first, state.settled) == (Version(3, 2, 0), "s", 77, True, True)
    assert live == {1}
    assert tokens == ["first", "second"]


def test_a_frame_that_comes_twice_is_taken_in_once() -> None:
    found = session.absorb(
        State(opened=0, settled=True), waiting(modify(0, add(0)), modify(0, add(9)), auth(0), auth(0)), NOW, SETTLE
    )
    assert found.state.version == Version(1, 1, 0)
    assert found.added.keys() == {0}
    assert len(found.done) == 4


def test_queries_wait_until_it_is_known_who_asks() -> None:
    """The wait begins with the first frame that asks for something: a token is fetched before that, however long it takes."""
    fresh = State(opened=0)
    early = session.absorb(fresh, waiting(modify(0, add(0))), NOW + SETTLE - 1, SETTLE)
    assert (early.done, early.added, early.state.settled, early.wake_at) == ([], {}, False, NOW + SETTLE)
    assert session.absorb(fresh, waiting(Connect("s")), NOW, SETTLE).wake_at is None
    called = session.absorb(fresh, [], NOW + 1, SETTLE, called=[NOW])
    assert (called.state.settled, called.wake_at) == (False, NOW + SETTLE)
    assert session.absorb(fresh, [], NOW + SETTLE, SETTLE, called=[NOW]).state.settled
    late = session.absorb(fresh, waiting(modify(0, add(0))), NOW + SETTLE, SETTLE)
    assert (late.done, late.state.settled, late.state.version) == (["k0"], True, Version(1, 0, 0))
    known = session.absorb(fresh, waiting(modify(0, add(0)), auth(0)), NOW, SETTLE)
    assert known.state.version == Version(1, 1, 0)


def test_a_gap_is_waited_for_and_then_breaks_the_connection() -> None:
    state = State(opened=0, settled=True)
    for frame in (modify(1, add(0)), auth(1)):
        found = session.absorb(state, waiting(frame), NOW + GAP_MS, SETTLE)
        assert (found.broken, found.done, found.look_at) == ("", [], NOW + GAP_MS + 1)
        assert session.absorb(state, waiting(frame), NOW + GAP_MS + 1, SETTLE).broken
    assert session.absorb(state, waiting(auth(1)), NOW, SETTLE).identity_waits
    assert not session.absorb(state, waiting(modify(1)), NOW, SETTLE).identity_waits


def test_a_query_added_and_removed_before_anybody_looked_was_never_there() -> None:
    found = session.absorb(State(settled=True), waiting(modify(0, add(0)), modify(1, Remove(0))), NOW, SETTLE)
    assert (found.added, found.removed) == ({}, {0})
    again = session.absorb(State(settled=True), waiting(modify(0, Remove(0)), modify(1, add(0))), NOW, SETTLE)
    assert set(again.added) == {0}
    assert not again.removed


def test_a_client_that_sends_no_query_set_is_answered_after_a_while() -> None:
    known = State(opened=0, settled=True)
    early = session.absorb(known, [], NOW + 1, SETTLE, called=[NOW])
    assert (early.state.first, early.wake_at) == (False, NOW + SETTLE)
    assert session.absorb(known, [], NOW + SETTLE, SETTLE, called=[NOW]).state.first


def test_calls_wait_for_identity_and_session() -> None:
    said = Version(0, 1, 0)
    assert State(said, settled=True, session="s").callable(open_to_nobody=False)
    assert not State(said, settled=True).callable(open_to_nobody=True)
    assert not State(session="s").callable(open_to_nobody=True)
    assert not State(settled=True, session="s").callable(open_to_nobody=False)
    assert State(settled=True, session="s").callable(open_to_nobody=True)
    assert State(settled=True, session="s", again=True).callable(open_to_nobody=False)


def test_a_session_that_counts_its_connections_says_whether_it_comes_again() -> None:
    for count, again in ((0, False), (1, True), (None, True)):
        found = session.absorb(State(), waiting(Connect("s", connection_count=count)), NOW, SETTLE)
        assert found.state.again is again


def test_an_identity_that_is_on_its_way_keeps_the_wait_from_being_over() -> None:
    """Its predecessor is late; nobody else signs in with the second one."""
    found = session.absorb(State(opened=0), waiting(modify(0, add(0)), auth(1)), NOW + 2 * SETTLE, SETTLE)
    assert (found.state.settled, found.identity_waits) == (False, True)


# Telling ------------------------------------------------------------------------------------------------------------------


def committed(number: int) -> Answer:
    return Answer(number, "Mutation", "null")


def refused(number: int) -> Answer:
    return Answer(number, "Mutation", "null", Failure("no"))


def types(posts: list[str]) -> list[str]:
    return [json.loads(post)["type"] for post in posts]


def test_answers_go_first_and_a_transition_follows_even_when_nothing_changed() -> None:
    state = State(Version(1, 0, 50), first=True, settled=True)
    told = session.tell(state.version, state, [committed(2), committed(1)], [], now_ns=40)
    assert types(told.posts) == ["MutationResponse", "MutationResponse", "Transition"]
    one, two, last = (json.loads(post) for post in told.posts)
    assert (one["requestId"], two["requestId"]) == (1, 2)
    stamps = [messages.read_ts(each) for each in (one["ts"], two["ts"], last["endVersion"]["ts"])]
    assert stamps == sorted(set(stamps))
    assert stamps[0] > 50
    assert told.state.version == Version(1, 0, stamps[-1])


def test_actions_need_no_transition_but_a_failed_mutation_gets_one_too() -> None:
    """Rust-based clients resolve a mutation that failed with data only at the next Transition."""
    state = State(Version(1, 0, 50), first=True, settled=True)
    told = session.tell(state.version, state, [Answer(2, "Action", "1")], [], now_ns=60)
    assert types(told.posts) == ["ActionResponse"]
    assert told.state.version == state.version
    told = session.tell(state.version, state, [refused(1)], [], now_ns=60)
    assert types(told.posts) == ["MutationResponse", "Transition"]


def test_an_answer_whose_effect_cannot_be_shown_is_told_and_reached_when_it_can() -> None:
    state = replace(State(Version(1, 0, 50), first=True, settled=True), pending=frozenset({3}))
    told = session.tell(state.version, state, [replace(committed(1), late=True), committed(2)], [], now_ns=60)
    late, other, last = (json.loads(post) for post in told.posts)
    stamps = [messages.read_ts(each) for each in (other["ts"], last["endVersion"]["ts"], late["ts"])]
    assert stamps == sorted(set(stamps))
    assert stamps[2] == 60 + session.PROMISE_NS
    waiting = session.tell(told.state.version, told.state, [], ["{}"], now_ns=10**18)
    assert waiting.state.version.ts < stamps[2]
    shown = session.tell(waiting.state.version, replace(waiting.state, pending=frozenset()), [], [], now_ns=70)
    assert shown.state.version.ts >= stamps[2]
    assert (shown.state.promised, shown.state.reserved) == (0, 0)


def test_nothing_to_say_is_not_said() -> None:
    state = State(Version(1, 0, 50), first=True, settled=True)
    assert session.tell(state.version, state, [], [], now_ns=60).posts == []


def test_successes_wait_for_the_first_query_set_and_the_clock_stands_still_until_then() -> None:
    state = State(Version(0, 1, 0), settled=True, owed=True)
    told = session.tell(Version(0, 0, 0), state, [committed(1), refused(2)], [], now_ns=60)
    assert types(told.posts) == ["MutationResponse", "Transition"]
    assert [answer.request_id for answer in told.held] == [1]
    assert told.state.version == Version(0, 1, 0)
    assert not told.state.owed


def test_the_clients_maximum_is_a_floor_and_owes_a_transition_when_it_comes_late() -> None:
    state = State(Version(1, 0, 50), opened=NOW, first=True, settled=True)
    late = session.absorb(state, waiting(Connect("s", max_observed_timestamp=messages.write_ts(999))), NOW, SETTLE)
    assert late.state.owed
    told = session.tell(state.version, late.state, [], [], now_ns=60)
    assert told.state.version.ts == 999
    early = session.absorb(
        replace(state, version=Version(1, 0, 5000)), waiting(Connect("s", max_observed_timestamp=messages.write_ts(999))), NOW, 0
    )
    assert not early.state.owed


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.integers(0, 200)), max_size=12), st.integers(0, 150)
)
def test_the_client_accepts_whatever_is_told(steps: list[tuple[int, bool, bool, int]], floor: int) -> None:
    """Turns with any number of answers and changes, under a clock that jumps about."""
    client = Client("s")
    client.observed = floor
    client.open()
    client.subscribe("m:f")
    queries: dict[int, Any] = {}
    state, number = State(opened=0, settled=True), 0
    for answers, change, more, now_ns in steps:
        if more:
            client.subscribe("m:f")
        sent = [messages.read_frame(text) for text in client.outbox]
        client.outbox.clear()
        control = [each for each in sent if isinstance(each, Connect | ModifyQuerySet | Authenticate)]
        found = session.absorb(state, [Waiting(str(n), 0, each) for n, each in enumerate(control)], 0, 0)
        modifications = [messages.query_updated(query_id, "1", [], None) for query_id in found.added]
        queries |= found.added
        if change and queries:
            modifications.append(messages.query_updated(min(queries), str(now_ns), [], None))
        calls = [client.mutate("m:g") for _ in range(answers)]
        client.outbox = [text for text in client.outbox if '"Mutation"' not in text]
        told = session.tell(state.version, found.state, [committed(call.id) for call in calls], modifications, now_ns)
        for post in told.posts:
            client.receive(post)
        assert all(call.state == "resolved" for call in calls)
        state, number = told.state, number + answers
    assert client.version.ts == state.version.ts


# What fits ----------------------------------------------------------------------------------------------------------------


def test_an_answer_that_fits_no_message_says_what_happened() -> None:
    for kind, word in (("Mutation", "It did commit"), ("Action", "It did run")):
        large = session.fitted(Answer(1, kind, json.dumps("x" * 120_000)))
        assert large.failure is not None
        assert word in large.failure.message
        assert not large.committed
    small = Answer(1, "Mutation", '"x"', None, ("[LOG] 'a'",))
    assert session.fitted(small) == small
