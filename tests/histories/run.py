"""`make histories`: worlds of appends and reads on both stores and both drivers, with kills, cuts and lost answers, judged.

`python -m tests.histories.run [minutes] [first seed] [kind …]`. Ends with 1 at the first anomaly, and says where its history is.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.histories.world import KINDS, dump, run

WORLD_S = 20


def main(minutes: float, seed: int, kinds: list[str]) -> int:
    """Worlds, one after another, until the time is over; each kind has had its turn at least once."""
    until, outcomes, trouble = time.monotonic() + minutes * 60, Counter[str](), Counter[str]()
    worlds = 0
    for kind in itertools.cycle(kinds):
        if worlds >= len(kinds) and time.monotonic() > until:
            break
        with tempfile.TemporaryDirectory() as folder:
            told = run(kind, seed + worlds, WORLD_S, Path(folder))
        worlds += 1
        outcomes, trouble = outcomes + told.outcomes, trouble + told.trouble
        print(
            f"{kind} seed {seed + worlds - 1}: {_said(told.outcomes)}; {_said(told.trouble)}",
            *told.history.errors,
            sep="\n  ",
            flush=True,
        )
        if told.anomalies:
            left = Path(tempfile.gettempdir()) / f"history-{kind}-{seed + worlds - 1}.jsonl"
            left.write_text(dump(told))
            print("\n".join(told.anomalies[:20]), f"the history is in {left}", sep="\n")
            return 1
    print(f"{worlds} worlds, no anomaly: {_said(outcomes)}; {_said(trouble)}")
    return 0


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(float(given[0]) if given else 4, int(given[1]) if len(given) > 1 else 1, given[2:] or list(KINDS)))
