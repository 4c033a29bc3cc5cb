"""Log lines that leave together, and what does not wait."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from infra.local.gathered import Gathered

LONG_S = 60.0
CALL = {"door": "ws"}
"""What a line of a call has."""


class Out(io.StringIO):
    """A stream that says when it was written to, and how often."""

    def __init__(self) -> None:
        super().__init__()
        self.writes, self.written = 0, threading.Event()

    def write(self, text: str) -> int:
        self.writes += 1
        done = super().write(text)
        self.written.set()
        return done


@pytest.fixture
def out() -> Out:
    return Out()


@pytest.fixture
def slow(out: Out) -> Iterator[logging.Logger]:
    """A logger whose lines wait for longer than a test takes."""
    handler = Gathered(out, LONG_S)
    logger = logging.Logger("slow")
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_lines_of_a_moment_are_one_write_in_their_order(out):
    handler = Gathered(out, 0.2)
    logger = logging.Logger("quick")
    logger.addHandler(handler)
    for number in range(5):
        logger.info("line %d", number, extra=CALL)
    assert out.written.wait(10)
    handler.close()
    assert (out.writes, out.getvalue()) == (1, "line 0\nline 1\nline 2\nline 3\nline 4\n")


def test_lines_after_a_pause_are_written_too(out):
    handler = Gathered(out, 0.01)
    logger = logging.Logger("quick")
    logger.addHandler(handler)
    for word in ("one", "two"):
        out.written.clear()
        logger.info(word, extra=CALL)
        assert out.written.wait(10)
    handler.close()
    assert out.getvalue() == "one\ntwo\n"


@pytest.mark.parametrize(("level", "about"), [(logging.ERROR, CALL), (logging.WARNING, CALL), (logging.INFO, {})])
def test_what_is_no_mere_call_is_written_at_once_with_all_that_came_before_it(out, slow, level, about):
    slow.info("before", extra=CALL)
    assert out.getvalue() == ""
    slow.log(level, "broken", extra=about)
    assert out.getvalue() == "before\nbroken\n"


def test_what_waits_is_written_when_the_log_is_closed(out, slow):
    slow.info("last words", extra=CALL)
    slow.handlers[0].close()
    assert out.getvalue() == "last words\n"


def test_a_process_that_ends_has_written_everything():
    program = (
        "import logging, sys\n"
        "from infra.local.console import talk\n"
        "talk(out=sys.stdout, gather=True)\n"
        "logging.getLogger('concave').info('the end', extra={'door': 'ws'})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "the end" in done.stdout


def test_a_stream_that_cannot_be_written_to_fails_nobody(capsys):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("the reader has gone")

    handler = Gathered(Gone(), LONG_S)
    logger = logging.Logger("gone")
    logger.addHandler(handler)
    logger.error("nobody hears this")
    assert "the reader has gone" in capsys.readouterr().err
    handler.close()
