"""The page at `/` in a browser's shoes (jsdom): it does the main job without a build step and without npm at run time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chalicelib.settings import Settings
from infra.local.stack import PAGE, Stack

SCRIPT = Path(__file__).parent / "page.mjs"
JSDOM = Path(__file__).parents[1] / "clients" / "node_modules" / "jsdom"


@pytest.mark.skipif(shutil.which("node") is None or not JSDOM.exists(), reason="needs Node and `npm ci` in tests/clients")
def test_two_tabs_see_a_reply_stream_and_either_can_stop_it(tmp_path):
    stack = Stack(Settings(data_dir=tmp_path, port=0))
    stack.start()
    try:
        done = subprocess.run(["node", str(SCRIPT), stack.url], capture_output=True, text=True, timeout=90, check=False)
    finally:
        stack.stop()
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["errors"] == []
    assert seen["problems"] == []
    assert seen["roles"] == ["user", "assistant"]
    assert seen["steps"] > 3  # it grew before our eyes
    assert len(seen["reply"]) > 100
    assert seen["announced"]
    assert len(seen["stopped"]) > 20
    assert seen["strangersSessions"] == 0


def test_the_page_is_one_file_that_asks_no_one_else():
    text = PAGE.read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert not re.search(r"https?://", text)
    assert 'lang="en"' in text
    for field in ("name", "org"):
        assert re.search(rf"<label>[^<]*<input id=\"{field}\"", text)


def test_what_a_model_writes_is_never_parsed_as_html():
    assert "innerHTML" not in PAGE.read_text()
