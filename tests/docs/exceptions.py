"""What a reader of the pages does, and a test cannot do or does in another way; each with its reason."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

LASTING = {
    "make dev": r"running at http://127\.0\.0\.1:(\d+)",
    "make serve": r"serving at http://127\.0\.0\.1:(\d+)",
    "node client/watch.mjs": r"1\n2\n",
}
"""Commands that go on until Ctrl-C → what they have said when they are ready. Pages have them run in a terminal of their own."""

SERVERS = ("make dev", "make serve")
"""Those of LASTING that serve the address that the pages name: there is one at a time."""

ALONE = ("-m infra.admin",)
"""Commands before which the page says: stop `make dev`, for one process may have the file."""


def _make(command: str) -> str:
    """Whether make knows the word and its variables."""
    return re.sub(r"\bmake ", "make -n ", command, count=1) + " >/dev/null"


def _typed(command: str) -> str:
    """Whether a shell can read it, and the project's files in it are there."""
    files = re.findall(r"(?<![\w/.])infra/[\w./]+", command)
    return "\n".join([f"bash -n <<< {shlex.quote(command)}", *(f"test -e {each}" for each in files)])


def _admin(command: str) -> str:
    """Whether the command line knows the command and its options."""
    command = command.partition("#")[0]
    called = re.search(r"-m infra\.admin ([\w-]+)", command)
    assert called is not None, command
    told = f"HELP=$(.venv/bin/python -m infra.admin {called[1]} --help)\n"
    return told + "\n".join(f'grep -q -e {option} <<< "$HELP"' for option in re.findall(r"--[\w-]+", command))


DRY: dict[str, tuple[str, Callable[[str], str]]] = {
    r"\bmake (test|check|cloud-test|bench|bench-cost|bench-scale|bench-search|bench-peers)\b": (
        "they run for minutes, and the first two run this test",
        _make,
    ),
    r"\bmake package\b": ("it asks a package index for wheels; tests/infra/test_bundle.py runs it", _make),
    r"\bmake (deploy|destroy|smoke|restore|rollback)\b": (
        "they need an AWS account; tests/infra/test_deploy.py and test_releases.py run them on an imitation",
        _make,
    ),
    r"\bmake wheel\b|myenv|\bcd myapp\b": (
        "they make an environment and a project; tests/concave/test_installed.py takes the same steps",
        _typed,
    ),
    r"^sudo ": ("they change the machine; tests/local/test_self_hosting.py takes the same steps in a folder", _typed),
    r"^docker ": ("there may be no container engine; tests/local/test_self_hosting.py follows the Dockerfile", _typed),
    r"^STAGE=\w+ \S+ -m infra\.deployer": ("it reads what make package writes; tests/infra/test_deployer.py runs it", _typed),
    r"^STAGE=\w+ \S+ -m infra\.admin": ("a stage needs an AWS account; tests/admin/test_cloud.py has one imitated", _admin),
}
"""Commands that are looked up instead of run → why, and what is run for it."""


def exception_to(command: str) -> str | None:
    """The pattern of DRY that a command falls under."""
    return next((pattern for pattern in DRY if re.search(pattern, command)), None)


def dry(command: str) -> str | None:
    """What is run instead of a command; None where the command itself can be run."""
    pattern = exception_to(command)
    return None if pattern is None else DRY[pattern][1](command)
