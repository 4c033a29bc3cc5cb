"""Documents of one writer are in the order in which they were made, however many fall into one millisecond."""

from __future__ import annotations

from chalicelib.runtime.moments import Moments
from tests.data.desk import Desk, note_of


def test_what_is_made_later_is_newer_within_one_millisecond() -> None:
    desk = Desk()
    made = [desk.do("put", {"owner": "ann", "rank": 0}).value for _ in range(60)]
    assert [each["_id"] for each in desk.do("of", owner="ann").value] == made


def test_moments_grow_and_follow_the_clock() -> None:
    moments = Moments()
    told = [moments.next(now) for now in (5, 5, 5, 4, 5, 9, 9)]
    assert told == sorted(set(told))
    assert told[0] == 5.0
    assert told[5] == 9.0
    assert max(told[:5]) < 6
    assert note_of({}).creation_time == 0.0
