"""`make functions`: every function of the deployment, with its kind and the line where it is written."""

from __future__ import annotations

import os
import sys

from chalicelib.runtime.registry import load
from chalicelib.settings import Settings


def main() -> None:
    """Print one line per function of CONCAVE_APPS: path, kind, file:line."""
    found = [
        (function.path, function.kind if function.public else f"internal {function.kind}", function.file, function.line)
        for function in load(Settings.from_env().apps)
    ]
    widest = max((len(path) for path, *_ in found), default=0)
    for path, kind, file, line in found:
        sys.stdout.write(f"{path:<{widest}}  {kind:<17}  {os.path.relpath(file)}:{line}\n")


if __name__ == "__main__":
    main()
