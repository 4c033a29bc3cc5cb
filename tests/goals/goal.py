"""The goals of live delivery: what each figure is, what it must be, what it aims at, and the table of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Basis = Literal["counted", "seconds", "ratio", "dollars"]
BASES: dict[Basis, str] = {
    "counted": "requests, units or bytes, counted by DynamoDB's rules over SQLite with LIVE=rows; the same on every machine",
    "seconds": "on this machine, each request to the store 5 ms away: bounded by those, not by the processor",
    "ratio": "to another server or to CPU time in the same run, on SQLite with LIVE=owner",
    "dollars": "counted units at the dated prices of infra/prices.py, with the invocations' assumed times",
}
"""What a figure says, and of which machine."""


@dataclass(frozen=True)
class Goal:
    """One figure: its `key` among what `part` measures, its name, what it must be, and what it aims at."""

    part: str
    key: str
    name: str
    basis: Basis
    sign: Literal["≤", "≥"]
    must: float
    aim: float

    def verdict(self, figure: float) -> str:
        """What a figure reaches: "aim", "must" or "NO"."""
        for word, bound in (("aim", self.aim), ("must", self.must)):
            if figure <= bound if self.sign == "≤" else figure >= bound:
                return word
        return "NO"


GOALS = (
    Goal("calls", "call requests", "a socket's mutation, nobody subscribed: requests", "counted", "≤", 11, 8),
    Goal("calls", "call WCU", "… write units", "counted", "≤", 10, 7),
    Goal("calls", "send WCU", "chat:sendMessage, one watcher: write units", "counted", "≤", 24, 18),
    Goal("calls", "send requests", "… requests", "counted", "≤", 22, 15),
    Goal("pieces", "1", "a model's piece, mean of a reply of about 24, to 1 viewer: write units", "counted", "≤", 2, 1.5),
    Goal("pieces", "10", "… to 10 viewers", "counted", "≤", 4, 3),
    Goal("pieces", "100", "… to 100 viewers", "counted", "≤", 30, 20),
    Goal("pieces", "1000", "… to 1000 viewers", "counted", "≤", 300, 200),
    Goal("rooms", "10 WCU", "a room's message to 10 others: write units", "counted", "≤", 45, 35),
    Goal("rooms", "10 RCU", "… read units", "counted", "≤", 130, 100),
    Goal("rooms", "40 WCU", "a room's message to 40 others: write units", "counted", "≤", 110, 90),
    Goal("rooms", "40 RCU", "… read units", "counted", "≤", 450, 350),
    Goal("writers", "1", "one conversation's commits a second: 1 writer", "seconds", "≥", 30, 45),
    Goal("writers", "8", "… 8 writers", "seconds", "≥", 110, 150),
    Goal("writers", "32", "… 32 writers", "seconds", "≥", 180, 250),
    Goal("pages", "page", "a page with 5 queries, opened and closed: write units", "counted", "≤", 50, 30),
    Goal("pages", "far ÷ near", "addMessage at message 800 ÷ at message 1: write units", "counted", "≤", 1.1, 1.0),
    Goal("idle", "socket", "a socket that says nothing, one month", "dollars", "≤", 0.11, 0.09),
    Goal("sweep", "sockets", "sockets that one sweep keeps alive", "seconds", "≥", 50_000, 500_000),
    Goal("turns", "1", "a million turns, 1 tab", "dollars", "≤", 220, 170),
    Goal("turns", "10", "… 10 tabs", "dollars", "≤", 520, 415),
    Goal("peers", "echoes", "a mutation until another has it ÷ bare echo", "ratio", "≤", 6, 4),
    Goal("peers", "rate", "deliveries a second to 1000 ÷ bare broadcast", "ratio", "≥", 0.5, 0.8),
    Goal("peers", "socket.io", "CPU of a stored message to 10 ÷ socket.io with SQLite", "ratio", "≤", 4, 2.5),
    Goal("peers", "PocketBase", "… ÷ PocketBase", "ratio", "≤", 2.2, 1.3),
    Goal("transfers", "calm", "transfers of 8 sockets for each second of CPU: any accounts", "ratio", "≥", 1200, 2000),
    Goal("transfers", "hot", "… 80 of 100 between the same two", "ratio", "≥", 1000, 2000),
    Goal("bytes", "rows", "bytes to the page of a reply of 40,000 characters ÷ its text: rows", "counted", "≤", 4, 3),
    Goal("bytes", "owner", "… owner, compressed", "counted", "≤", 1.8, 1.2),
)
"""The figures that a change of delivery is judged by."""


@dataclass
class Found:
    """What a part came to: figures by their goals' keys, and why those that are missing are."""

    figures: Mapping[str, float]
    missing: str = "not measured"


def table(found: Mapping[str, Found]) -> Iterator[str]:
    """The lines: each goal of the parts that were asked for, its figure and what that reaches; last, what the bases mean."""
    yield f"  {'':66}{'figure':>10}   {'must':>9}{'aim':>9}   reached   basis"
    counts = {"aim": 0, "must": 0, "NO": 0, "not measured": 0}
    asked = [goal for goal in GOALS if goal.part in found]
    for goal in asked:
        part = found[goal.part]
        goals = f"{goal.sign} {goal.must:<7,g}{goal.aim:>9,g}"
        if (figure := part.figures.get(goal.key)) is None:
            counts["not measured"] += 1
            yield f"  {goal.name:66}{'-':>10}   {goals}   {'-':9} {part.missing[:100]}"
            continue
        word = goal.verdict(figure)
        counts[word] += 1
        yield f"  {goal.name:66}{_short(figure):>10}   {goals}   {word:9} {goal.basis}"
    yield ""
    yield "  " + ", ".join(f"{count} {word}" for word, count in counts.items())
    for basis in dict.fromkeys(goal.basis for goal in asked):
        yield f"  {basis}: {BASES[basis]}"


def _short(figure: float) -> str:
    """Three figures that count, and thousands in full."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
