"""SnapStart: what is kept in a function's snapshot, and what must be new in each environment that begins with it.

Loaded only where Lambda makes snapshots (AWS_LAMBDA_INITIALIZATION_TYPE is `snap-start`); the hooks are Lambda's own
("Lambda SnapStart runtime hooks for Python"). Modules are kept, and the functions that were found in them: that is what a start
costs. Of what they have made nothing is: connections are closed by then, and credentials, times, random numbers and names that
one environment has must not be another's ("Handling uniqueness with Lambda SnapStart").
"""

from __future__ import annotations

import gc
import importlib
import os
import random
import sys
from collections.abc import Callable
from functools import partial
from typing import Any


def install(load: Callable[[], Any], use: Callable[..., object]) -> None:
    """Register both hooks.

    Args:
        load: makes the backend, as the first call would.
        use: drops it; the next is made anew with the registry that it is given (`wiring.use`).
    """
    hooks = importlib.import_module("snapshot_restore_py")  # of Lambda's runtimes from Python 3.12 on
    hooks.register_before_snapshot(partial(_load, load, use))
    hooks.register_after_restore(_renew)


def _load(load: Callable[[], Any], use: Callable[..., object]) -> None:
    made = load()
    if os.environ["AWS_LAMBDA_FUNCTION_NAME"].endswith("-generate"):
        made.executor.parts.model.load()
    importlib.import_module("boto3")  # of whoever starts another function
    use(None, made.registry)
    gc.collect()


def _renew() -> None:
    """The generators of random numbers begin at a place of their own; `secrets` and uuid4 ask the kernel, which knows."""
    random.seed()
    if "ssl" in sys.modules:
        sys.modules["ssl"].RAND_add(os.urandom(48), 48.0)
