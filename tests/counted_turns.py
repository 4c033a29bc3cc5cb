"""What a turn was counted to use, by tabs that watch it: the record that the documents and `make bench-scale` price.

`make bench-cost` counts anew, prints this table first, and says what it finds to be otherwise. A count differs a little from one
run to the next (which writes meet in one commit, how long the model speaks), so that the documents hold one that is written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.prices import cost

COUNTED_ON = "2026-11-29"
CHUNKS, REPLY_S = {1: 17, 10: 9}, 7
"""Of the reply that was counted, 300 words at 50 tokens a second: its chunks by tabs (fewer where many watch), its seconds."""
TURNS: dict[int, dict[str, float]] = {
    1: {
        "wru": 99,
        "rru": 246,
        "invocation": 24,
        "gb_second": 4.64,
        "message": 23,
        "queue_request": 3,
        "log_byte": 21_600,
        "byte_out": 14_569,
    },
    10: {
        "wru": 221,
        "rru": 547,
        "invocation": 25,
        "gb_second": 5.42,
        "message": 132,
        "queue_request": 3,
        "log_byte": 22_500,
        "byte_out": 123_338,
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
    scale = (chunks + 4) / (CHUNKS[tabs] + 4)
    found = {unit: units[unit] / (TURNS[tabs][unit] * scale) for unit in STEADY}
    return [f"{unit}: {ratio:.2f} of {TURNS[tabs][unit]:,}" for unit, ratio in found.items() if not ABOUT[0] <= ratio <= ABOUT[1]]
