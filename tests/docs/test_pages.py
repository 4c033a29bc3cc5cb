"""Every command and snippet of README.md, CONTRIBUTING.md and docs/ does what its page says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.exceptions import ALONE, DRY, LASTING, exception_to
from tests.docs.pages import ROOT, WALKED, blocks
from tests.docs.reader import PACKAGES, Reader, Wrong
from tests.docs.types import type_errors

PAGES = [name for name in WALKED if blocks(name, (ROOT / name).read_text())]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Someone at a fresh clone."""
    if shutil.which("bash") is None or shutil.which("curl") is None:
        pytest.skip("whoever reads the pages has bash and curl")
    one = Reader(tmp_path)
    yield one
    one.stop()


@pytest.mark.parametrize("page", PAGES)
def test_everything_on_a_page_works_as_typed(reader: Reader, page: str) -> None:
    reader.read(blocks(page, (ROOT / page).read_text()))
    assert type_errors(reader.folder, reader.saved) == ""
    if reader.passed_over:
        pytest.skip(f"all but these, which need Node and the packages of {PACKAGES[0].parent.name}: {reader.passed_over}")


WRONG = {
    "a command that fails": "```sh\nls no-such-file\n```\n",
    "a command that fails before one that works": "```sh\nls no-such-file\ntrue\n```\n",
    "a word that make does not know": "```sh\nmake deploi STAGE=dev\n```\n",
    "an option that a command does not know": "```sh\nSTAGE=dev .venv/bin/python -m infra.admin logs --days 1\n```\n",
    "another answer": "```sh\necho 1\n```\n\n```text\n2\n```\n",
    "a Python program that fails": "```python\n# a.py\nimport chalicelib.nothing\n```\n\n```sh\n.venv/bin/python a.py\n```\n",
    "a snippet without a name": "```python\nprint(1)\n```\n",
    "a snippet in a language that nobody runs": "```ruby\nputs 1\n```\n",
    "a function that is not there": '```sh\ncurl http://127.0.0.1:3210/api/query -d \'{"path": "chat:none", "args": {}}\'\n```\n',
    "a path that is not there": "```sh\ncurl http://127.0.0.1:3210/api/nothing\n```\n",
    "a program that is not typed in a shell": "```js\n// a.mjs\nthrow new Error();\n```\n\n```sh\nnode a.mjs\n```\n",
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_page_that_is_wrong_is_noticed(reader: Reader, mistake: str) -> None:
    with pytest.raises(Wrong, match=r"page.md:\d+: "):
        reader.read(blocks("page.md", WRONG[mistake]))


def test_a_snippet_with_a_wrong_type_is_noticed(reader: Reader) -> None:
    reader.read(blocks("page.md", '```ts\n// client/a.ts\nexport const count: number = "1";\n```\n'))
    assert "client/a.ts(2,14): error TS2322" in type_errors(reader.folder, reader.saved)


def test_every_exception_is_needed() -> None:
    commands = [
        command
        for name in PAGES
        for block in blocks(name, (ROOT / name).read_text())
        if block.language == "sh"
        for command in block.commands
    ]
    assert [word for word in (*LASTING, *ALONE) if not any(word in each for each in commands)] == []
    assert set(DRY) == {pattern for each in commands if (pattern := exception_to(each)) is not None}
