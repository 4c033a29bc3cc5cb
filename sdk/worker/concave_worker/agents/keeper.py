"""An agent's keeper: it hands on what the agent is told, and ends the agent when there is nobody left to tell it anything.

A worker that is killed cannot end its agents, and not every agent looks whether its input has ended: a server does not, nor
does one that is in the middle of an answer. `keeper.py [--deaf] COMMAND` runs one; `--deaf` is for those that never look.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

import psutil

TIDY_S = 3.0
"""How long an agent may tidy up after its input has ended, and again after SIGTERM."""


def main(arguments: list[str]) -> int:
    """Run the command until it or the input ends. Returns its exit code."""
    deaf = arguments[0] == "--deaf"
    agent = subprocess.Popen(arguments[deaf:], stdin=subprocess.PIPE, bufsize=0)  # noqa: S603 - the machine's owner named it
    signal.signal(signal.SIGTERM, lambda *_: _end(agent))
    threading.Thread(target=_hand_on, args=(agent, deaf), daemon=True).start()
    return agent.wait()


def _hand_on(agent: subprocess.Popen[bytes], deaf: bool) -> None:
    assert agent.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        while data := os.read(0, 65536):
            agent.stdin.write(data)
        agent.stdin.close()
    if not deaf:
        _wait(agent)
    _end(agent)


def _end(agent: subprocess.Popen[bytes]) -> None:
    """End the agent, and then what it left behind."""
    left: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        left = [psutil.Process(agent.pid), *psutil.Process(agent.pid).children(recursive=True)]
    with contextlib.suppress(ProcessLookupError):
        agent.terminate()
    _wait(agent)
    for each in left:
        with contextlib.suppress(psutil.Error):
            each.kill()


def _wait(agent: subprocess.Popen[bytes]) -> None:
    """Wait for its end, but not longer. Its exit code is for the main thread."""
    with contextlib.suppress(psutil.Error):
        psutil.wait_procs([psutil.Process(agent.pid)], TIDY_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
