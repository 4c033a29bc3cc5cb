"""Backups of a server that is in use: the state between two commits, whole, and the way back."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.data.errors import BadRequest, StoreFailed
from infra.local.sqlite.backup import FILE, backup, restore, verify
from tests.local.test_stack import HOME, Process

TRANSFER = """

@mutation
def move(ctx: MutationCtx, one: str, other: str, amount: int) -> int:
    for name, by in ((one, -amount), (other, amount)):
        found = ctx.db.query(Count.by_name(name)).first()
        if found is None:
            ctx.db.insert(Count(name=name, value=by))
        else:
            ctx.db.patch(found, value=found.value + by)
    return amount


@query
def total(ctx: QueryCtx, names: list[str]) -> list[int]:
    return [row.value for name in names for row in ctx.db.query(Count.by_name(name)).collect()]
"""
NAMES = [f"account {number}" for number in range(6)]


class Bank(Process):
    """A server whose accounts always add up to nothing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, CALLS_PER_SECOND="0")
        self.end(signal.SIGKILL)
        self.save(self.module.read_text() + TRANSFER)
        self.start()

    def balances(self) -> list[int]:
        found: list[int] = self.call("query", "stack_app:total", names=NAMES)
        return found


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank(tmp_path / "bank")
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


def admin(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), "CONCAVE_APPS": "examples.counter"}
    command = [sys.executable, "-m", "infra.admin", *arguments]
    return subprocess.run(command, cwd=HOME, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_backups_under_writers_are_whole_and_between_two_commits_and_the_writers_go_on(bank: Bank, tmp_path: Path) -> None:
    stop = threading.Event()
    counts = [0, 0, 0]
    faults: list[Any] = []

    def write(which: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            one, other = NAMES[(which + number) % 6], NAMES[(which * 2 + number * 5 + 1) % 6]
            if one == other:
                continue
            said = bank.call("mutation", "stack_app:move", one=one, other=other, amount=number)
            if said == number:
                counts[which] += 1
            else:
                faults.append(said)

    writers = [threading.Thread(target=write, args=(which,)) for which in range(3)]
    for writer in writers:
        writer.start()
    bank.until(lambda: min(counts) > 3, True)
    copies = [tmp_path / f"copy {number}" for number in range(4)]
    for copy in copies:
        assert backup(bank.data, copy) > 0
        before = sum(counts) + len(writers)  # each may wait for the answer to a commit that the copy has
        bank.until(lambda before=before: sum(counts) > before, True)
    stop.set()
    for writer in writers:
        writer.join(20)
    assert not faults
    final = bank.balances()
    assert bank.end(signal.SIGTERM) == 0
    seen = []
    for copy in copies:
        kept = restore(copy, bank.data)
        assert kept is not None
        bank.start()
        found = bank.balances()
        assert len(found) >= 2
        assert sum(found) == 0, "money was made or lost: the copy is between two steps of a commit"
        seen.append(found)
        bank.end(signal.SIGTERM)
    assert len({tuple(each) for each in seen}) == len(copies), "each copy is of its own moment"
    assert sum(final) == 0


def test_a_backup_by_the_command_restores_what_was_there_with_its_keys(bank: Bank, tmp_path: Path) -> None:
    bank.call("mutation", "stack_app:add", name="a", by=7)
    done = admin(bank.data, "backup", "--out", str(tmp_path / "monday"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["folder"] == str(tmp_path / "monday")
    assert {path.name for path in (tmp_path / "monday").iterdir()} == {FILE, "issuer.pem", "push.pem"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "monday").iterdir()} == {0o600}
    bank.call("mutation", "stack_app:add", name="a", by=1)
    refused = admin(bank.data, "restore", str(tmp_path / "monday"))
    assert refused.returncode == 1
    assert "is open elsewhere" in refused.stderr
    bank.end(signal.SIGKILL)  # the log of the old file stays beside it, and must not get beside the new one
    assert (bank.data / f"{FILE}-wal").exists()
    (bank.data / "issuer.pem").unlink()
    done = admin(bank.data, "restore", str(tmp_path / "monday"))
    assert done.returncode == 0, done.stderr
    assert (bank.data / "issuer.pem").read_bytes() == (tmp_path / "monday" / "issuer.pem").read_bytes()
    bank.start()
    assert bank.call("query", "stack_app:read", name="a") == 7
    bank.end(signal.SIGTERM)
    old = Path(json.loads(done.stdout)["replaced"])
    assert restore_of_the_replaced(old, bank) == 8


def restore_of_the_replaced(old: Path, bank: Bank) -> Any:
    """What was replaced can be had back: it is a data folder."""
    bank.data = old
    (old / "issuer.pem").unlink(missing_ok=True)
    bank.start()
    return bank.call("query", "stack_app:read", name="a")


def test_a_copy_of_a_file_of_nobody_includes_what_is_still_in_its_log(bank: Bank, tmp_path: Path) -> None:
    bank.call("mutation", "stack_app:add", name="a", by=7)
    bank.end(signal.SIGKILL)
    backup(bank.data, tmp_path / "copy")
    restore(tmp_path / "copy", bank.data)
    bank.start()
    assert bank.call("query", "stack_app:read", name="a") == 7


def test_nothing_is_written_over_and_what_is_no_backup_is_refused(bank: Bank, tmp_path: Path) -> None:
    bank.end(signal.SIGTERM)
    with pytest.raises(BadRequest, match=r"There is no concave\.db"):
        backup(tmp_path / "nowhere", tmp_path / "copy")
    backup(bank.data, tmp_path / "copy")
    with pytest.raises(BadRequest, match="there already"):
        backup(bank.data, tmp_path / "copy")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / f"{FILE}.part").touch()
    with pytest.raises(BadRequest, match="did not end"):
        restore(tmp_path / "empty", bank.data)
    refused = admin(bank.data, "restore", str(tmp_path / "empty"))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


def damaged(copy: Path, how: str) -> None:
    """Spoil a file."""
    whole = copy.read_bytes()
    if how == "cut":
        copy.write_bytes(whole[: len(whole) // 2])
    elif how == "overwritten":
        copy.write_bytes(whole[:20_000] + b"\xff" * 40_000 + whole[60_000:])
    else:
        copy.unlink()
        with sqlite3.connect(copy) as other:
            other.execute("CREATE TABLE other (x)")
        other.close()


@pytest.mark.parametrize("damage", ["cut", "overwritten", "another file"])
def test_a_damaged_copy_is_not_restored_and_the_data_stays(bank: Bank, tmp_path: Path, damage: str) -> None:
    for number in range(80):
        bank.call("mutation", "stack_app:add", name=f"{number} " + "x" * 900)
    bank.end(signal.SIGTERM)
    backup(bank.data, tmp_path / "copy")
    copy = tmp_path / "copy" / FILE
    verify(copy)
    damaged(copy, damage)
    with pytest.raises(StoreFailed, match="damaged"):
        restore(tmp_path / "copy", bank.data)
    bank.start()
    assert bank.call("query", "stack_app:read", name="3 " + "x" * 900) == 1
