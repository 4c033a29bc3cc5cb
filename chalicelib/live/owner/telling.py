"""What a socket may be told now: which answers, and which values. No I/O, no state of its own.

A client must not see what its own call did before the call is answered, nor take a call for done while it is shown what was
true before. With numbers both are simple: a call that committed as number k is *behind* in a value that was read at a
number below k, if the call touched what was read; and a value may show a call that was not answered if it read what
the call touched. So

* an answer waits until no query that is shown is behind it;
* a new value waits while it may show a call that is not answered yet, or is behind one that is;
* what waits keeps others waiting only if they, too, have to do with it: all the rest is told.

A query that cannot be evaluated thus holds up the calls that touched it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.data.reads import Touched, Watch, overlap
from chalicelib.live.owner.queries import Evaluated
from chalicelib.live.session import Answer


@dataclass(frozen=True)
class Effect:
    """What a call of this socket wrote, and the number of its commit."""

    number: int
    touched: tuple[Touched, ...]

    def of(self, watches: Iterable[Watch]) -> bool:
        """Whether it wrote there."""
        return any(overlap(place, watch) for watch in watches for place in self.touched)

    def behind(self, shown: Evaluated) -> bool:
        """Whether this value is older than the effect, and the effect would change it."""
        return shown.number < self.number and self.of(shown.watches)


@dataclass(frozen=True)
class Reply:
    """An answer, and the effect of its call if it committed."""

    answer: Answer
    effect: Effect | None = None
    at: int = 0
    """When (ms) it was there."""


@dataclass
class Tellable:
    """What may be told."""

    replies: list[Reply]
    values: dict[int, Evaluated]
    """By query id."""


def tellable(
    replies: Sequence[Reply],
    open_effects: Sequence[Effect],
    told_effects: Sequence[Effect],
    shown: Mapping[int, Evaluated],
    fresh: Mapping[int, Evaluated],
) -> Tellable:
    """Choose.

    Args:
        replies: answers that wait to be told.
        open_effects: of calls that have committed, and whose answers are not known yet.
        told_effects: of calls that were answered before.
        shown: what the client has, by query id.
        fresh: what is new for it.
    """
    values = {number: value for number, value in fresh.items() if not any(each.behind(value) for each in told_effects)}
    told = list(replies)
    while True:
        seen = {**shown, **values}
        kept = [one for one in told if one.effect is None or not any(one.effect.behind(value) for value in seen.values())]
        untold = [*open_effects, *(one.effect for one in replies if one.effect is not None and one not in kept)]
        left = {number: value for number, value in values.items() if not any(each.of(value.watches) for each in untold)}
        if len(kept) == len(told) and len(left) == len(values):
            return Tellable(kept, left)
        told, values = kept, left
