"""A served backend, people on it, and machines that are real `concave-worker` processes with real agents."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from concave_worker.home import Home, Identity
from convex import ConvexClient

from tests.walk.server import Served
from tests.worker.agents import opencode_program

ROOT = Path(__file__).parents[2]
ENDED = ("completed", "failed", "aborted", "interrupted")
PATIENCE_S = 60.0


class Refusal(Exception):
    """The backend said no; `code` is its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def call(url: str, kind: str, path: str, args: dict[str, Any], token: str | None = None) -> Any:
    """A function over HTTP."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"path": path, "format": "json", "args": args}
    answer = httpx2.post(f"{url}/api/{kind}", json=body, headers=headers, timeout=30).json()
    if answer.get("status") == "success":
        return answer["value"]
    data = answer.get("errorData") or answer
    raise Refusal(str(data.get("code")), str(data.get("message") or answer))


class Person:
    """Somebody who is signed in."""

    def __init__(self, url: str, subject: str = "alice", org: str = "acme") -> None:
        self.url, self.subject = url, subject
        said = httpx2.post(f"{url}/dev/token", json={"subject": subject, "org": org}, timeout=30).json()
        self.token = str(said["token"])

    def does(self, path: str, **args: Any) -> Any:
        """A mutation."""
        return call(self.url, "mutation", path, args, self.token)

    def acts(self, path: str, **args: Any) -> Any:
        """An action."""
        return call(self.url, "action", path, args, self.token)

    def asks(self, path: str, **args: Any) -> Any:
        """A query."""
        return call(self.url, "query", path, args, self.token)

    def session(self, worker: str, directory: Path, **more: Any) -> str:
        """A session on a worker."""
        return str(self.does("chat:startSession", workerId=worker, directory=str(directory), **more))

    def say(self, session: str, words: str) -> str:
        """A message; the id of its reply."""
        return str(self.does("chat:sendMessage", sessionId=session, content=words))

    async def when(self, path: str, args: dict[str, Any], good: Callable[[Any], Any], seconds: float = PATIENCE_S) -> Any:
        """Watch a query until what it says is good; returns what `good` made of it."""
        client = ConvexClient(self.url)
        client.set_auth(self.token)
        value: Any = None
        try:
            async with asyncio.timeout(seconds):
                async for value in client.subscribe(path, args):
                    if found := good(value):
                        return found
        except TimeoutError:
            raise AssertionError(f"{path} never was so; it says {value}") from None

    async def reply(self, session: str, message: str, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """A reply once it has ended."""
        return dict(
            await self.when(
                "chat:getMessages",
                {"sessionId": session},
                lambda said: next((each for each in said if each["messageId"] == message and each["status"] in ENDED), None),
                seconds,
            )
        )

    async def answered(self, session: str, words: str, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """A message and its whole reply."""
        return await self.reply(session, await asyncio.to_thread(self.say, session, words), seconds)

    async def heard(self, message: str, session: str, pieces: int = 1) -> str:
        """The words of a reply so far, once they came in so many pieces."""

        def words(said: Any) -> str | None:
            found = [each["chunk"] for each in said if each["chunk"]]
            return "".join(found) if len(found) >= pieces else None

        args = {"sessionId": session, "messageId": message, "limit": 64}
        return str(await self.when("chat:subscribeToChunks", args, words))

    async def question(self, session: str, state: str = "open") -> dict[str, Any]:
        """The newest question of a session, once it is in this state."""

        def newest(said: Any) -> Any:
            return said[-1] if said and said[-1]["state"] == state else None

        return dict(await self.when("permissions:list", {"sessionId": session}, newest))

    def decide(self, question: dict[str, Any], kind: str) -> Any:
        """Decide a question by the kind of its answer."""
        option = next(each["optionId"] for each in question["options"] if each["kind"] == kind)
        return self.does("permissions:decide", requestId=question["requestId"], optionId=option)


class MachineProcess:
    """`concave-worker` in a process of its own, or one that leaves a protective step out."""

    def __init__(self, home: Path, env: dict[str, str], *arguments: str, without: str | None = None) -> None:
        keep = {"PYTHONPATH": f"{ROOT / 'sdk' / 'worker'}{os.pathsep}{ROOT}", "PYTHONUNBUFFERED": "1"}
        module = ["concave_worker"] if without is None else ["tests.worker.mutants", without]
        command = [sys.executable, "-m", *module, "--home", str(home), *arguments]
        self.process = subprocess.Popen(
            command, env={**env, **keep}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._heard = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self.lines.append(line.rstrip())
                self._heard.notify_all()
        self.process.stdout.close()

    def hear(self, words: str, seconds: float = 30) -> str:
        """The first line with these words, once it was said."""
        with self._heard:
            said = self._heard.wait_for(lambda: [line for line in self.lines if words in line], seconds)
            assert said, "\n".join(self.lines)
            return str(said[0])

    def ended(self, seconds: float = 60) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


class House:
    """A backend with one machine.

    Args:
        folder: everything of this test.
        env: what agents need.
        settings: further settings of the backend.
    """

    def __init__(self, folder: Path, env: dict[str, str], **settings: str) -> None:
        self.folder, self.env = folder, env
        alone = {"CONCAVE_APPS": "chalicelib.functions", "ALLOWED_HOSTS": "127.0.0.2", "WORKERS_SHARED": ""}
        self.served = Served(folder / "data", **{**alone, **settings})
        self.url = self.served.url
        self.owner = Person(self.url)
        self.work = folder / "work"
        self.work.mkdir()
        self.home = Home(folder / "worker")
        self.worker = ""
        self.without: str | None = None
        """The protective step that its programs leave out."""
        self._running: list[MachineProcess] = []

    def enrol(self, **approval: str) -> str:
        """Make this machine a worker of the owner's, without its program: what it keeps is written here. Returns its id."""
        machine, self.worker = f"m{secrets.token_hex(8)}", f"w{secrets.token_hex(8)}"
        asked = {"machineId": machine, "machineName": "desk", "os": "test", "workerId": self.worker, "name": "desk"}
        agents = [{"kind": "opencode"}, {"kind": "opencode-server"}, {"kind": "claude"}]
        said = call(self.url, "action", "workers:enrol", {**asked, "dirs": [str(self.work)], "agents": agents, "capacity": 4})
        self.owner.acts("workers:approve", code=said["code"], **approval)
        self.home.keep(Identity(self.url, machine, self.worker, "desk", said["token"]))
        return self.worker

    def program(self, *arguments: str) -> MachineProcess:
        """A `concave-worker` with any arguments."""
        process = MachineProcess(self.home.folder, self.env, *arguments, without=self.without)
        self._running.append(process)
        return process

    def run(self, agent: str = "opencode", *arguments: str, sync: bool = False) -> MachineProcess:
        """The worker at work, once it is ready; sessions that were begun elsewhere are left alone unless a test is about them."""
        named = agent if agent == "claude" else f"{agent}={opencode_program()}"
        through = [name for name in self.env if name.startswith("npm_config")]
        variables = [each for name in (*through, "DISABLE_AUTOUPDATER") for each in ("--env", name)]
        process = self.program(
            "run", "--dir", str(self.work), "--agent", named, *variables, *arguments, *([] if sync else ["--no-sync"])
        )
        process.hear("INFO ready")
        return process

    def close(self) -> None:
        """End everything."""
        for process in self._running:
            if process.process.poll() is None:
                process.process.send_signal(signal.SIGQUIT)
        for process in self._running:
            try:
                process.process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        self.served.stop()


def environment_of(env: dict[str, str]) -> dict[str, str]:
    """The environment of a worker's process."""
    return {**{name: value for name, value in os.environ.items() if name in ("LANG",)}, **env}
