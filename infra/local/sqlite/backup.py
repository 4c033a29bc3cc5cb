"""A copy of a data folder while a server uses it, and the way back.

The file is copied by SQLite's online backup (https://www.sqlite.org/backup.html) in one step: one read transaction of the
write-ahead log, so it is the state between two commits and no writer waits for it. A copy counts once `PRAGMA integrity_check`
has found nothing and the disk has it; then it gets its name. The keys beside the file go with it: agents' tokens and browsers'
subscriptions are theirs.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from chalicelib.data.errors import BadRequest, StoreFailed
from infra.local.sqlite.file import lock_file

FILE = "concave.db"
BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a file that is in use."""
WAIT_S = 30.0


def backup(data: Path, folder: Path) -> int:
    """Copy `data` into the new `folder`, for its owner alone; a server may use it meanwhile. Returns the copy's bytes.

    Raises:
        BadRequest: there is nothing to copy, or the folder is there already: a backup is never written over another.
        StoreFailed: the copy is damaged (so is the original, or the disk), or could not be written.
    """
    if not (data / FILE).is_file():
        raise BadRequest(f"There is no {FILE} in {data}: say DATA_DIR.")
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        raise BadRequest(f"{folder} is there already: a backup is never written over another.") from None
    draft = folder / f"{FILE}.part"
    with _said(f"cannot back up {data}"):
        _copy_keys(data, folder)
        draft.touch(mode=0o600)
        with closing(_open(data / FILE, "rw")) as live, closing(sqlite3.connect(draft)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, whole by itself
        verify(draft)
        _settled(draft, folder / FILE)
    return (folder / FILE).stat().st_size


def restore(folder: Path, data: Path) -> Path | None:
    """Put a backup in the place of what is in `data`. Returns the folder where that is kept now; None: there was nothing.

    Raises:
        BadRequest: the folder holds no backup.
        StoreFailed: a server uses `data`, the backup is damaged, or it could not be written.
    """
    if not (folder / FILE).is_file():
        raise BadRequest(f"There is no {FILE} in {folder}: a backup that did not end has none.")
    release = lock_file(data / FILE)
    try:
        with _said(f"cannot restore {folder}"):
            verify(folder / FILE)
            draft = data / f"{FILE}.restoring"
            shutil.copyfile(folder / FILE, draft)
            draft.chmod(0o600)
            kept = _set_aside(data)
            _settled(draft, data / FILE)
            _copy_keys(folder, data)
            return kept
    finally:
        release()


def verify(path: Path) -> None:
    """Look at every page and index of a file that nobody uses. Raises `StoreFailed` with what SQLite finds."""
    with _said(f"{path} is damaged"), closing(_open(path, "ro&immutable=1")) as copy:
        found = [row[0] for row in copy.execute("PRAGMA integrity_check(5)")]
        copy.execute("SELECT count(*) FROM specs").fetchone()  # a store's file, and not any
    if found != ["ok"]:
        raise StoreFailed(f"{path} is damaged: {'; '.join(found)}")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode={mode}", uri=True, timeout=WAIT_S)


def _set_aside(data: Path) -> Path | None:
    """Move the file that is there, with what belongs to it: another file's log beside a restored one would destroy it."""
    there = [path for suffix in ("", *BESIDE) if (path := data / f"{FILE}{suffix}").exists()]
    there += sorted(data.glob("*.pem")) if there else []
    if not there:
        return None
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept = Path(tempfile.mkdtemp(prefix=f"replaced-{moment}-", dir=data))  # for its owner alone
    for path in there:
        path.rename(kept / path.name)
    return kept


def _copy_keys(source: Path, target: Path) -> None:
    for path in sorted(source.glob("*.pem")):
        draft = target / f".{path.name}.part"
        draft.touch(mode=0o600)
        shutil.copyfile(path, draft)
        _settled(draft, target / path.name)


def _settled(draft: Path, path: Path) -> None:
    """Give a file its name once the disk has its content."""
    _sync(draft)
    draft.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _said(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreFailed(f"{what}: {error}") from error
