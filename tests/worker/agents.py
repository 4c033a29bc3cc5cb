"""The real coding agents, offline: each is told that the scripted model is its model."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from concave_worker.agents.acp import Acp
from concave_worker.agents.agent import Agent, Decision
from concave_worker.agents.claude import Claude
from concave_worker.agents.events import Event, Failed, Finished, Permission, Text
from concave_worker.agents.opencode import OpencodeServer

HERE = Path(__file__).parent
DRIVERS = ("acp", "opencode", "claude")
SHELL = {"acp": "bash", "opencode": "bash", "claude": "Bash"}
"""What each calls the tool that runs a command."""
MODEL = "claude-sonnet-5-5"


def opencode_program() -> Path:
    """The opencode that `make agents` brings; the test is skipped without it."""
    for platform in ("linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64"):
        program = HERE / "node_modules" / f"opencode-{platform}" / "bin" / "opencode"
        if program.exists():
            return program
    pytest.skip("opencode comes with `make agents`, which needs Node")


def environment(model_url: str, home: Path) -> dict[str, str]:
    """What makes agents work alone: a home of their own, the scripted model, and nothing that looks for a network."""
    provider = {
        "npm": "@ai-sdk/anthropic",
        "options": {"baseURL": f"{model_url}/v1", "apiKey": "k"},
        "models": {MODEL: {"tool_call": True, "limit": {"context": 200_000, "output": 8000}}},
    }
    config = {
        "autoupdate": False,
        "share": "disabled",
        "snapshot": False,
        "model": f"fake/{MODEL}",
        "small_model": f"fake/{MODEL}",
        "enabled_providers": ["fake"],
        "provider": {"fake": provider},
        "permission": {"bash": "ask", "edit": "ask", "webfetch": "ask"},
    }
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "npm_config_offline": "true",
        "npm_config_registry": "http://127.0.0.1:9/",
        "ANTHROPIC_BASE_URL": model_url,
        "ANTHROPIC_API_KEY": "k",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def made(driver: str, env: Mapping[str, str]) -> Agent:
    """An agent of this kind."""
    if driver == "claude":
        if importlib.util.find_spec("claude_agent_sdk") is None:
            pytest.skip("claude comes with the package claude-agent-sdk")
        return Claude(env)
    program = str(opencode_program())
    return Acp([program, "acp"], env) if driver == "acp" else OpencodeServer([program, "serve"], env)


class Desk:
    """One agent at work in a directory: what it said, and how a turn is read to its end."""

    def __init__(self, driver: str, agent: Agent, directory: Path, session: str, resumed: bool) -> None:
        self.driver, self.agent, self.directory = driver, agent, directory
        self.session, self.resumed = session, resumed

    def shell(self, command: str, *more: str) -> str:
        """A message that orders a command."""
        call = json.dumps({"command": command, "description": "a test"})
        return "\n".join([f"please\n/use {SHELL[self.driver]} {call}", *more])

    async def turn(self, message: str, decision: Decision | None = None) -> list[Event]:
        """A whole turn; questions are answered so."""
        events: list[Event] = []
        async for event in self.agent.prompt(message):
            events.append(event)
            if isinstance(event, Permission) and decision is not None:
                await self.agent.answer(event.id, decision)
        return events


@asynccontextmanager
async def at_work(driver: str, env: Mapping[str, str], directory: Path, resume: str | None = None) -> AsyncIterator[Desk]:
    """An open agent, closed in the end."""
    directory.mkdir(exist_ok=True)
    agent = made(driver, env)
    try:
        opened = await agent.open(str(directory), f"fake/{MODEL}" if driver == "opencode" else None, resume)
        yield Desk(driver, agent, directory, opened.id, opened.resumed)
    finally:
        await agent.close()


def words(events: list[Event]) -> str:
    """The answer."""
    return "".join(event.text for event in events if isinstance(event, Text))


def end(events: list[Event]) -> str:
    """How the turn ended: its reason, or the code of its failure."""
    last = events[-1]
    assert isinstance(last, Finished | Failed), events
    return last.reason if isinstance(last, Finished) else last.code
