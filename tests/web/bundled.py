"""A module of the page, run by Node without a browser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import WEB


def told_by(folder: Path, module: str, driver: str) -> Any:
    """What a driver prints, as JSON, that imports a bundled module of web/src/lib.

    Args:
        folder: an empty one.
        module: its file's name, without `.ts`; the driver imports `./{module}.js`.
        driver: a program, as JavaScript.
    """
    vite = WEB / "node_modules" / "vite" / "bin" / "vite.js"
    if not vite.exists():
        pytest.skip("the page's tools come with `npm ci` in web, which needs Node")
    build = ["node", vite, "build", "--ssr", f"src/lib/{module}.ts", "--outDir", folder, "--logLevel", "error"]
    subprocess.run(build, cwd=WEB, check=True, stdin=subprocess.DEVNULL, timeout=60)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    (folder / "driver.mjs").write_text(driver)
    done = subprocess.run(["node", "driver.mjs"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
