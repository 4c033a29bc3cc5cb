"""The kinds of agents that a worker can have: what `--agent` means, whether it is here, and how it is made."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from concave_worker.agents.acp import Acp
from concave_worker.agents.agent import Agent, AgentError
from concave_worker.agents.claude import Claude
from concave_worker.agents.claude_history import ClaudeHistory
from concave_worker.agents.guard import Guarded
from concave_worker.agents.history import History
from concave_worker.agents.opencode import OpencodeServer
from concave_worker.agents.opencode_history import OpencodeHistory

ASK = json.dumps({"edit": "ask", "bash": "ask", "webfetch": "ask", "external_directory": "ask", "doom_loop": "deny"})
ALLOW = json.dumps({"edit": "allow", "bash": "allow", "webfetch": "allow", "doom_loop": "deny"})
VERSION_S = 20.0
KNOWN = ("opencode", "opencode-server", "claude")


@dataclass(frozen=True)
class Kind:
    """One kind of agent.

    `name` is what sessions choose it by: opencode (over ACP), opencode-server (over HTTP), claude, or the program of an
    `acp:` command. `command` is its program and arguments; of claude it may be empty: the SDK brings one.
    """

    name: str
    driver: str
    command: tuple[str, ...]

    @property
    def program(self) -> str | None:
        """Where its program is; None: it is not here."""
        if self.driver == "claude" and not self.command:
            return "claude-agent-sdk" if importlib.util.find_spec("claude_agent_sdk") is not None else None
        return shutil.which(self.command[0])

    def version(self) -> str | None:
        """What it says about its version; None where it says nothing."""
        if self.driver == "claude" and not self.command:
            return metadata.version("claude-agent-sdk") if self.program else None
        program = self.program
        if program is None:
            return None
        try:
            said = subprocess.run(  # noqa: S603 - the owner of the machine named this program
                [program, "--version"], capture_output=True, text=True, timeout=VERSION_S, check=False, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return said.stdout.strip().splitlines()[0][:50] if said.returncode == 0 and said.stdout.strip() else None

    def made(self, environment: Mapping[str, str], log: Path | None, bypass: bool) -> Agent:
        """A new agent of this kind. Raises `AgentError`: agent_not_found."""
        program = self.program
        if program is None:
            raise AgentError("agent_not_found", f"{self.name} is not installed on this machine.")
        command = [program, *self.command[1:]]
        match self.driver:
            case "claude":
                return Guarded(Claude(environment, Path(program) if self.command else None, bypass))
            case "opencode-server":
                return Guarded(OpencodeServer(command, _opencode(environment, bypass), log))
            case "opencode":
                return Guarded(Acp(command, _opencode(environment, bypass), log))
        return Guarded(Acp(command, environment, log))


def _opencode(environment: Mapping[str, str], bypass: bool) -> dict[str, str]:
    """opencode allows everything by itself; here it asks, whatever its configuration says."""
    return {**environment, "OPENCODE_PERMISSION": ALLOW if bypass else ASK}


def parse(text: str) -> Kind:
    """What `--agent` says: opencode, opencode-server, claude, each with `=PROGRAM` where it is not on the PATH; or acp:COMMAND.

    Raises:
        ValueError: it is none of these.
    """
    name, _, program = text.partition("=")
    if text.startswith("acp:"):
        command = shlex.split(text[4:])
        if not command:
            raise ValueError("acp: needs a command, as in acp:'gemini --experimental-acp'")
        return Kind(Path(command[0]).name, "acp", tuple(command))
    match name:
        case "opencode":
            return Kind(name, "opencode", (program or "opencode", "acp"))
        case "opencode-server":
            return Kind(name, "opencode-server", (program or "opencode", "serve"))
        case "claude":
            return Kind(name, "claude", (program,) if program else ())
    raise ValueError(f"{text} is no agent: {', '.join(KNOWN)} or acp:COMMAND")


class Kinds:
    """The agents that a worker has.

    Args:
        kinds: the first answers sessions that name none.
        environment: all that they get.
        log: where their error output goes.
        bypass: whether they ask for nothing.
    """

    def __init__(self, kinds: list[Kind], environment: Mapping[str, str], log: Path | None, bypass: bool = False) -> None:
        self._kinds, self._environment, self._log, self._bypass = kinds, environment, log, bypass

    def make(self, kind: str | None, directory: str) -> Agent:
        """An agent for a session. Raises `AgentError`."""
        chosen = next((each for each in self._kinds if each.name == kind), None) if kind else self._kinds[0]
        if chosen is None:
            raise AgentError("agent_not_found", f"This machine has no agent named {kind}.")
        return chosen.made(self._environment, self._log, self._bypass)

    def told(self) -> list[dict[str, str]]:
        """As the backend is told of them."""
        return [{"kind": each.name, **({"version": version} if (version := each.version()) else {})} for each in self._kinds]


def histories(kinds: list[Kind], environment: Mapping[str, str], directory: Path, log: Path | None) -> list[History]:
    """The programs of these agents that keep sessions which can be listed: opencode, by whichever road it is driven, and Claude.

    Args:
        directory: where a program is started that is needed for looking.
    """
    found: list[History] = []
    opencode = [kind for kind in kinds if kind.driver in ("opencode", "opencode-server") and kind.program is not None]
    if opencode:
        command = [str(opencode[0].program), "serve"]
        names = tuple(dict.fromkeys(kind.name for kind in opencode))
        found.append(OpencodeHistory(names, command, environment, str(directory), log))
    claude = tuple(kind.name for kind in kinds if kind.driver == "claude")
    if claude and importlib.util.find_spec("claude_agent_sdk") is not None:
        found.append(ClaudeHistory(claude))
    return found


def found() -> list[Kind]:
    """The known agents that are on this machine."""
    return [kind for kind in map(parse, KNOWN) if kind.program is not None]
