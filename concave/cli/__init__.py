"""The command `concave`: a project of one's own, and the server of this machine.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or a wrong setting.
"""

from __future__ import annotations

import sys

from concave.cli.root import root

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    sys.exit(root.main(prog_name="concave"))
