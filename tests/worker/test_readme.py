"""The worker's page says what its program can do."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from concave_worker import cli, limits
from concave_worker.agents.environment import PREFIXES
from concave_worker.agents.guard import Limits
from concave_worker.kinds import KNOWN
from concave_worker.setup import Exit

PAGE = (Path(__file__).parents[2] / "sdk" / "worker" / "README.md").read_text()
COMMANDS = re.findall(r"^ *worker/bin/concave-worker (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    word, *options = [each for each in shlex.split(command) if each.startswith("--") or "/" not in each]
    with pytest.raises(SystemExit) as ended:
        cli.main([word, "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert [option for option in options if option.startswith("--") and option not in told] == []


def test_every_word_and_kind_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    words = set(re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE))
    assert words == {re.split(r"[ `]", row)[0] for row in re.findall(r"^\| `(\w[^`]*)` \|", PAGE, re.MULTILINE)} & words
    assert len(words) == 6
    assert [kind for kind in KNOWN if f"| `{kind}` |" not in PAGE] == []


def test_its_numbers_are_those_of_the_code() -> None:
    assert (limits.STOP_S, limits.IDLE_S, limits.BUFFER_BYTES, limits.DEATHS, limits.DEATHS_WITHIN_S) == (30, 600, 2**20, 3, 300)
    assert (Limits().silence_s, Limits().turn_s) == (300, 3600)
    assert {each.value for each in Exit} == {0, 1, 2, 3, 4}
    assert [prefix for prefix in PREFIXES if prefix != "LC_" and f"`{prefix}`" not in PAGE] == []
