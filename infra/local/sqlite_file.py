"""One process per store file: an advisory lock beside it, which the system drops when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from chalicelib.data.errors import StoreFailed


def lock_file(path: Path) -> Callable[[], None]:
    """Take the lock `<path>.lock` and return its release; raises `StoreFailed` at once when another store holds it."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreFailed(f"the store {path.name} is open elsewhere; stop the other server or choose another DATA_DIR") from error
    return lambda: os.close(handle)
