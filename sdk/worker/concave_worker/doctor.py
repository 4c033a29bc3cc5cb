"""`doctor`: whether a worker could work here. Each agent answers one question of a model on this machine's own address."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping

import httpx2

from concave_worker.agents.agent import Agent, AgentError
from concave_worker.agents.events import Failed, Text
from concave_worker.errors import WorkerError
from concave_worker.home import Home
from concave_worker.kinds import Kind
from concave_worker.loopback import SENTENCE, model

ANSWER_S = 90.0
NAME = "claude-sonnet-5-5"


async def examined(home: Home, kinds: list[Kind], environment: Mapping[str, str]) -> list[tuple[bool, str]]:
    """What was found: (whether it is well, a sentence)."""
    found = [await _backend(home)]
    if not kinds:
        found.append((False, "no agent: install opencode or claude, or name one with --agent"))
    for kind in kinds:
        found.append(await _agent(kind, environment))
    return found


async def _backend(home: Home) -> tuple[bool, str]:
    try:
        identity = home.identity()
        async with httpx2.AsyncClient(base_url=identity.url, timeout=10) as http:
            answer = await http.get("/version")
    except WorkerError as error:
        return False, str(error)
    except httpx2.TransportError as error:
        return False, f"the backend at {identity.url} does not answer: {error}"
    return answer.is_success, f"the backend at {identity.url} answers {answer.status_code}"


async def _agent(kind: Kind, environment: Mapping[str, str]) -> tuple[bool, str]:
    program = kind.program
    if program is None:
        return False, f"{kind.name}: not installed"
    title = f"{kind.name} {await asyncio.to_thread(kind.version) or '(version unknown)'} ({program})"
    if kind.driver == "acp":
        return True, f"{title}: found; which model it asks is its own affair"
    try:
        async with asyncio.timeout(ANSWER_S), model() as url:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                said = await _asked(kind.made(_alone(environment, url, folder), None, False), folder)
    except TimeoutError:
        said = f"no answer within {ANSWER_S:.0f} s"
    except AgentError as error:
        said = error.text
    return said.strip() == SENTENCE, f"{title}: {said}"


async def _asked(agent: Agent, folder: str) -> str:
    """One question in a folder of its own."""
    words = []
    try:
        await agent.open(folder, None, None)
        async for event in agent.prompt("Say whether it works."):
            if isinstance(event, Text):
                words.append(event.text)
            elif isinstance(event, Failed):
                return event.text
    finally:
        await agent.close()
    return "".join(words)


def _alone(environment: Mapping[str, str], url: str, folder: str) -> dict[str, str]:
    """What makes an agent ask the loopback model, with nothing of its owner's settings."""
    provider = {
        "npm": "@ai-sdk/anthropic",
        "options": {"baseURL": f"{url}/v1", "apiKey": "loopback"},
        "models": {NAME: {"tool_call": True, "limit": {"context": 200_000, "output": 8000}}},
    }
    config = {
        "autoupdate": False,
        "share": "disabled",
        "model": f"loopback/{NAME}",
        "small_model": f"loopback/{NAME}",
        "enabled_providers": ["loopback"],
        "provider": {"loopback": provider},
    }
    own = {name: value for name, value in environment.items() if not name.startswith(("ANTHROPIC_", "OPENCODE_", "XDG_"))}
    return own | {
        "HOME": folder,
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "npm_config_offline": "true",
        "npm_config_registry": "http://127.0.0.1:9/",
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "loopback",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
