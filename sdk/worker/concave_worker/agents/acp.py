"""Any agent that speaks the Agent Client Protocol (agentclientprotocol.com), version 1, over its input and output."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import acp
from acp.interfaces import Client
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    DeniedOutcome,
    Implementation,
    PermissionOption,
    RequestPermissionResponse,
    ToolCallUpdate,
)

from concave_worker.agents import process as processes
from concave_worker.agents.acp_updates import event_of, options_of, permission_of, stop_reason, usage_of
from concave_worker.agents.agent import AgentError, Decision, Opened
from concave_worker.agents.events import Event, Failed, Finished, Permission

INITIALIZE_S = 30.0
OPEN_S = 60.0
DIED = "the agent's process ended during the turn"


class Acp:
    """One agent process with one session.

    Args:
        command: the agent's program and arguments; it must speak ACP on its input and output.
        environment: all that the process gets.
        log: where its error output goes.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path | None = None) -> None:
        self._command, self._environment, self._log = list(command), dict(environment), log
        self._process: Process | None = None
        self._connection: Any = None
        self._session = ""
        self._said: asyncio.Queue[Event] | None = None
        self._asked: dict[str, tuple[Permission, asyncio.Future[Decision]]] = {}
        self._cancelled = False

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.returncode is None

    async def open(self, directory: str, model: str | None, resume: str | None) -> Opened:
        """Start the process and open or resume a session. Raises `AgentError`."""
        self._process = await processes.start(self._command, directory, self._environment, self._log)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._connection = acp.connect_to_agent(cast(Client, _Ears(self)), self._process.stdin, self._process.stdout)
        try:
            async with asyncio.timeout(INITIALIZE_S):
                said = await self._connection.initialize(
                    protocol_version=acp.PROTOCOL_VERSION,
                    client_capabilities=ClientCapabilities(),
                    client_info=Implementation(name="concave-worker", version="0.1.0"),
                )
            async with asyncio.timeout(OPEN_S):
                return await self._opened(directory, model, resume, said.agent_capabilities)
        except TimeoutError as error:
            await self.close()
            raise AgentError("timeout", f"{self._command[0]} did not open a session in time") from error
        except (ConnectionError, acp.RequestError) as error:
            await self.close()
            raise AgentError("agent_error", f"{self._command[0]}: {error}") from error

    async def _opened(self, directory: str, model: str | None, resume: str | None, can: Any) -> Opened:
        resumed = bool(resume) and await self._resumed(directory, str(resume), can)
        if resumed:
            self._session = str(resume)
        else:
            made = await self._connection.new_session(cwd=directory, mcp_servers=[])
            self._session = made.session_id
        if model:
            await self._choose(model)
        return Opened(self._session, resumed)

    async def _resumed(self, directory: str, session: str, can: Any) -> bool:
        """Open a session of before. Agents answer an id that they lost in different ways, each of them a refusal."""
        further = can.session_capabilities if can else None
        with suppress(acp.RequestError):
            if further is not None and further.resume is not None:
                await self._connection.resume_session(cwd=directory, session_id=session, mcp_servers=[])
                return True
            if can is not None and can.load_session:
                await self._connection.load_session(cwd=directory, session_id=session, mcp_servers=[])
                return True
        return False

    async def _choose(self, model: str) -> None:
        """Choose the model, where the agent lets its client do so."""
        with suppress(acp.RequestError):
            await self._connection.set_config_option(config_id="model", session_id=self._session, value=model)

    async def prompt(self, text: str) -> AsyncGenerator[Event, None]:
        """A turn."""
        said: asyncio.Queue[Event] = asyncio.Queue()
        self._said, self._cancelled = said, False
        turn = asyncio.create_task(self._turn(text, said))
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

    async def _turn(self, text: str, said: asyncio.Queue[Event]) -> None:
        try:
            done = await self._connection.prompt(session_id=self._session, prompt=[acp.text_block(text)])
        except ConnectionError:
            await processes.ended(self._process, processes.POLITE_S)
            said.put_nowait(Failed("agent_crashed", DIED))
        except acp.RequestError as error:
            said.put_nowait(Finished("cancelled") if self._cancelled else Failed("agent_error", str(error)))
        else:
            if (usage := usage_of(done.usage)) is not None:
                said.put_nowait(usage)
            said.put_nowait(Finished("cancelled" if self._cancelled else stop_reason(done.stop_reason)))

    async def cancel(self) -> None:
        """End the running turn. Questions that are open are taken back."""
        if self._said is None or self._connection is None:
            return
        self._cancelled = True
        self._let_go()
        with suppress(ConnectionError):
            await self._connection.cancel(session_id=self._session)

    async def answer(self, permission: str, decision: Decision) -> None:
        """Answer a question of the agent's."""
        asked = self._asked.get(permission)
        if asked is not None and not asked[1].done():
            asked[1].set_result(decision)

    async def close(self) -> None:
        """End the process and what it started."""
        self._let_go()
        if self._process is not None:
            await processes.stop(self._process)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(ConnectionError):
                await connection.close()

    def _let_go(self) -> None:
        for _, decided in self._asked.values():
            if not decided.done():
                decided.set_result("cancelled")

    # What the agent says. Updates are handled as tasks of their own: only what does not wait keeps their order.

    def heard(self, session: str, update: Any) -> None:
        """An update of a session arrived."""
        if self._said is not None and session == self._session and (event := event_of(update)) is not None:
            self._said.put_nowait(event)

    async def asked(self, session: str, call: ToolCallUpdate, options: list[PermissionOption]) -> RequestPermissionResponse:
        """The agent asks; this waits until somebody answers or the turn ends."""
        question = permission_of(call, options)
        if self._said is None or session != self._session or self._cancelled:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        decided: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._asked[question.id] = (question, decided)
        self._said.put_nowait(question)
        try:
            chosen = options_of(question, await decided)
        finally:
            self._asked.pop(question.id, None)
        if chosen is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=chosen))


class _Ears:
    """The client's side of the protocol: updates and permissions; files and terminals are the agent's own affair."""

    def __init__(self, agent: Acp) -> None:
        self._agent = agent

    def on_connect(self, conn: Any) -> None:
        """The connection is made; nothing is to do."""

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        """`session/update`."""
        self._agent.heard(session_id, update)

    async def request_permission(
        self, session_id: str, tool_call: ToolCallUpdate, options: list[PermissionOption], **_: Any
    ) -> RequestPermissionResponse:
        """`session/request_permission`."""
        return await self._agent.asked(session_id, tool_call, options)

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Extensions are not known here."""
        raise acp.RequestError.method_not_found(method)

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        """Extensions are not known here, and a notification needs no answer."""
