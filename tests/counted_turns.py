"""What a turn was counted to use, by tabs that watch it: the record that the documents and `make bench-scale` price.

`make bench-cost` counts anew, prints this table first, and says what it finds to be otherwise. A count differs a little from one
run to the next (which writes meet in one commit, how long the model speaks), so that the documents hold one that is written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.prices import cost

COUNTED_ON = "2026-11-28"
CHUNKS, REPLY_S = 17, 7
"""Of the reply that was counted: 300 words, 50 tokens a second."""
TURNS: dict[int, dict[str, float]] = {
    1: {
        "wru": 154,
        "rru": 305,
        "invocation": 26,
        "gb_second": 4.88,
        "message": 24,
        "queue_request": 3,
        "log_byte": 23_400,
        "byte_out": 44_073,
    },
    10: {
        "wru": 493,
        "rru": 1_245,
        "invocation": 43,
        "gb_second": 7.95,
        "message": 232,
        "queue_request": 3,
        "log_byte": 38_700,
        "byte_out": 439_868,
    },
}
"""Units by tabs."""
ABOUT = (0.6, 1.5)
"""A new count of a unit agrees when it is so many times the recorded one."""
STEADY = ("wru", "rru", "invocation", "message")
"""Units that hang on what is done and not on how long it takes."""


def dollars(tabs: int) -> float:
    """Of a million turns."""
    return sum(cost(TURNS[tabs]).values()) * 1e6


def lines() -> Iterator[str]:
    """The table, as Markdown."""
    yield "| tabs | write units | read units | invocations | GB-seconds | messages | bytes out | a million turns |"
    yield "|---|---|---|---|---|---|---|---|"
    for tabs, units in TURNS.items():
        counted = " | ".join(f"{units[unit]:,.0f}" for unit in ("wru", "rru", "invocation"))
        sent = f"{units['gb_second']:.2f} | {units['message']:,.0f} | {units['byte_out']:,.0f}"
        yield f"| {tabs} | {counted} | {sent} | ${dollars(tabs):,.0f} |"


def otherwise(tabs: int, units: Mapping[str, float], chunks: int) -> list[str]:
    """What a new count finds not to be about the recorded; a reply in fewer chunks uses less of everything."""
    scale = (chunks + 4) / (CHUNKS + 4)
    found = {unit: units[unit] / (TURNS[tabs][unit] * scale) for unit in STEADY}
    return [f"{unit}: {ratio:.2f} of {TURNS[tabs][unit]:,}" for unit, ratio in found.items() if not ABOUT[0] <= ratio <= ABOUT[1]]
