"""`concave-worker`: enrol this machine, run it, see how it is doing, stop it, give it up, and find out what is missing."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path

from concave_worker import home as homes
from concave_worker import limits
from concave_worker.agents.environment import allowed
from concave_worker.agents.process import runs
from concave_worker.doctor import examined
from concave_worker.enrolment import enrol, leave
from concave_worker.errors import Revoked, WorkerError
from concave_worker.home import Home
from concave_worker.kinds import Kind, Kinds, found, histories, parse
from concave_worker.server import MachineServer
from concave_worker.setup import Exit, Setup

STOP_S = limits.STOP_S * 1.5 + 10


def main(arguments: list[str] | None = None) -> int:
    """The program. Returns its exit code: 0, 1 an error, 2 wrong use, 3 revoked, 4 replaced by a newer process."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    home = Home(asked.home)
    try:
        return int(asked.run(home, asked))
    except Revoked as error:
        _say(f"This worker was revoked: {error.message}")
        return Exit.REVOKED
    except WorkerError as error:
        _say(str(error))
        return Exit.ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="concave-worker", description=__doc__)
    parser.add_argument(
        "--home", type=Path, default=homes.default(os.environ), help=f"where its secret is kept ({homes.SETTING})"
    )
    words = parser.add_subparsers(required=True, metavar="WORD")

    def word(name: str, run: object, about: str) -> argparse.ArgumentParser:
        added = words.add_parser(name, help=about, description=about)
        added.set_defaults(run=run)
        return added

    enrolling = word("enrol", _enrol, "ask a backend to take this machine; a person approves it by the code")
    enrolling.add_argument("url", metavar="URL", help="the backend's address, https://…")
    enrolling.add_argument("--name", required=True, help="how people will see it")
    running = word("run", _run, "answer sessions until it is stopped")
    running.add_argument("--no-sync", action="store_true", help="leave sessions alone that were not begun in the chat")
    running.add_argument("--allow-bypass", action="store_true", help="agents ask nobody; only where nothing can be broken")
    for each in (enrolling, running):
        each.add_argument("--dir", type=_directory, action="append", help="a directory that agents may work in; repeatable")
        each.add_argument("--parallel", type=_count, default=4, help="replies at once, 1 to 64")
    examining = word("doctor", _doctor, "find agents, try each with a model on this machine, and ask for the backend")
    for each in (enrolling, running, examining):
        each.add_argument(
            "--agent", type=_kind, action="append", help="opencode, opencode-server, claude, acp:COMMAND; repeatable"
        )
    for each in (running, examining):
        each.add_argument("--env", action="append", default=[], metavar="NAME", help="a variable that agents get as well")
    word("status", _status, "how it is doing")
    stopping = word("stop", _stop, "stop the running process; its replies have 30 s")
    stopping.add_argument("--now", action="store_true", help="break its replies off")
    word("revoke", _revoke, "stop it, end its access at the backend, and forget its secret")
    return parser


def _directory(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no directory")
    return path.resolve()


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("1 to 64")
    return int(text)


def _kind(text: str) -> Kind:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _kinds(asked: argparse.Namespace) -> list[Kind]:
    """The agents that were named, else those that are here."""
    return list(asked.agent or found())


def _directories(asked: argparse.Namespace) -> list[Path]:
    return list(asked.dir or [Path.cwd()])


def _enrol(home: Home, asked: argparse.Namespace) -> int:
    kinds = Kinds(_kinds(asked), {}, None)

    def told(code: str, until: float) -> None:
        minutes = max(1, round((until - time.time()) / 60))
        _say(f"Open {asked.url.rstrip('/')} , go to Machines and enter this code within {minutes} minutes:\n\n    {code}\n")

    identity = asyncio.run(enrol(home, asked.url, asked.name, _directories(asked), kinds.told(), asked.parallel, told))
    _say(f"Enrolled as {identity.name}. Now: concave-worker run --dir PATH")
    return Exit.OK


def _run(home: Home, asked: argparse.Namespace) -> int:
    identity = home.identity()
    chosen = _kinds(asked)
    if not chosen:
        raise WorkerError("There is no agent on this machine: install opencode or claude, or name one with --agent.")
    environment, directories = allowed(os.environ, asked.env), _directories(asked)
    kinds = Kinds(chosen, environment, home.logs, bypass=asked.allow_bypass)
    setup = Setup(
        identity.url,
        lambda: home.identity().token,
        kinds.make,
        directories,
        kinds.told(),
        parallel=asked.parallel,
        histories=None if asked.no_sync else lambda: histories(chosen, environment, directories[0], home.logs),
    )
    about = {"name": identity.name, "url": identity.url, "directories": [str(each) for each in directories]}

    def told(server: MachineServer) -> None:
        sessions = [{"session": each.session, "state": each.machine.state} for each in server.sessions.engines]
        home.tell({**about, "state": server.machine.state, "inFlight": server.in_flight, "sessions": sessions})

    return asyncio.run(MachineServer(setup, told).run())


def _status(home: Home, asked: argparse.Namespace) -> int:
    identity, status = home.identity(), home.status()
    _say(f"{identity.name} of {identity.url}")
    if status is None or not status["alive"]:
        _say("not running")
        return Exit.ERROR
    _say(f"{status['state']}, process {status['pid']}, {status['inFlight']} replies being written")
    for each in status["sessions"]:
        _say(f"  session {each['session']}: {each['state']}")
    return Exit.OK


def _stop(home: Home, asked: argparse.Namespace) -> int:
    status = home.status()
    process = Home.process(status) if status is not None else None
    if process is None:
        _say("not running")
        return Exit.OK
    process.send_signal(signal.SIGQUIT if asked.now else signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while runs(process):
        if time.monotonic() > until:
            raise WorkerError(f"process {process.pid} does not end")
        time.sleep(0.1)  # a process that is not ours can only be looked at
    _say("stopped")
    return Exit.OK


def _revoke(home: Home, asked: argparse.Namespace) -> int:
    identity = home.identity()
    _stop(home, argparse.Namespace(now=True))
    try:
        asyncio.run(leave(identity))
    except WorkerError as error:
        home.forget()
        _say(f"{identity.name} has no secret on this machine any more, but its backend could not be told: {error}")
        _say(f"Revoke it in the page, too: {identity.url}")
        return Exit.ERROR
    home.forget()
    _say(f"{identity.name} is revoked, and its secret is gone from this machine.")
    return Exit.OK


def _doctor(home: Home, asked: argparse.Namespace) -> int:
    told = asyncio.run(examined(home, _kinds(asked), allowed(os.environ, asked.env)))
    for well, words in told:
        _say(f"{'ok  ' if well else 'BAD '} {words}")
    return Exit.OK if all(well for well, _ in told) else Exit.ERROR


def _say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - a program speaks to its user


if __name__ == "__main__":
    sys.exit(main())
