"""A figure as a bench prints it, with its goal beside it."""

from __future__ import annotations


def told(figure: float, goal: float, unit: str, *, least: bool = False) -> str:
    """A figure, its unit and its goal, and whether it was missed.

    Args:
        least: the goal is the least that is good; otherwise the most.
    """
    missed = figure < goal if least else figure > goal
    sign = ">=" if least else "<="
    return f"{_short(figure):>9} {unit} ({sign} {_short(goal)}{', MISSED' if missed else ''})"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.2f}"
