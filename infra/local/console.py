"""Log lines for people: time, door, what, how long, what it committed, whom it reached; errors with file:line.

The engine reports through plain `logging` on "concave", with `extra` fields; this turns the fields into one line:

    12:03:44.123  mutation  chat:sendMessage            14 ms  re-runs 1  touched 3  posts 2
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import TextIO

HOME = Path(__file__).resolve().parents[2]

FIELDS = {
    "status": "",
    "retries": "re-runs ",
    "touched": "touched ",
    "connections": "connections ",
    "evaluated": "evaluated ",
    "posts": "posts ",
    "code": "code ",
}
"""Extra fields in the order in which they are printed, with the word before each. Zeros are left out."""

_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}


class Lines(logging.Formatter):
    """One record, one line (an error: its traceback below it)."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a newline at its end."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        door = str(getattr(record, "door", "") or getattr(record, "kind", "") or record.name.rpartition(".")[2])
        what = str(getattr(record, "path", "") or record.getMessage())
        parts = [f"{clock}  {door:<9} {what:<34}"]
        if hasattr(record, "path") and record.getMessage() not in ("", what):
            parts.append(record.getMessage())
        if isinstance(getattr(record, "ms", None), int | float):
            parts.append(f"{record.ms:6.1f} ms")
        parts += [f"{word}{value}" for name, word in FIELDS.items() if (value := getattr(record, name, None))]
        line = "  ".join(parts).rstrip()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            where = place(error.__traceback__)
            line += f"  {type(error).__name__}: {error}" + (f"  ({where})" if where else "")
            line += "\n" + "".join(traceback.format_exception(error)).rstrip()
        if self._colour and record.levelno in _COLOURS:
            line = f"\x1b[{_COLOURS[record.levelno]}m{line}\x1b[0m"
        return line


def place(trace: TracebackType | None) -> str | None:
    """`file:line` of the innermost frame that is not a library's, or of the innermost one at all."""
    frames = traceback.extract_tb(trace)
    if not frames:
        return None
    ours = [frame for frame in frames if "site-packages" not in frame.filename and not frame.filename.startswith(sys.prefix)]
    frame = (ours or list(frames))[-1]
    return f"{shorter(frame.filename)}:{frame.lineno}"


def shorter(path: str) -> str:
    """A path below the project without the project's own part."""
    try:
        return str(Path(path).resolve().relative_to(HOME))
    except ValueError:  # somewhere else on this machine: a user's package
        return path


def talk(level: int = logging.INFO, out: TextIO | None = None) -> None:
    """Send the "concave" loggers to the terminal, from this level on."""
    out = out or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(Lines(colour=out.isatty()))
    root = logging.getLogger("concave")
    root.handlers = [handler]
    root.setLevel(level)
    root.propagate = False
