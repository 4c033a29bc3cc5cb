"""`concave-worker` with one protective step left out: `python -m tests.worker.mutants STEP ARGUMENTS`. Each must be missed
(test_protective_steps)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from concave_worker import cli, kinds, server, sessions
from concave_worker.adapter import Work
from concave_worker.agents import process
from concave_worker.agents.guard import Guarded, Limits
from concave_worker.errors import Replaced
from concave_worker.home import Home, Identity
from concave_worker.server import MachineServer
from concave_worker.sessions import ChatSessionManager, Engine
from concave_worker.setup import Exit


class TakesPathsByTheirNames(ChatSessionManager):
    """Compares a directory with the allowed ones without following links."""

    def directory(self, asked: str | None) -> str:
        wanted = Path(os.path.abspath(asked)) if asked else self._directories[0]
        return str(wanted) if any(wanted.is_relative_to(each) for each in self._directories) else super().directory(asked)


class NeverRenews(MachineServer):
    """Does not say that it holds a reply whose agent says nothing."""

    async def _renews(self) -> None:
        await asyncio.Event().wait()


class WritesOn(NeverRenews):
    """Lets the turn of a reply go on that is over elsewhere: not listed any more, and lost when it is renewed."""

    def _work(self, listed: list[Work]) -> None:
        self._listed = {work.message: work for work in listed}
        self._through &= self._listed.keys()
        self._fill()


class StopsAtOnce(MachineServer):
    """Breaks replies off when it is asked to stop."""

    def stop(self, now: bool = False) -> None:
        super().stop(now=True)


class KeepsReplaced(MachineServer):
    """Takes the refusal of a process that was replaced for one that passes."""

    async def _thrown_out(self, code: Exit, why: str) -> Exit:
        if code is not Exit.REPLACED:
            return await super()._thrown_out(code, why)
        self._recover(Replaced("InstanceReplaced", why))
        return await self._lived()


class ReadsWhatOthersRead(Home):
    """Uses a secret that others can read."""

    def identity(self) -> Identity:
        (self.folder / "worker.json").chmod(0o600)
        return super().identity()


class NeverWornOut(Engine):
    """Starts an agent again however often it has died."""

    @property
    def worn_out(self) -> bool:
        return False


def without_keeper(command: Sequence[str], deaf: bool = False) -> list[str]:
    """An agent that nobody ends when its worker is gone."""
    return list(command)


def everything(environment: Mapping[str, str], more: Any = ()) -> dict[str, str]:
    """All of the worker's environment."""
    return dict(environment)


def patient(agent: Any) -> Guarded:
    """An agent that may ask for what was denied as often as it likes."""
    return Guarded(agent, Limits(denials=10**9))


STEPS: dict[str, Callable[[], None]] = {
    "links are followed": lambda: setattr(server, "ChatSessionManager", TakesPathsByTheirNames),
    "what is over elsewhere is broken off": lambda: setattr(cli, "MachineServer", WritesOn),
    "a silent reply is renewed": lambda: setattr(cli, "MachineServer", NeverRenews),
    "turns may end": lambda: setattr(cli, "MachineServer", StopsAtOnce),
    "the newer process stays": lambda: setattr(cli, "MachineServer", KeepsReplaced),
    "a secret is read by its owner only": lambda: setattr(cli, "Home", ReadsWhatOthersRead),
    "an agent that dies again and again waits": lambda: setattr(sessions, "Engine", NeverWornOut),
    "agents end with their worker": lambda: setattr(process, "kept", without_keeper),
    "the environment is an allow-list": lambda: setattr(cli, "allowed", everything),
    "three denials end a turn": lambda: setattr(kinds, "Guarded", patient),
}
"""What is left out, by the step's name. A process of its own is changed, and ends with it."""


if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    STEPS[step]()
    sys.exit(cli.main(arguments))
