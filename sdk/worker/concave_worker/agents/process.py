"""An agent's process: started apart from the worker's own group, and ended with everything that it started.

Agents run tools in process groups of their own, which a signal to the agent does not reach. So the end is asked for first by
closing its input, which agents take as a reason to tidy up; who is left after that is ended by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from concave_worker.agents.agent import AgentError

LINE_LIMIT = 50 * 1024 * 1024
"""The longest line that an agent may say, in bytes: a file's whole content travels in one."""
POLITE_S = 5.0
"""How long an agent may take to tidy up before it is signalled."""
TERM_S = 2.0
"""How long it may take after SIGTERM before it is killed."""


def kept(command: Sequence[str], deaf: bool = False) -> list[str]:
    """The command with its keeper, which ends it when this process does not live any more.

    The keeper runs alone (`-I`): the directory in which an agent works must not be where its modules come from.
    """
    keeper = str(Path(__file__).with_name("keeper.py"))
    return [sys.executable, "-I", keeper, *(["--deaf"] if deaf else []), *command]


async def start(
    command: Sequence[str], directory: str, environment: Mapping[str, str], log: Path | None, deaf: bool = False
) -> Process:
    """Start an agent.

    Args:
        command: the program and its arguments.
        directory: where it works.
        environment: all that it gets; nothing is inherited.
        log: where its error output goes; None discards it.
        deaf: it does not look whether its input has ended.

    Raises:
        AgentError: agent_not_found.
    """
    if shutil.which(command[0]) is None:
        raise AgentError("agent_not_found", f"{command[0]} is not on this machine")
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("ab")) if log is not None else DEVNULL
        try:
            return await asyncio.create_subprocess_exec(
                *kept(command, deaf),
                cwd=directory,
                env=dict(environment),
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                limit=LINE_LIMIT,
                start_new_session=True,
            )
        except OSError as error:
            raise AgentError("agent_not_found", f"{command[0]} cannot be started: {error.strerror}") from error


async def stop(process: Process, polite_s: float = POLITE_S) -> None:
    """End a process and every descendant of it. Twice is once."""
    family = descendants(process.pid)
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.close()
    if not await ended(process, polite_s):
        family += [each for each in descendants(process.pid) if each not in family]
        process.terminate()
        if not await ended(process, TERM_S):
            process.kill()
            await process.wait()
    for each in family:
        with contextlib.suppress(psutil.Error):
            each.kill()  # psutil compares the time at which the process was made: a number that was given anew is left alone


def descendants(pid: int) -> list[psutil.Process]:
    """Everything that a process has started, and they in turn, as far as it is still below it."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def runs(process: psutil.Process | None) -> bool:
    """Whether it works still: one that has ended is listed until whoever started it has looked."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def ended(process: Process | None, seconds: float) -> bool:
    """Wait for a process to end; whether it has."""
    if process is None:
        return True
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True
