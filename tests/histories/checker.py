"""Whether a history of appends and reads is strictly serialisable, and if not, which anomaly shows it.

After Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations" (VLDB 2020): a list that is only
appended to tells by itself in which order its writers came. From that order follow the dependencies between transactions:

- ww: one appended what the other appended after;
- wr: one appended the last element that the other read;
- rw: one read a list to which the other appended next.

A cycle among them is an anomaly, named after Adya ("Weak Consistency", 1999): of ww alone G0, with wr G1c, with exactly one rw
G-single, with more of them G2. With the order of time (one had been answered before the other began) it is a "-realtime" one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.histories.cycles import Graph, anomaly
from tests.histories.history import Transaction

Versions = dict[str, tuple[int, ...]]
Writers = dict[tuple[str, int | None], Transaction]


def check(history: Sequence[Transaction], final: Versions) -> list[str]:
    """What is wrong with a history, in words; nothing when there is an order that explains it.

    Args:
        history: what clients asked for and were told.
        final: each key's list, read when all was quiet.
    """
    writers: Writers = {(step.key, step.value): each for each in history for step in each.steps if step.value is not None}
    longest, found = _versions(history, final)
    found += _strange(history, longest, writers) + _lost(history, final) + _within(history)
    if found:
        return found  # the order of writers is not known, so there is no graph
    graph = _dependencies(history, longest, writers)
    if (verdict := anomaly(graph)) is not None:
        return [verdict]
    _time(graph, history)
    verdict = anomaly(graph)
    return [] if verdict is None else [verdict.replace(":", "-realtime:", 1)]


def _reads(history: Sequence[Transaction]) -> Iterator[tuple[Transaction, str, tuple[int, ...]]]:
    """What was read of lists as others left them: without what the reader itself had appended before."""
    for each in history:
        if each.outcome != "ok":
            continue
        own: dict[str, list[int]] = defaultdict(list)
        for step in each.steps:
            if step.value is not None:
                own[step.key].append(step.value)
            elif step.saw is not None:
                mine = own[step.key]
                yield each, step.key, step.saw[: len(step.saw) - len(mine)] if mine else step.saw


def _versions(history: Sequence[Transaction], final: Versions) -> tuple[Versions, list[str]]:
    """Each key's longest list; and reads that are no beginning of it, or hold an element twice."""
    longest, found = dict(final), []
    seen = [(each.name, step.key, step.saw) for each in history for step in each.steps if each.outcome == "ok" and step.saw]
    for _, key, saw in seen:
        longest[key] = max(longest.get(key, ()), saw, key=len)
    for name, key, saw in [*seen, *(("the final read", key, saw) for key, saw in final.items())]:
        if len(set(saw)) != len(saw):
            found.append(f"duplicate: {name} read {key} with an element twice: {saw}")
        elif longest[key][: len(saw)] != saw:
            found.append(f"incompatible order: {name} read {key} as {saw}, another as {longest[key]}")
    return longest, found


def _strange(history: Sequence[Transaction], longest: Versions, writers: Writers) -> list[str]:
    """Elements that nobody appended, that were taken back (G1a), or of which only a part was seen (G1b)."""
    found = []
    for key, values in longest.items():
        for value in values:
            writer = writers.get((key, value))
            if writer is None:
                found.append(f"garbage: {value} is in {key}, and nobody appended it")
            elif writer.outcome == "failed":
                found.append(f"G1a, aborted read: {value} is in {key}, and {writer.name} was told that it failed")
    last = {}
    for each in history:
        for step in each.steps:
            if step.value is not None:
                last[each.name, step.key] = step.value
    for reader, key, saw in _reads(history):
        writer = writers.get((key, saw[-1])) if saw else None
        if writer is not None and writer is not reader and last[writer.name, key] != saw[-1]:
            found.append(f"G1b, intermediate read: {reader.name} read {key} amid the appends of {writer.name}")
    return found


def _lost(history: Sequence[Transaction], final: Versions) -> list[str]:
    """Appends that were told to have happened and are not there."""
    there = {(key, value) for key, values in final.items() for value in values}
    return [
        f"lost append: {each.name} appended {step.value} to {step.key}, was told so, and it is not there"
        for each in history
        for step in each.steps
        if each.outcome == "ok" and step.value is not None and (step.key, step.value) not in there
    ]


def _within(history: Sequence[Transaction]) -> list[str]:
    """Transactions that do not see their own appends, or see a list change under them."""
    found = []
    for each in history:
        expected: dict[str, tuple[int, ...]] = {}
        own: dict[str, tuple[int, ...]] = defaultdict(tuple)
        for step in each.steps if each.outcome == "ok" else ():
            if step.value is not None:
                own[step.key] += (step.value,)
                if step.key in expected:
                    expected[step.key] += (step.value,)
            elif step.saw is not None:
                mine = own[step.key]
                bad = step.saw[len(step.saw) - len(mine) :] != mine or expected.get(step.key, step.saw) != step.saw
                if bad:
                    found.append(f"internal: {each.name} read {step.key} as {step.saw} after its own {mine}")
                expected[step.key] = step.saw
    return found


def _dependencies(history: Sequence[Transaction], longest: Versions, writers: Writers) -> Graph:
    """The graph of ww, wr and rw."""
    graph = Graph()
    for key, values in longest.items():
        for one, other in pairwise(values):
            graph.add(writers[key, one].name, writers[key, other].name, "ww")
    for reader, key, saw in _reads(history):
        if saw:
            graph.add(writers[key, saw[-1]].name, reader.name, "wr")
        if len(saw) < len(longest.get(key, ())):
            graph.add(reader.name, writers[key, longest[key][len(saw)]].name, "rw")
    return graph


def _time(graph: Graph, history: Sequence[Transaction]) -> None:
    """Add the order of time: through a chain of moments, one for each answer, so that it stays as small as the history.

    What a live query showed is as old as it likes, but not older than what the same screen showed before.
    """
    ends = sorted((each.ended, each.name) for each in history if each.ended is not None)
    moments = [f"answer {number}" for number in range(len(ends))]
    for (_, name), moment in zip(ends, moments, strict=True):
        graph.add(name, moment, "time")
    for one, other in pairwise(moments):
        graph.add(one, other, "time")
    before = 0
    for each in sorted(history, key=lambda each: each.began):
        if each.after is not None:
            graph.add(each.after, each.name, "time")
        while before < len(ends) and ends[before][0] < each.began:
            before += 1
        live = each.outcome == "ok" and each.ended is None
        if before and not live:
            graph.add(moments[before - 1], each.name, "time")
