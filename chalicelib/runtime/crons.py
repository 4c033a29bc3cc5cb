"""Calls that repeat by the clock: `crons` at the top of any module of an app.

    crons = Crons()
    crons.daily("tidy up", tidy_up, hour=3)

Times are UTC. Each cron has at most one job at a time: the sweep schedules the next one when the last has ended, so a run
that is late or slow makes the next ones skip, never pile up. A cron therefore runs at most once a
sweep (a minute in the cloud). Crons run as the service, in the org that callers without a token share.
"""

from __future__ import annotations

import calendar
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim, CronSimError

from chalicelib.data.errors import WrongDeclaration
from chalicelib.data.tables import Table
from chalicelib.runtime.registry import Function


class CronState(Table, name="crons"):
    """The last job of a cron; the id is the cron's name."""

    job: str
    due: float


@dataclass(frozen=True)
class Cron:
    """One repeating call. `following` gives the next moment (ms since the epoch) after a moment."""

    name: str
    function: Function[..., Any]
    args: dict[str, Any]
    following: Callable[[int], int]
    place: str = ""
    """Where it is declared: `file:line`."""


class Crons:
    """The repeating calls of a module."""

    def __init__(self) -> None:
        self.listed: list[Cron] = []

    def interval(self, name: str, function: Any, /, *, seconds: float, **args: Any) -> None:
        """Every so many seconds, counted from the end of the last run."""
        if seconds <= 0:
            raise ValueError(f"cron {name!r}: an interval is more than 0 seconds.")
        self._add(name, function, args, lambda after: after + int(seconds * 1000))

    def hourly(self, name: str, function: Any, /, *, minute: int, **args: Any) -> None:
        """Every hour at this minute."""
        _within(name, minute=(minute, 0, 59))
        self._add(name, function, args, _stepping(timedelta(hours=1), lambda at: at.replace(minute=minute)))

    def daily(self, name: str, function: Any, /, *, hour: int, minute: int = 0, **args: Any) -> None:
        """Every day at this time."""
        _within(name, hour=(hour, 0, 23), minute=(minute, 0, 59))
        self._add(name, function, args, _stepping(timedelta(days=1), lambda at: at.replace(hour=hour, minute=minute)))

    def weekly(self, name: str, function: Any, /, *, weekday: int, hour: int, minute: int = 0, **args: Any) -> None:
        """Every week on this day (0 is Monday) at this time."""
        _within(name, weekday=(weekday, 0, 6), hour=(hour, 0, 23), minute=(minute, 0, 59))

        def this_week(at: datetime) -> datetime:
            return (at + timedelta(days=weekday - at.weekday())).replace(hour=hour, minute=minute)

        self._add(name, function, args, _stepping(timedelta(days=7), this_week))

    def monthly(self, name: str, function: Any, /, *, day: int, hour: int, minute: int = 0, **args: Any) -> None:
        """Every month on this day at this time; in a shorter month on its last day."""
        _within(name, day=(day, 1, 31), hour=(hour, 0, 23), minute=(minute, 0, 59))

        def this_month(at: datetime) -> datetime:
            last = calendar.monthrange(at.year, at.month)[1]
            return at.replace(day=min(day, last), hour=hour, minute=minute)

        def following(after: int) -> int:
            now = _time(after)
            found = this_month(now)
            if found <= now:
                found = this_month(now.replace(day=1) + timedelta(days=32))
            return _ms(found)

        self._add(name, function, args, following)

    def cron(self, name: str, expression: str, function: Any, /, **args: Any) -> None:
        """At the times of a cron expression: minute, hour, day of the month, month, day of the week (0 or SUN is Sunday).

        Raises:
            ValueError: the expression is none, or its moment never comes.
        """
        if len(expression.split()) != 5:
            raise ValueError(f"cron {name!r}: {expression!r} has five fields: minute hour day month weekday.")

        def following(after: int) -> int:
            return _ms(next(CronSim(expression, _time(after))))

        try:
            following(0)
        except (CronSimError, StopIteration) as error:
            raise ValueError(f"cron {name!r}: {expression!r} is no cron expression: {str(error) or 'it never comes'}.") from error
        self._add(name, function, args, following)

    def _add(self, name: str, function: Any, args: dict[str, Any], following: Callable[[int], int]) -> None:
        by = sys._getframe(2)
        place = f"{by.f_code.co_filename}:{by.f_lineno}"
        if not isinstance(function, Function) or function.kind == "query":
            raise WrongDeclaration(place, f"the cron {name!r} calls a registered mutation or action, and this is none.")
        if any(each.name == name for each in self.listed):
            raise WrongDeclaration(place, f"the cron {name!r} is declared twice.")
        self.listed.append(Cron(name, function, args, following, place))


def _within(cron: str, **fields: tuple[int, int, int]) -> None:
    for name, (value, least, most) in fields.items():
        if not least <= value <= most:
            raise ValueError(f"cron {cron!r}: {name} is {least} to {most}, not {value}.")


def _stepping(step: timedelta, within: Callable[[datetime], datetime]) -> Callable[[int], int]:
    def following(after: int) -> int:
        now = _time(after)
        found = within(now)
        return _ms(found if found > now else found + step)

    return following


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).replace(second=0, microsecond=0)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
