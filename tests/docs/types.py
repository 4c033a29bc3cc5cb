"""The TypeScript of a page, checked by the compiler of `web` under its strict settings."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PACKAGES = ROOT / "web" / "node_modules"
COMPILER = PACKAGES / ".bin" / "tsc"


def type_errors(folder: Path) -> str:
    """What the compiler says of the snippets that a reader saved, each with the types beside it; empty where all is well.

    A snippet is a file of a page: it is not one of the project's own files.
    """
    saved = [path for path in folder.rglob("*.ts*") if path.suffix in (".ts", ".tsx") and not _ours(path.relative_to(folder))]
    if not saved:
        return ""
    if shutil.which("node") is None or not COMPILER.exists():
        pytest.skip("the compiler comes with `npm ci` in web, which needs Node")
    (folder / "node_modules").symlink_to(PACKAGES)
    options = json.loads((ROOT / "web" / "tsconfig.json").read_text())["compilerOptions"]
    config = {"compilerOptions": {**options, "types": []}, "files": [str(path) for path in saved]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    done = subprocess.run([COMPILER, "--noEmit"], cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout


def _ours(path: Path) -> bool:
    return (ROOT / path).exists() or "node_modules" in path.parts
