"""Claude by its Agent SDK, an optional part of this package: `pip install concave-worker[claude]`."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from concave_worker.agents import process as processes
from concave_worker.agents.agent import AgentError, Decision, Opened
from concave_worker.agents.claude_messages import Reader, title_of
from concave_worker.agents.events import Event, Failed, Finished, Permission, scope

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeSDKClient

OPEN_S = 60.0
CLOSE_S = 15.0
MAX_TURNS = 200
"""Steps of the model in one turn."""


class Claude:
    """One Claude process with one session.

    Args:
        environment: all that the process gets.
        program: the `claude` executable; None takes the one that the SDK brings.
        bypass: whether it asks for nothing.
    """

    def __init__(self, environment: Mapping[str, str], program: Path | None = None, bypass: bool = False) -> None:
        self._environment, self._program, self._bypass = dict(environment), program, bypass
        self._client: ClaudeSDKClient | None = None
        self._said: asyncio.Queue[Event] | None = None
        self._asked: dict[str, asyncio.Future[Decision]] = {}
        self._always: set[str] = set()
        self._turn: Reader | None = None
        self._broken = False
        self._process: psutil.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def alive(self) -> bool:
        """Whether it could take a turn now. The SDK says only in a turn that its process has ended; so it is looked for."""
        return self._client is not None and not self._broken and processes.runs(self._process)

    async def open(self, directory: str, model: str | None, resume: str | None) -> Opened:
        """Start it. A session that it does not know any more is replaced by a new one. Raises `AgentError`."""
        if resume and await self._connected(directory, model, resume=resume):
            return Opened(resume, True)
        session = str(uuid.uuid4())
        if not await self._connected(directory, model, session_id=session):
            raise AgentError("agent_error", "claude did not start")
        return Opened(session, False)

    async def _connected(self, directory: str, model: str | None, **session: str) -> bool:
        try:
            import claude_agent_sdk as sdk
        except ImportError as error:
            raise AgentError("agent_not_found", "claude needs its SDK: pip install concave-worker[claude]") from error
        options = sdk.ClaudeAgentOptions(
            cwd=directory,
            system_prompt={"type": "preset", "preset": "claude_code"},
            model=model,
            env=self._only_allowed(),
            cli_path=self._kept(),
            can_use_tool=None if self._bypass else self._may,
            permission_mode="bypassPermissions" if self._bypass else "default",
            include_partial_messages=True,
            setting_sources=["user"],  # a directory's own settings could allow what its owner was not asked for
            max_turns=MAX_TURNS,
            **session,  # type: ignore[arg-type]
        )
        client = sdk.ClaudeSDKClient(options)
        try:
            async with asyncio.timeout(OPEN_S):
                await client.connect()
        except sdk.CLINotFoundError as error:
            raise AgentError("agent_not_found", str(error)) from error
        except (sdk.ClaudeSDKError, TimeoutError):
            with suppress(sdk.ClaudeSDKError):
                await client.disconnect()
            return False
        self._client, self._broken, self._process = client, False, self._started()
        return True

    def _started(self) -> psutil.Process | None:
        """The process that the SDK has started: the script below says its number, which stays the same."""
        assert self._folder is not None
        with suppress(psutil.Error):
            return psutil.Process(int((Path(self._folder.name) / "pid").read_text()))
        return None

    def _kept(self) -> Path:
        """A program that runs Claude with its keeper: the SDK takes one file."""
        import claude_agent_sdk as sdk

        bundled = Path(sdk.__file__).with_name("_bundled") / "claude"
        program = self._program or (bundled if bundled.exists() else Path(shutil.which("claude") or "claude"))
        if not program.exists():
            raise AgentError("agent_not_found", "claude is not on this machine")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="concave-worker-")
        script = Path(self._folder.name) / "claude"
        number = shlex.quote(str(script.with_name("pid")))
        script.write_text(f'#!/bin/sh\necho $$ > {number}\nexec {shlex.join(processes.kept([str(program)]))} "$@"\n')
        script.chmod(0o700)
        return script

    def _only_allowed(self) -> dict[str, str]:
        """The SDK adds what it is given to this process's environment; what is not allowed is emptied."""
        return dict.fromkeys(os.environ, "") | self._environment

    async def _may(self, tool: str, given: dict[str, Any], context: Any) -> Any:
        """The SDK asks. This waits until somebody answers or the turn ends."""
        from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny

        if scope(tool, given) in self._always:
            return PermissionResultAllow()
        if self._said is None or (self._turn is not None and self._turn.cancelled):
            return PermissionResultDeny(message="cancelled", interrupt=True)
        call = str(context.tool_use_id)
        decided: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._asked[call] = decided
        self._said.put_nowait(Permission(call, tool, str(context.title or title_of(tool, given)), given))
        try:
            decision = await decided
        finally:
            self._asked.pop(call, None)
        if decision == "allow_always":
            self._always.add(scope(tool, given))
        if decision in ("allow_once", "allow_always"):
            return PermissionResultAllow()
        cancelled = decision == "cancelled"
        return PermissionResultDeny(message="cancelled" if cancelled else "The user denied it.", interrupt=cancelled)

    async def prompt(self, text: str) -> AsyncGenerator[Event, None]:
        """A turn."""
        said: asyncio.Queue[Event] = asyncio.Queue()
        self._said, self._turn = said, Reader()
        turn = asyncio.create_task(self._run(text, self._turn, said))
        try:
            while True:
                event = await said.get()
                yield event
                if isinstance(event, Finished | Failed):
                    return
        finally:
            self._said = None
            self._let_go()
            turn.cancel()
            with suppress(asyncio.CancelledError):
                await turn

    async def _run(self, text: str, turn: Reader, said: asyncio.Queue[Event]) -> None:
        from claude_agent_sdk import ClaudeSDKError

        assert self._client is not None
        try:
            await self._client.query(text)
            async for message in self._client.receive_response():
                for event in turn.read(message):
                    said.put_nowait(event)
                    if isinstance(event, Finished | Failed):
                        return
        except ClaudeSDKError as error:
            self._broken = True
            said.put_nowait(Failed("agent_crashed", f"claude ended during the turn: {error}"))
        else:
            self._broken = True
            said.put_nowait(Failed("agent_crashed", "claude ended during the turn"))

    async def cancel(self) -> None:
        """End the running turn."""
        if self._said is None or self._client is None or self._turn is None:
            return
        from claude_agent_sdk import ClaudeSDKError

        self._turn.cancelled = True
        self._let_go()
        with suppress(ClaudeSDKError):
            await self._client.interrupt()

    async def answer(self, permission: str, decision: Decision) -> None:
        """Answer a question of the agent's. "Always" counts for this scope in this session only, and is kept here."""
        asked = self._asked.get(permission)
        if asked is not None and not asked.done():
            asked.set_result(decision)

    async def close(self) -> None:
        """End the process."""
        self._let_go()
        client, self._client = self._client, None
        if client is not None:
            async with asyncio.timeout(CLOSE_S):
                await client.disconnect()
        if self._folder is not None:
            self._folder.cleanup()

    def _let_go(self) -> None:
        for decided in self._asked.values():
            if not decided.done():
                decided.set_result("cancelled")
