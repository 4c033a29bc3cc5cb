"""What a server's process and its database still hold of clients."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

TABLES = ("mailboxes", "subscriptions", "watches", "inbox")


def left(folder: Path) -> dict[str, int]:
    """How many rows of connections there are."""
    with closing(sqlite3.connect(f"file:{folder / 'concave.db'}?mode=ro", uri=True)) as db:
        counts = {table: db.execute(f'SELECT count(*) FROM "items.{table}"').fetchone()[0] for table in TABLES}
    return {table: count for table, count in counts.items() if count}


def held(pid: int) -> tuple[int, int]:
    """What a process holds: memory in MB, and open files. (Its threads are a pool, which grows to its bound.)"""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20, len(os.listdir(f"/proc/{pid}/fd"))
