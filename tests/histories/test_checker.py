"""The checker finds each anomaly that is planted, by its name, and nothing where an order explains everything."""

from __future__ import annotations

import random

import pytest

from tests.histories.checker import Versions, check
from tests.histories.history import Step, Transaction


def append(key: str, value: int) -> Step:
    return Step(key, value=value)


def read(key: str, *saw: int) -> Step:
    return Step(key, saw=saw)


def told(name: str, *steps: Step, began: float = 0.0, ended: float | None = 100.0) -> Transaction:
    return Transaction(name, steps, "ok", began, ended)


PLANTED: dict[str, tuple[list[Transaction], Versions]] = {
    "lost append": ([told("a", append("x", 1))], {"x": ()}),
    "garbage": ([], {"x": (7,)}),
    "duplicate": ([told("a", append("x", 1))], {"x": (1, 1)}),
    "incompatible order": (
        [told("a", append("x", 1)), told("b", append("x", 2)), told("c", read("x", 2))],
        {"x": (1, 2)},
    ),
    "G1a": ([Transaction("a", (append("x", 1),), "failed")], {"x": (1,)}),
    "G1b": ([told("a", append("x", 1), append("x", 2)), told("b", read("x", 1))], {"x": (1, 2)}),
    "internal": ([told("a", append("x", 1), read("x"))], {"x": (1,)}),
    "G0": (
        [told("a", append("x", 1), append("y", 1)), told("b", append("x", 2), append("y", 2))],
        {"x": (1, 2), "y": (2, 1)},
    ),
    "G1c": (
        [told("a", append("x", 1), read("y", 2)), told("b", append("y", 2), read("x", 1))],
        {"x": (1,), "y": (2,)},
    ),
    "G-single": (
        [told("a", read("x"), append("x", 1)), told("b", read("x"), append("x", 2))],
        {"x": (1, 2)},
    ),
    "G2": (
        [told("a", read("x"), append("y", 1)), told("b", read("y"), append("x", 2))],
        {"x": (2,), "y": (1,)},
    ),
    "G0-realtime": (
        [told("a", append("x", 1), began=5, ended=6), told("b", append("x", 2), began=1, ended=2)],
        {"x": (1, 2)},
    ),
    "G1c-realtime": (
        [
            told("a", append("x", 1), append("y", 1), began=5, ended=6),
            told("b", read("x", 1), began=1, ended=2),
        ],
        {"x": (1,), "y": (1,)},
    ),
    "G-single-realtime": (
        [told("a", append("x", 1), began=1, ended=2), told("b", read("x"), began=5, ended=6)],
        {"x": (1,)},
    ),
    "G2-realtime": (
        [
            told("a", read("x"), began=5, ended=6),
            told("b", append("x", 2), read("y"), began=4, ended=7),
            told("c", append("y", 3), began=1, ended=2),
        ],
        {"x": (2,), "y": (3,)},
    ),
}


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "G2-realtime"])
def test_a_planted_anomaly_is_found_by_its_name(name: str) -> None:
    history, final = PLANTED[name]
    found = check(history, final)
    assert found
    assert all(each.startswith((f"{name}:", f"{name},")) for each in found), found


def test_two_reads_of_the_past_that_time_alone_forbids_are_found() -> None:
    history, final = PLANTED["G2-realtime"]
    assert [each.partition(":")[0] for each in check(history, final)] == ["G-single-realtime"]


def test_what_nobody_was_told_may_have_happened_or_not() -> None:
    unknown = Transaction("a", (append("x", 1),), "unknown", 1)
    assert check([unknown, told("b", read("x"), began=5, ended=6)], {"x": ()}) == []
    assert check([unknown, told("b", read("x"), began=5, ended=6)], {"x": (1,)}) == []


def test_a_live_query_may_be_late_but_its_screen_does_not_go_back() -> None:
    write = told("a", append("x", 1), began=1, ended=2)
    late = Transaction("s1", (read("x"),), "ok", 5, None)
    assert check([write, late], {"x": (1,)}) == []
    shown = [Transaction("s1", (read("x", 1),), "ok", 5, None), Transaction("s2", (read("x"),), "ok", 6, None, after="s1")]
    assert [each.partition(":")[0] for each in check([write, *shown], {"x": (1,)})] == ["G-single-realtime"]


def serial(seed: int, count: int) -> tuple[list[Transaction], Versions]:
    """Transactions that ran one after another, told with overlapping times."""
    rng, lists, history = random.Random(seed), dict[str, list[int]](), []
    for number in range(count):
        steps = []
        for part in range(rng.randint(1, 4)):
            key = rng.choice("xyz")
            if rng.random() < 0.5:
                lists.setdefault(key, []).append(number * 10 + part)
                steps.append(append(key, number * 10 + part))
            else:
                steps.append(read(key, *lists.get(key, ())))
        history.append(Transaction(f"T{number}", tuple(steps), "ok", number - rng.random() * 3, number + rng.random() * 3))
    return history, {key: tuple(values) for key, values in lists.items()}


@pytest.mark.parametrize("seed", range(20))
def test_what_ran_one_after_another_is_explained(seed: int) -> None:
    history, final = serial(seed, 300)
    rng = random.Random(seed)
    rng.shuffle(history)
    assert check(history, final) == []


@pytest.mark.parametrize("seed", range(20))
def test_one_old_read_is_found_among_hundreds(seed: int) -> None:
    history, final = serial(seed, 300)
    rng = random.Random(seed)
    key = rng.choice(sorted(final))
    whole = [step.saw for each in history for step in each.steps[:1] if step.key == key and step.saw]
    old = Transaction("late", (read(key, *whole[len(whole) // 2]),), "ok", 9_000, 10_000)
    assert [each.partition(":")[0] for each in check([*history, old], final)] == ["G-single-realtime"]


@pytest.mark.parametrize("seed", range(20))
def test_a_swapped_pair_of_reads_is_found_without_the_help_of_time(seed: int) -> None:
    history, final = serial(seed, 300)
    one, other = (
        Transaction("one", (append("a", -1), read("b")), "ok", 1, None),
        Transaction("other", (append("b", -2), read("a")), "ok", 1, None),
    )
    assert [each.partition(":")[0] for each in check([*history, one, other], {**final, "a": (-1,), "b": (-2,)})] == ["G2"]
