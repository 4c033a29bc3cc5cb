"""What ARCHITECTURE.md names is there: files, and tests in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/.-]+?\.(?:py|mjs))((?:::\w+)?)`")


def test_every_test_that_the_architecture_names_exists() -> None:
    named = NAMED.findall((ROOT / "ARCHITECTURE.md").read_text())
    assert len(named) > 40
    missing = [f"{file}{test}" for file, test in named if not _there(ROOT / file, test.removeprefix("::"))]
    assert missing == []


def _there(file: Path, test: str) -> bool:
    return file.exists() and (not test or f"def {test}(" in file.read_text())
