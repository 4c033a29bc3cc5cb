"""Log lines for people: time, door, what, how long, what it committed, whom it reached; errors with file:line.

The engine reports through plain `logging` on "concave", with `extra` fields; this turns the fields into one line:

    12:03:44.123  ws       Mutation chat:sendMessage              14.2 ms  re-runs 1
    12:03:44.131  change   commits                                 6.0 ms  touched 5  connections 2  served 2
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import TextIO

from chalicelib.runtime.errors import text_of
from chalicelib.runtime.places import ENGINE, frame_of
from infra.local.gathered import Gathered
from infra.local.invocation_log import Gather

HOME = Path(__file__).resolve().parents[2]

FIELDS = {
    "status": "",
    "retries": "re-runs ",
    "touched": "touched ",
    "connections": "connections ",
    "served": "served ",
    "posts": "posts ",
    "code": "code ",
    "state": "",
    "tokens": "tokens ",
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
        door = str(getattr(record, "door", "") or record.name.rpartition(".")[2])
        message, path = plain(record.getMessage()), plain(str(getattr(record, "path", "")))
        parts = [f"{clock}  {door:<8} {path or message:<44}"]
        if path and message:
            parts.append(message)
        if isinstance(ms := getattr(record, "ms", None), int | float):
            parts.append(f"{ms:6.1f} ms")
        parts += [f"{word}{value}" for name, word in FIELDS.items() if (value := getattr(record, name, None))]
        line = "  ".join(parts).rstrip()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            where = place(error.__traceback__)
            line += f"  {type(error).__name__}: {plain(text_of(error))}" + (f"  ({where})" if where else "")
            line += "\n" + "\n".join(map(plain, trace_of(error).split("\n")))
        if self._colour and record.levelno in _COLOURS:
            line = f"\x1b[{_COLOURS[record.levelno]}m{line}\x1b[0m"
        return line


def plain(text: str) -> str:
    """A line of text that a terminal only shows: its control characters and halves of surrogate pairs written out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def trace_of(error: BaseException) -> str:
    """The traceback of an error; of one in an app's own code without the engine's frames around it."""
    whole = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = whole
    while part is not None:
        own = [frame for frame in part.stack if not frame.filename.startswith(ENGINE)]
        if own:
            part.stack[:] = own
        part = part.__cause__ or (None if part.__suppress_context__ else part.__context__)
    return "".join(whole.format()).rstrip()


def place(trace: TracebackType | None) -> str | None:
    """`file:line` of the functions' own code, else of the innermost frame that is not a library's (`runtime/places.py`)."""
    frame = frame_of(trace)
    return frame and f"{shorter(frame.filename)}:{frame.lineno}"


def shorter(path: str) -> str:
    """A path below the project without the project's own part."""
    try:
        return str(Path(path).resolve().relative_to(HOME))
    except ValueError:  # somewhere else on this machine: a user's package
        return path


def talk(level: int = logging.INFO, out: TextIO | None = None, *, invocations: bool = True, gather: bool = False) -> None:
    """Send the "concave" loggers to the terminal, from this level on.

    Args:
        invocations: those that went well, too.
        gather: the lines of a twentieth of a second's invocations leave together.
    """
    out = out or sys.stderr
    handler: logging.Handler = Gathered(out) if gather else logging.StreamHandler(out)
    handler.setFormatter(Lines(colour=out.isatty()))
    handler.setLevel(level)
    handler.addFilter(lambda record: not getattr(record, "quiet", False))  # for the logs of the cloud: one line here says it all
    if not invocations:
        handler.addFilter(lambda record: record.levelno > logging.INFO or not hasattr(record, "door"))
    logging.getLogger("concave.commits").setLevel(logging.NOTSET if invocations else logging.WARNING)  # a tenth of a call's time
    # Nothing here prints which thread, process or line of the engine a record is from: looking for it costs more than the line.
    # (https://docs.python.org/3/howto/logging.html#optimization)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    root = logging.getLogger("concave")
    root.handlers = [handler, Gather()]
    root.setLevel(logging.DEBUG)  # what a handler does not print, `Gather` may want
    root.propagate = False
