"""`opencode serve`: an agent as a server on this machine's own address, with HTTP calls and one stream of events.

The server is given a password: without one, any program on the machine could use it.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from concave_worker.agents import process as processes
from concave_worker.agents.agent import AgentError, Decision, Opened
from concave_worker.agents.events import Event, Failed, Finished, Permission
from concave_worker.agents.opencode_events import Reader

START_S = 30.0
CALL_S = 60.0
REPLIES: dict[Decision, str] = {"allow_once": "once", "allow_always": "always", "deny": "reject", "cancelled": "reject"}
DIED = "the agent's server ended during the turn"


class OpencodeServer:
    """One `opencode serve` with one session.

    Args:
        command: `opencode serve`, or how it is started here; the address is added.
        environment: all that the process gets, beside the password.
        log: where its error output goes.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path | None = None) -> None:
        self._command = [*command, "--hostname", "127.0.0.1", "--port", "0"]
        self._password = secrets.token_urlsafe(24)
        self._environment = {**environment, "OPENCODE_SERVER_PASSWORD": self._password}
        self._log = log
        self._process: Process | None = None
        self._http: httpx2.AsyncClient | None = None
        self._session, self._model = "", None  # type: str, dict[str, str] | None
        self._drain: asyncio.Task[None] | None = None
        self._turn: Reader | None = None
        self._asked: set[str] = set()

    @property
    def alive(self) -> bool:
        """Whether its server runs."""
        return self._process is not None and self._process.returncode is None

    async def open(self, directory: str, model: str | None, resume: str | None) -> Opened:
        """Start the server and open or find a session. `model` is "provider/model". Raises `AgentError`."""
        provider, _, name = (model or "").partition("/")
        self._model = {"providerID": provider, "modelID": name} if name else None
        await self.start(directory)
        try:
            if resume and (await self.http.get(f"/session/{resume}")).is_success:
                self._session = resume
                return Opened(resume, True)
            made = (await self.http.post("/session", json={})).raise_for_status().json()
        except httpx2.HTTPError as error:
            await self.close()
            raise AgentError("agent_error", f"opencode: {error}") from error
        self._session = str(made["id"])
        return Opened(self._session, False)

    @property
    def http(self) -> httpx2.AsyncClient:
        """The way to the server that was started."""
        assert self._http is not None
        return self._http

    async def start(self, directory: str) -> None:
        """Start the server, without a session. Raises `AgentError`."""
        self._process = await processes.start(self._command, directory, self._environment, self._log, deaf=True)
        try:
            async with asyncio.timeout(START_S):
                url = await self._listening(self._process)
        except TimeoutError as error:
            await self.close()
            raise AgentError("timeout", "opencode did not start in time") from error
        auth = httpx2.BasicAuth("opencode", self._password)
        self._http = httpx2.AsyncClient(base_url=url, auth=auth, timeout=CALL_S, trust_env=False)

    async def _listening(self, process: Process) -> str:
        """The address that it says; what it says later is read and dropped, so that it never waits for a reader."""
        assert process.stdout is not None
        said = ""
        while line := await process.stdout.readline():
            said += line.decode("utf-8", "replace")
            if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", said):
                self._drain = asyncio.create_task(_dropped(process.stdout))
                return found[1]
        raise AgentError("agent_crashed", f"opencode ended before it listened: {said[-300:].strip()}")

    async def prompt(self, text: str) -> AsyncGenerator[Event, None]:
        """A turn. The stream of events is opened before the prompt is sent, so that nothing is missed."""
        assert self._http is not None
        turn = self._turn = Reader(self._session)
        asked: dict[str, Any] = {"parts": [{"type": "text", "text": text}]}
        if self._model is not None:
            asked["model"] = self._model
        try:
            async with self._http.stream("GET", "/event", timeout=httpx2.Timeout(CALL_S, read=None)) as events:
                events.raise_for_status()
                sent = await self._http.post(f"/session/{self._session}/prompt_async", json=asked)
                sent.raise_for_status()
                async for line in events.aiter_lines():
                    for event in turn.read(json.loads(line[5:])) if line.startswith("data:") else ():
                        if isinstance(event, Permission):
                            self._asked.add(event.id)
                        yield event
                        if isinstance(event, Finished | Failed):
                            return
            yield await self._died()
        except httpx2.HTTPStatusError as error:
            yield Failed("agent_error", f"opencode answered {error.response.status_code}")
        except httpx2.HTTPError:
            yield await self._died()
        finally:
            self._turn = None
            self._asked.clear()

    async def _died(self) -> Failed:
        await processes.ended(self._process, processes.POLITE_S)
        return Failed("agent_crashed", DIED)

    async def cancel(self) -> None:
        """End the running turn. Open questions are denied first: the turn waits for them."""
        if self._turn is None or self._http is None:
            return
        self._turn.cancelled = True
        for permission in list(self._asked):
            await self.answer(permission, "cancelled")
        with suppress(httpx2.HTTPError):
            await self._http.post(f"/session/{self._session}/abort")

    async def answer(self, permission: str, decision: Decision) -> None:
        """Answer a question of the agent's."""
        if permission not in self._asked or self._turn is None or self._http is None:
            return
        self._asked.discard(permission)
        number = self._turn.questions[permission]
        with suppress(httpx2.HTTPError):  # a server that is gone ends the turn by itself
            await self._http.post(f"/permission/{number}/reply", json={"reply": REPLIES[decision]})

    async def close(self) -> None:
        """End the server and what it started."""
        if self._process is not None:
            await processes.stop(self._process)
        if self._drain is not None:
            self._drain.cancel()
        if self._http is not None:
            await self._http.aclose()


async def _dropped(output: asyncio.StreamReader) -> None:
    while await output.read(65536):
        pass
