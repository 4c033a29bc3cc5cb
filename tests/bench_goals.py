"""`make bench`: what live delivery costs, each figure beside what it must be and what it aims at, in one run.

`python -m tests.bench_goals [part …]` measures only these parts (calls, pieces, rooms, writers, pages, idle, sweep, turns, peers,
transfers, bytes); MOST_VIEWERS=100 leaves the crowds out. A figure that could not be measured is in the table, with the reason.
"""

from __future__ import annotations

import os
import sys
import time

from tests.goals.goal import Found, table
from tests.goals.measure import parts


def main(asked: list[str]) -> int:
    """Measure, and print the table. Returns 2 for a part that there is not, else 0: a goal that is missed fails no run."""
    every = parts(int(os.environ.get("MOST_VIEWERS", "1000")))
    if unknown := [name for name in asked if name not in every]:
        print(f"no such part: {', '.join(unknown)}. There are: {', '.join(every)}", file=sys.stderr)
        return 2
    found: dict[str, Found] = {}
    for name in asked or every:
        began = time.monotonic()
        print(f"{name} …", flush=True)
        try:
            found[name] = every[name]()
        except (RuntimeError, TimeoutError, OSError, AssertionError) as failed:
            found[name] = Found({}, f"stopped: {failed!r}")
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    print("\nWhat delivery costs\n")
    for line in table(found):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
