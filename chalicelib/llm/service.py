"""The model, as built-in actions get it: plain words in, `Said` and one `Ended` out. The SDK loads with the first reply."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from chalicelib.data.meters import measure
from chalicelib.data.trace import moment, over
from chalicelib.hosts import matches, origin_of
from chalicelib.llm.breaker import CIRCUIT_OPEN, Breakers
from chalicelib.llm.chunks import Chunk, Joiner, nobody
from chalicelib.llm.claude import ModelSettings, reply
from chalicelib.llm.outcome import STOPPED, ModelFailed, Tool, no_usage
from chalicelib.llm.prompt import Prompt, Turn, least_tokens
from chalicelib.settings import Settings

logger = logging.getLogger("concave")
KEY = "ANTHROPIC_API_KEY"
RESERVED = ("promptx", "retriever")
"""Names of the operator's servers that nobody else's can have."""


@dataclass(frozen=True)
class Said:
    """A chunk of a reply, ready to be stored."""

    kind: Literal["text", "thinking"]
    text: str
    ended: Literal[False] = False


@dataclass(frozen=True)
class Used:
    """A tool was called, or answered; `part` is a part of the message (`outcome.Tool`)."""

    part: dict[str, Any]
    kind: Literal["tool"] = "tool"
    text: str = ""
    ended: Literal[False] = False


@dataclass(frozen=True)
class Ended:
    """How a reply ended: always the last event. `reason` is None for an ordinary end; see `outcome.py` for the others, and
    `breaker.py` for `circuit_open`."""

    state: Literal["completed", "failed", "stopped"]
    reason: str | None
    usage: dict[str, int] = field(default_factory=dict)
    blocks: tuple[dict[str, Any], ...] = ()
    """With the reason `tool_use`: what the model has said, as it wants to be told it when it goes on."""
    ended: Literal[True] = True


@dataclass(frozen=True)
class More:
    """How far a reply has come that uses tools of the caller's; as in `ModelService.reply`."""

    own: Sequence[Mapping[str, Any]]
    dialog: Sequence[Mapping[str, Any]]
    spent: int
    crowd: Callable[[], bool] = nobody


class ModelService:
    """Replies of the model that this deployment is configured for.

    Args:
        settings: the key and the flush interval.
        url: the API's base; None is Anthropic's.
        key: fetches the key, asked before every reply; None: it is in the settings.
    """

    def __init__(self, settings: Settings, url: str | None, key: Callable[[], str | None] | None = None) -> None:
        self._settings, self._url = settings, url
        self._breakers = Breakers(settings.model_failures)
        self._stored = key or (lambda: settings.anthropic_key)

    @staticmethod
    def load() -> None:
        """Import the model's SDK, which takes seconds on a small machine: before a lease is taken that runs meanwhile."""
        from anthropic import Anthropic  # noqa: F401

        from chalicelib.llm import faults, wire  # noqa: F401

    def circuits(self) -> list[dict[str, str]]:
        """The circuit of each model that this process has asked: closed, open (it is left alone for a while) or half-open."""
        return self._breakers.states()

    def _secrets(self) -> dict[str, str]:
        """What the operator keeps: the model's key, and tokens of MCP servers by their names. A stored secret is the key, or a
        JSON object of both."""
        stored = self._stored() or ""
        if not stored.startswith("{"):
            return {**self._settings.mcp_secrets, KEY: stored}
        try:
            found = json.loads(stored)
        except ValueError:
            logger.error("the stored secret begins like a JSON object and is none")
            return {}
        return {**self._settings.mcp_secrets, **{str(name): str(value) for name, value in found.items()}}

    def reply(
        self,
        model: str,
        system: str,
        turns: Sequence[Sequence[Any]],
        stopped: Callable[[], bool],
        seconds: float,
        tools: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        own: Sequence[Mapping[str, Any]] = (),
        dialog: Sequence[Mapping[str, Any]] = (),
        spent: int = 0,
        crowd: Callable[[], bool] = nobody,
    ) -> Generator[Said | Used | Ended, None, None]:
        """A reply in chunks. Never raises for what the model or the network does: the last event says it.

        One log line says how it ended, in counts and words of ours, never in the reply's; an alarm counts its tokens.

        Args:
            turns: (role, content) of the conversation, oldest first, and a user's images as (media type, base64); the last one
                is answered.
            stopped: asked at least every 200 ms; cheap.
            seconds: after this long, or GENERATION_TIMEOUT_S, the reply ends with the reason `deadline`.
            tools: an image's MCP servers; those with a `url` are the provider's to reach, others a worker's.
            settings: an image's roles and retrieval, which the operator's own servers are told.
            options: `thinking` and `providerOptions` of this reply alone.
            own: tools that the caller uses for the model: `name`, `description`, `input_schema`.
            dialog: what the model has said in this reply already, and was told of such tools' answers, in the API's messages.
            spent: tokens that this reply has put out before.
            crowd: whether many read it as it is written; asked before each chunk.
        """
        breaker, end = self._breakers.of(model), None
        ticket = breaker.admits()
        if not ticket:
            logger.warning("reply refused", extra={"model": model, "state": "failed", "reason": CIRCUIT_OPEN})
            yield Ended("failed", CIRCUIT_OPEN, dict(no_usage()))
            return
        asked = (model, system, turns, stopped, min(seconds, self._settings.generation_timeout_s))
        try:
            for event in self._measured(
                model, self._events(*asked, tools or {}, settings or {}, options or {}, More(own, dialog, spent, crowd))
            ):
                end = event if event.ended else end
                yield event
        finally:
            # Where a server's secret is missing the provider was not asked: somebody's configuration says nothing of it.
            known = end is not None and end.state != "stopped" and end.reason != "mcp_error"
            breaker.ended(ticket, end.reason if end is not None else None, known=known)

    def asked_first(self, tools: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """The servers of whose tools somebody is asked before they are used: a name → its configuration, with `requireApproval`.
        Their tools are used from here; the provider is not told of these servers."""
        found = merged(self._settings.mcp_system, tools, settings)
        always = {"requireApproval": "always"} if self._settings.mcp_require_approval == "always" else {}
        return {name: {**how, **always} for name, how in found.items() if self._asks_first(how)}

    def _asks_first(self, how: Mapping[str, Any]) -> bool:
        return how.get("requireApproval", "never") != "never" or self._settings.mcp_require_approval == "always"

    def tools_of(self, name: str, how: Mapping[str, Any], stopped: Callable[[], bool]) -> list[dict[str, Any]] | None:
        """The tools of one of these servers, in the protocol's words. None: it does not say them; the log says why."""
        from chalicelib.llm import mcp

        try:
            return mcp.tools(self._server(name, how), stopped)
        except mcp.ToolServerFailed as failed:
            logger.error("the tools of a server cannot be offered: it %s", failed, extra={"server": name})
            return None

    def use_tool(
        self, name: str, how: Mapping[str, Any], tool: str, given: Any, stopped: Callable[[], bool]
    ) -> tuple[list[dict[str, Any]], bool]:
        """Have one of these servers do what a tool does, once. Never raises for what the server or the network does.

        Returns: the answer in the API's blocks, and whether it is an error.
        """
        from chalicelib.llm import mcp

        try:
            return mcp.call(self._server(name, how), tool, given, stopped)
        except mcp.ToolServerFailed as failed:
            logger.warning("a tool was not answered: %s", failed, extra={"server": name})
            return [{"type": "text", "text": f"The server of this tool {failed}."}], True

    def _server(self, name: str, how: Mapping[str, Any]) -> Any:
        """Where a server is, and its token. An address of this machine is one that the operator has named (MCP_HOSTS)."""
        from chalicelib.llm import mcp

        secrets = self._secrets()
        secrets.pop(KEY, None)
        if _lacks_secret({name: how}, secrets):
            raise mcp.ToolServerFailed("needs a secret that the operator does not keep")
        token = _token(how, secrets) if "authorization" in how else None
        origin = origin_of(how["url"])
        return mcp.ToolServer(name, how["url"], token, private=bool(origin) and origin in self._settings.mcp_hosts)

    def _measured(
        self, model: str, told: Generator[Said | Used | Ended, None, None]
    ) -> Generator[Said | Used | Ended, None, None]:
        """The same, with the time to the first chunk as a metric and the end in the log."""
        asked, began, silent = time.monotonic(), moment(), True
        try:
            with closing(told) as events:
                for event in events:
                    if silent and not event.ended:
                        measure("FirstToken", (time.monotonic() - asked) * 1000, "Milliseconds", model=model)
                        silent = False
                    if event.ended:
                        about = {"model": model, "state": event.state, "reason": event.reason, "tokens": billed(event.usage)}
                        logger.info("reply ended", extra=about)
                    yield event
        finally:
            over("model", began)

    def _events(
        self,
        model: str,
        system: str,
        turns: Sequence[Sequence[Any]],
        stopped: Callable[[], bool],
        seconds: float,
        tools: Mapping[str, Any],
        settings: Mapping[str, Any],
        options: Mapping[str, Any],
        more: More,
    ) -> Generator[Said | Used | Ended, None, None]:
        secrets = self._secrets()
        key = secrets.pop(KEY, None)  # the model's alone: a conversation's server could be told any secret that it names
        where = ModelSettings(url=self._url, api_key=key, deadline=time.monotonic() + seconds)
        reachable = merged(self._settings.mcp_system, tools, settings)
        if _lacks_secret(reachable, secrets):
            yield Ended("failed", "mcp_error")
            return
        reachable = {name: how for name, how in reachable.items() if not self._asks_first(how)}
        joiner = Joiner(lambda: time.monotonic() * 1000, max_ms=self._settings.chunk_flush_ms, crowd=more.crowd)
        told = [
            Turn(role, content, tuple((kind, data) for each in images for kind, data in each)) for role, content, *images in turns
        ]
        prompt = Prompt(model, system=system, messages=told, mcp_servers=_servers(reachable, secrets), **_asked_with(options))
        prompt = replace(prompt, tools=more.own, dialog=more.dialog, max_tokens=prompt.max_tokens - more.spent)
        if prompt.max_tokens < least_tokens(prompt):
            yield Ended("completed", "max_tokens", dict(no_usage()))
            return
        try:
            with closing(reply(prompt, where, stopped, joiner)) as events:
                for event in events:
                    if isinstance(event, Chunk):
                        yield Said(event.kind, event.text)
                    elif isinstance(event, Tool):
                        yield Used(event.part)
                    elif event.stop_reason == STOPPED:
                        yield Ended("stopped", None, dict(event.usage))
                    else:
                        reason = None if event.stop_reason == "end_turn" else event.stop_reason
                        yield Ended("completed", reason, dict(event.usage), event.blocks)
        except ModelFailed as failure:
            yield Ended("failed", failure.reason, dict(failure.usage))


def _lacks_secret(servers: Mapping[str, Mapping[str, Any]], secrets: Mapping[str, str]) -> bool:
    """Whether the operator keeps no token that one of these servers names; the log says which."""
    missing = sorted(
        how["authorization"]["secret"] for how in servers.values() if "authorization" in how and _token(how, secrets) is None
    )
    if missing:
        logger.error("the operator keeps no secret named %s for this host", ", ".join(missing))
    return bool(missing)


def merged(
    system: Mapping[str, Any], tools: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The servers that are reached by their address: an image's own, and the operator's (SYSTEM_MCP_SERVERS).

    A reserved name is always the operator's; another of the operator's gives way to the image's own of that name.
    The operator's are told the image's roles and retrieval settings, as parameters of their address; an image's own
    are not: they are somebody else's.
    """
    own = {name: how for name, how in tools.items() if "url" in how and name.lower() not in RESERVED}
    told = [(name, str(each)) for name, value in sorted((settings or {}).items()) for each in _several(value)]
    theirs = {name: {**how, "url": _with(how["url"], told)} for name, how in system.items()}
    return theirs | own


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _with(url: str, parameters: Sequence[tuple[str, str]]) -> str:
    return url + ("&" if "?" in url else "?") + urlencode(parameters) if parameters else url


def _asked_with(options: Mapping[str, Any]) -> dict[str, Any]:
    """A send's own options as fields of a prompt. They were checked when they were accepted."""
    chosen = dict(options.get("providerOptions") or {})
    thinking = options.get("thinking")
    fields: dict[str, Any] = {"options": chosen}
    if (longest := chosen.pop("maxTokens", None)) is not None:
        fields["max_tokens"] = int(longest)
    if thinking in ("off", "adaptive"):
        fields["thinking"] = "off" if thinking == "off" else True
    elif thinking is not None:
        fields["thinking"], chosen["thinkingBudget"] = True, int(thinking)
    return fields


def _servers(reachable: Mapping[str, Any], secrets: Mapping[str, str]) -> list[dict[str, str]]:
    """The servers with their tokens: this is the only place where the two meet."""
    return [
        {"name": name, "url": how["url"]}
        | ({"authorization_token": _token(how, secrets) or ""} if "authorization" in how else {})
        for name, how in sorted(reachable.items())
    ]


def _token(how: Mapping[str, Any], secrets: Mapping[str, str]) -> str | None:
    """The token that a server names, if the operator keeps it, and for this host: a user chooses the pair of them."""
    host, _, token = secrets.get(how["authorization"]["secret"], "").strip().rpartition(" ")
    if host and not matches((urlsplit(how["url"]).hostname or "").rstrip("."), host.strip()):
        return None
    return token or None


def billed(usage: Mapping[str, int]) -> int:
    """The tokens of a reply that cost full price: what went in, what came out, what was put into the cache."""
    return sum(usage.get(name, 0) for name in ("inputTokens", "outputTokens", "cacheCreationTokens"))
