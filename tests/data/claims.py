"""What must hold in any weather, as functions from a seed to a complaint (None = all is well).

The tests run them with every protective step on, and again with one switched off: then some seed must complain.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from infra.local.faults.store import Faults
from tests.data.sea import Sea


def every_increment_counts_once(seed: int) -> str | None:
    """Invariants 1 and 6: lost answers and conflicts included."""
    sea = Sea(seed)
    sea.do("launch", harbour="h", name="b")
    sea.storm()
    results = sea.weave.run([lambda: [sea.do("board", name="b") for _ in range(5)] for _ in range(4)])
    sea.calm()
    seen = sorted(number for result in results if isinstance(result, list) for number in result)
    total = sea.ask("crew", names=["b"])[0]
    if any(isinstance(result, Exception) for result in results):
        return f"failed: {results}"
    return None if (total, seen) == (20, list(range(1, 21))) else f"{total} aboard, told {seen}"


def an_empty_range_is_entered_once(seed: int, by: str = "launch_if_empty") -> str | None:
    """Invariant 1: phantoms. A boat was in each harbour lately, so that stale index entries are about."""
    sea = Sea(seed)
    for number in range(3):
        sea.do("launch", harbour="h", name=f"old{number}", rank=number)
    sea.storm()
    for number in range(3):
        sea.do("sink", name=f"old{number}")
    results = sea.weave.run([partial(sea.do, by, harbour="h") for _ in range(5)])
    sea.calm()
    if any(isinstance(result, Exception) for result in results):
        return f"failed: {results}"
    boats = sea.ask("ranked", harbour="h")
    return None if results.count(True) == 1 and len(boats) == 1 else f"{results.count(True)} entered, {len(boats)} there"


def who_named_nobody_enters_alone(seed: int) -> str | None:
    """Invariant 1: a range of which only ids were asked is a condition of the commit."""
    return an_empty_range_is_entered_once(seed, "launch_if_nobody_named")


def nobody_boards_both(seed: int) -> str | None:
    """Invariant 1: write skew. What was only read is checked, too."""
    sea = Sea(seed)
    for name in ("x", "y"):
        sea.do("launch", harbour="h", name=name)
    sea.storm()
    pairs = (("x", "y"), ("y", "x"))
    results = sea.weave.run([partial(sea.do, "at_most_one_reads_only", mine=mine, other=other) for mine, other in pairs])
    sea.calm()
    return None if results.count(True) == 1 else f"{results}"


def a_sum_is_never_torn(seed: int) -> str | None:
    """Invariant 2: a transfer is seen whole or not at all."""
    sea = Sea(seed)
    for name in ("x", "y"):
        sea.do("launch", harbour="h", name=name)
    sea.storm()
    seen: list[int] = []

    def read() -> None:
        for number in range(8):
            seen.append(sea.ask("crew_in", harbour="h") if number % 2 else sum(sea.ask("crew", names=["x", "y"])))

    def write() -> None:
        for number in range(6):
            sea.do("swap", one="xy"[number % 2], other="yx"[number % 2])

    failed = [result for result in sea.weave.run([read, write, read]) if result is not None]
    if failed:
        return f"failed: {failed}"
    return None if not any(seen) else f"totals {seen}"


def a_range_is_what_was_written(seed: int) -> str | None:
    """Invariant 2: under index lag a reader that waited for its writes sees exactly them, in order, counted, and limited."""
    sea = Sea(seed)
    model: dict[str, tuple[str, int]] = {}
    sea.storm()
    for step in range(25):
        name, harbour, rank = f"b{sea.random.randrange(5)}", f"h{sea.random.randrange(2)}", sea.random.randrange(6)
        kind = sea.random.choice(("launch", "move", "move", "sink"))
        if kind == "launch" and name not in model:
            sea.do("launch", harbour=harbour, rank=rank, name=name)
            model[name] = (harbour, rank)
        elif kind == "move" and name in model:
            sea.do("move", name=name, rank=rank, harbour=harbour)
            model[name] = (harbour, rank)
        elif kind == "sink" and name in model:
            sea.do("sink", name=name)
            del model[name]
        limit, newest, low = sea.random.choice((1, 2, 3, 100)), sea.random.random() < 0.5, sea.random.randrange(-1, 5)
        expected = sorted((at for where, at in model.values() if where == "h0" and at >= low), reverse=newest)[:limit]
        found = [at for at, _ in sea.ask("ranked", harbour="h0", limit=limit, newest=newest, low=low)]
        size = sea.ask("counted", harbour="h0")
        if found != expected or size != sum(where == "h0" for where, _ in model.values()):
            return f"step {step}: {found} ({size}) is not {expected}"
        if (told := _misnamed(sea, model, newest, low)) is not None:
            return f"step {step}: {told}"
    return None


def _misnamed(sea: Sea, model: dict[str, tuple[str, int]], newest: bool, low: int) -> str | None:
    """Who is there by ids alone, and by documents that are looked at once: in the whole harbour, and from a rank on."""
    for least in (None, low):
        there = {name for name, (where, at) in model.items() if where == "h0" and (least is None or at >= least)}
        for how in ("ids", "all"):
            (found,) = sea.ask("named", harbours=["h0"], how=how, low=least, newest=newest)
            ranks = [model[name][1] for name in found if name in there]
            if sorted(found) != sorted(there) or ranks != sorted(ranks, reverse=newest):
                return f"{how} from {least}: {found} is not {sorted(there)}"
    return None


def who_is_there_is_seen_at_one_instant(seed: int) -> str | None:
    """Invariant 2: boats change places in one commit; each harbour always has one, by ids or documents looked at once."""
    sea = Sea(seed)
    for name, harbour in (("x", "a"), ("y", "b")):
        sea.do("launch", harbour=harbour, rank=1, name=name)
    sea.storm()
    wrong: list[str] = []
    ways: list[dict[str, object]] = [{"how": how, "low": low} for how in ("ids", "all", "two") for low in (None, 0)]

    def look() -> None:
        for way in (*ways, *ways):
            seen = sea.ask("named", harbours=["a", "b"], **way)
            if sorted(seen) != [["x"], ["y"]]:
                wrong.append(f"{seen} by {way}")

    def change() -> None:
        for _ in range(10):
            sea.do("exchange", one="x", other="y")

    failed = [result for result in sea.weave.run([look, change, look]) if isinstance(result, Exception)]
    return f"{failed} {wrong}" if failed or wrong else None


def ids_know_what_their_own_run_has_written(seed: int) -> str | None:
    """A run that names a range sees who has come and gone in it by its own hand, in order, under index lag."""
    sea = Sea(seed)
    for number in range(4):
        sea.do("launch", harbour="h", rank=number, name=f"b{number}")
    sea.storm()
    low = sea.random.randrange(4)
    without = f"b{sea.random.randrange(4)}"
    expected = [f"b{number}" for number in range(low, 4) if f"b{number}" != without]
    expected.insert(int(without != f"b{low}"), "new")
    found = sea.do("named_and_launched", harbour="h", name="new", without=without, low=low)
    return None if found == expected else f"{found} is not {expected}"


def a_limit_is_met_past_stale_entries(seed: int) -> str | None:
    """Invariant 2: an index page full of what is gone is not the end of the range."""
    sea = Sea(seed, Faults(index_lag=(5.0, 20.0)))
    for number in range(16):
        sea.do("launch", harbour="h", rank=number, name=f"b{number:02}")
    sea.weave.sleep(7200)
    sea.truth.expire(int(sea.weave.now()))  # the fresh rows are gone; only the index knows these documents
    sea.storm()
    gone = sea.random.randrange(8, 15)
    for number in range(gone):
        sea.do("sink", name=f"b{number:02}")
    found = [rank for rank, _ in sea.ask("ranked", harbour="h", limit=1)]
    return None if found == [gone] else f"{found} is not {[gone]}"


def an_end_is_found_among_fresh_rows(seed: int) -> str | None:
    """Invariant 2: the index shows nothing yet, and most of what entered lately has left again; both ends are found."""
    sea = Sea(seed, Faults(index_lag=(500.0, 900.0)))
    sea.storm()
    for number in range(24):
        sea.do("launch", harbour="h", rank=number, name=f"b{number:02}")
    first = sea.random.randrange(7, 12)
    last = sea.random.randrange(first, 16)
    for number in (*range(first), *range(last + 1, 24)):
        sea.do("sink", name=f"b{number:02}")
    ends = [[rank for rank, _ in sea.ask("ranked", harbour="h", limit=1, newest=newest)] for newest in (False, True)]
    return None if ends == [[first], [last]] else f"{ends} is not {[[first], [last]]}"


def a_log_has_no_holes(seed: int) -> str | None:
    """Invariant 2: a reader of a log sees 1 … n without a hole, and all that was told before it asked."""
    sea = Sea(seed)
    sea.storm()
    told = [0]
    wrong: list[str] = []

    def read() -> None:
        for _ in range(8):
            least = told[0]
            seen = sea.ask("knots", rope="r")
            if seen != list(range(1, len(seen) + 1)) or len(seen) < least:
                wrong.append(f"{seen} after {least} was told")

    def write() -> None:
        for _ in range(4):
            told[0] = max(told[0], sea.do("tie", rope="r", text="t"))

    failed = [result for result in sea.weave.run([write, read, write, read]) if isinstance(result, Exception)]
    return f"{failed} {wrong}" if failed or wrong else None


def a_berth_has_one_boat(seed: int) -> str | None:
    """Invariant 1, unique values: boats change places while others want one berth; nobody is lost, nobody comes second."""
    sea = Sea(seed)
    for number, name in enumerate("xyz"):
        sea.do("moor", name=name, number=number)
    sea.storm()
    seen: list[list[str]] = []

    def trades(one: str, other: str) -> None:
        for _ in range(3):
            sea.do("trade", one=one, other=other)

    def looks() -> None:
        seen.extend(sea.ask("moored", numbers=[0, 1, 2]) for _ in range(6))

    wanted = [partial(sea.do, "moor", name=f"new{number}", number=9) for number in range(3)]
    results = sea.weave.run([partial(trades, "x", "y"), partial(trades, "y", "z"), looks, *wanted])
    sea.calm()
    failed = [result for result in results if isinstance(result, Exception)]
    last = sea.ask("moored", numbers=[0, 1, 2, 9])
    torn = [each for each in seen if sorted(each) != ["x", "y", "z"]]
    first = [f"new{number}" for number, told in enumerate(results[3:]) if told is True]
    whole = sorted(last[:3]) == ["x", "y", "z"] and [last[3]] == first
    return None if whole and not failed and not torn else f"{failed} {torn} {last} {first}"


def a_mutation_that_only_reads_sees_one_instant(seed: int) -> str | None:
    """Invariant 1: nothing is committed, and what it answers was true all the same."""
    sea = Sea(seed)
    for name in ("x", "y"):
        sea.do("launch", harbour="h", name=name)
    sea.storm()
    seen: list[int] = []

    def read() -> None:
        seen.extend(sum(sea.do("muster", names=["x", "y"])) for _ in range(8))

    def write() -> None:
        for number in range(6):
            sea.do("swap", one="xy"[number % 2], other="yx"[number % 2])

    failed = [result for result in sea.weave.run([read, write, read]) if result is not None]
    return f"{failed} {seen}" if failed or any(seen) else None


def an_answer_under_a_key_stays(seed: int) -> str | None:
    """Invariant 6: who asks again under the same key is told the first answer, also of a call that wrote nothing."""
    sea = Sea(seed)
    sea.do("launch", harbour="h", name="b")
    sea.storm()
    told: list[int] = []

    def read() -> None:
        told.extend(sea.do("muster", key="k", names=["b"])[0] for _ in range(4))

    def write() -> None:
        for _ in range(6):
            sea.do("board", name="b")

    failed = [result for result in sea.weave.run([read, write, read]) if result is not None]
    return f"{failed} {told}" if failed or len(set(told)) != 1 else None


def what_is_settled_is_vouched_for(seed: int) -> str | None:
    """Invariant 2: rows that are looked at once are those of the document that says which count, at one instant."""
    sea = Sea(seed)
    sea.do("spool")
    sea.storm()
    last, told, wrong = 3, [0], list[str]()

    def write() -> None:
        for number in range(3):
            for sequence in range(last + 1):
                sea.do("wind", sequence=sequence, last=last)
            sea.do("rewind")
            told[0] = number + 1

    def read() -> None:
        for _ in range(12):
            least = told[0]
            number, full, rows = sea.ask("wound")
            if number < least or (last in rows and not full):
                wrong.append(f"{number} {full} {rows} after {least}")

    failed = [result for result in sea.weave.run([write, read, read]) if result is not None]
    return f"{failed} {wrong}" if failed or wrong else None


CLAIMS = (
    every_increment_counts_once,
    an_empty_range_is_entered_once,
    who_named_nobody_enters_alone,
    who_is_there_is_seen_at_one_instant,
    ids_know_what_their_own_run_has_written,
    nobody_boards_both,
    a_sum_is_never_torn,
    a_range_is_what_was_written,
    a_limit_is_met_past_stale_entries,
    an_end_is_found_among_fresh_rows,
    a_log_has_no_holes,
    a_berth_has_one_boat,
    a_mutation_that_only_reads_sees_one_instant,
    an_answer_under_a_key_stays,
    what_is_settled_is_vouched_for,
)


def complaint(claim: Callable[[int], str | None], seed: int) -> str | None:
    """What a claim says about a seed; an error is a complaint, too."""
    try:
        return claim(seed)
    except RuntimeError as error:
        return str(error)
