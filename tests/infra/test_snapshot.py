"""Environments that begin with one snapshot: a copied process has all that SnapStart copies, so the snapshot is a fork here.

The hooks are called as Lambda's runtime calls them: before the snapshot in reverse order, after it in order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COPIES = """
import json, os, random, sys
import app
from chalicelib import wiring
hooks = __import__("snapshot_restore_py")
for function, args, more in reversed(hooks.get_before_snapshot()):
    function(*args, **more)
told = {"hooks": len(hooks.get_after_restore()), "backend": wiring._backend is not None, "session": "boto3" in sys.modules and
        sys.modules["boto3"].DEFAULT_SESSION is not None, "begun": [],
        "loaded": [name for name in ("boto3", "pynamodb", "anthropic") if name in sys.modules]}
numbers = random.getstate()
for renewed in [True, True, False, False] if told["hooks"] else []:
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        random.setstate(numbers)  # Python draws anew in a fork; a copied machine knows of none
        for function, args, more in hooks.get_after_restore() if renewed else []:
            function(*args, **more)
        number, before = random.random(), len(sys.modules)
        same = wiring.backend().registry is wiring._registry
        os.write(write, json.dumps({"number": number, "more": len(sys.modules) - before, "registry": same}).encode())
        os._exit(0)
    os.waitpid(child, 0)
    told["begun"].append(json.loads(os.read(read, 4096)))
print(json.dumps(told))
"""


def _copies(kind: str) -> Any:
    env = {
        "STAGE": "dev",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_LAMBDA_FUNCTION_NAME": "concave-dev-generate",
        "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
        "WS_ENDPOINT": "https://nowhere.invalid/api",
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-c", COPIES]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def copies() -> Any:
    """A snapshot of `generate`, two environments of it, and two for which the hook after it is left out."""
    return _copies("snap-start")


def test_a_snapshot_has_the_modules_loaded_and_nothing_that_they_made(copies: Any) -> None:
    assert copies["loaded"] == ["boto3", "pynamodb", "anthropic"]
    assert (copies["backend"], copies["session"]) == (False, False)


def test_an_environment_begins_without_loading_or_looking_for_functions_again(copies: Any) -> None:
    for each in copies["begun"]:
        assert each["registry"] is True
        assert each["more"] == 0


def test_environments_of_one_snapshot_draw_other_numbers_but_for_the_hook_the_same(copies: Any) -> None:
    one, other, *without = (each["number"] for each in copies["begun"])
    assert one != other
    assert without[0] == without[1]


def test_a_function_without_snapshots_loads_and_registers_nothing() -> None:
    found = _copies("on-demand")
    assert (found["hooks"], found["loaded"]) == (0, [])
