"""One process per store file: an advisory lock beside it, which the system drops when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from chalicelib.data.errors import StoreFailed


def lock_file(path: Path) -> Callable[[], None]:
    """Take the lock `<path>.lock` and return its release; makes the folder.

    Raises `StoreFailed` at once when another store holds it or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreFailed(f"cannot open the store {path.name}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreFailed(f"the store {path.name} is open elsewhere; stop the other server or choose another DATA_DIR") from error
    return lambda: os.close(handle)
