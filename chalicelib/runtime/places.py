"""Where in whose code something happened: the line of an error that its reader can change."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from types import TracebackType

HOME = Path(__file__).resolve().parents[2]
LIBRARIES = ("site-packages", str(Path(os.__file__).parent))  # asking `sysconfig` loads half of what made the interpreter
ENGINE = tuple(f"{HOME}/{room}" for room in ("app.py", "infra/", "chalicelib/data/", "chalicelib/runtime/", "chalicelib/live/"))


def frame_of(trace: TracebackType | None) -> traceback.FrameSummary | None:
    """The innermost frame of the functions' own code; else of the engine; else any."""
    frames = list(traceback.extract_tb(trace))
    ours = [frame for frame in frames if not any(library in frame.filename for library in LIBRARIES)]
    theirs = [frame for frame in ours if not frame.filename.startswith(ENGINE)]
    return next((found[-1] for found in (theirs, ours, frames) if found), None)


def place(error: BaseException) -> str:
    """file:line and function of where an exception arose."""
    frame = frame_of(error.__traceback__)
    return f"{frame.filename}:{frame.lineno} in {frame.name}" if frame else "unknown place"
