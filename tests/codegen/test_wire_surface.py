"""No name that a client, a stored document or a waiting job holds is taken away or changed by accident."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.codegen.surface import ACCEPT, GOLDEN, Surface, added, broken

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def now() -> Surface:
    """What a process says that has loaded nothing else: other tests declare tables too."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.codegen.surface"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True
    )
    found: Surface = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def golden() -> Surface:
    """What was promised."""
    found: Surface = json.loads(GOLDEN.read_text())
    return found


def test_every_name_that_others_hold_is_there_and_means_the_same(golden: Surface, now: Surface) -> None:
    assert list(broken(golden, now)) == []


def test_what_was_added_is_written_down(golden: Surface, now: Surface) -> None:
    assert list(added(golden, now)) == [], f"if this is meant: {ACCEPT}"


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("functions conversations:create", None, "functions: conversations:create is gone"),
        ("functions conversations:create public", False, "public was True and is False"),
        ("functions conversations:create kind", "query", "kind was mutation and is query"),
        ("functions chat:endSession arguments", [], "sessionId of its arguments is gone"),
        ("functions chat:endSession arguments", ["sessionId", "why"], "why of its arguments is new"),
        ("sweeps runs:repair", None, "sweeps: runs:repair is gone"),
        ("tables chatChunks", None, "tables: chatChunks is gone"),
        ("tables jobs stream", True, "stream was None and is True"),
        ("tables chatChunks fields", [], "sequence of its fields is gone"),
        ("tables chatChunks indexes", {}, "the index by_session_and_sequence was of"),
    ],
)
def test_a_name_that_is_taken_away_or_changed_is_found(golden: Surface, place: str, value: Any, sentence: str) -> None:
    changed: Any = copy.deepcopy(golden)
    *path, last = place.split()
    holder = changed
    for each in path:
        holder = holder[each]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    assert any(sentence in each for each in broken(golden, changed)), list(broken(golden, changed))


def test_an_argument_that_may_be_left_out_is_an_addition_and_breaks_nothing(golden: Surface) -> None:
    changed: Any = copy.deepcopy(golden)
    changed["functions"]["chat:endSession"]["arguments"].append("why?")
    changed["functions"]["chat:another"] = {"kind": "query", "public": True, "arguments": []}
    assert list(broken(golden, changed)) == []
    assert sorted(added(golden, changed)) == ["functions: chat:another", "functions: chat:endSession: why? of its arguments"]
