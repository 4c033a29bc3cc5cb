"""`make functions`: every function of the deployment, with its kind and the line where it is written."""

from __future__ import annotations

import json
import os
import sys

from chalicelib.data.errors import WrongDeclaration
from chalicelib.environment import BadSetting
from chalicelib.runtime.registry import load
from chalicelib.settings import Settings


def main(*, as_json: bool = False) -> int:
    """Print one line per function of CONCAVE_APPS: path, kind, file:line, or all of it as JSON.

    Returns the exit code: 1 when they cannot be loaded."""
    try:
        functions = load(Settings.from_env().apps)
    except (BadSetting, WrongDeclaration) as error:
        sys.stderr.write(f"functions: {error}\n")
        return 1
    found = [
        (function.path, function.kind if function.public else f"internal {function.kind}", function.file, function.line)
        for function in functions
        if not function.path.startswith("_system/")  # the operators', the same in every deployment
    ]
    if as_json:
        for path, kind, file, line in found:
            sys.stdout.write(json.dumps({"path": path, "kind": kind, "file": os.path.relpath(file), "line": line}) + "\n")
        return 0
    widest = max((len(path) for path, *_ in found), default=0)
    for path, kind, file, line in found:
        sys.stdout.write(f"{path:<{widest}}  {kind:<17}  {os.path.relpath(file)}:{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
