"""The TypeScript of a page, checked by the compiler of `web` under its strict settings."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PACKAGES = ROOT / "web" / "node_modules"
COMPILER = PACKAGES / ".bin" / "tsc"


def type_errors(folder: Path, saved: Sequence[Path]) -> str:
    """What the compiler says of the snippets that a reader saved; empty where all is well.

    Args:
        folder: the reader's clone, where generated types are beside the snippets.
        saved: the snippets, whatever their language.
    """
    files = [str(path) for path in saved if path.suffix in (".ts", ".tsx")]
    if not files:
        return ""
    if shutil.which("node") is None or not COMPILER.exists():
        pytest.skip("the compiler comes with `npm ci` in web, which needs Node")
    (folder / "node_modules").symlink_to(PACKAGES)
    options = json.loads((ROOT / "web" / "tsconfig.json").read_text())["compilerOptions"]
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": {**options, "types": []}, "files": files}))
    done = subprocess.run([COMPILER, "--noEmit"], cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout
