"""MCP servers of domains and images: what may be named, and where secrets stay.

`mcpServers` is an object: a name → `{url, authorization?, requireApproval?}` for a server that the model's provider reaches (the
MCP connector), or `{command, args?}` for a program that a worker starts on its own machine. A secret is `{"secret": "NAME"}`: the
operator keeps it, it is looked up when the model is asked, and no document, log or answer ever holds it.

`requireApproval` is `"never"` (the default), `"always"`, or a list of a server's tools: whose session it is decides before such a
tool is used. The provider asks nobody, so the tools of a server that says so are used by the reply's writer
(`domain/replies/tool_use.py`), and the provider is not told of that server.

Which hosts and programs are allowed says the operator (MCP_HOSTS, MCP_COMMANDS). An address is never one of a private network
or of this machine, however it is written, but for an origin that the operator of a laptop names (http://127.0.0.1:9000).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx, Refused, hosts
from chalicelib.domain import answer_size

RESERVED = ("promptx", "retriever")
"""The system's own names."""
MOST, LARGEST = 16, 32 * 1024
"""Servers of one configuration, and their bytes as JSON: every answer that shows an image holds them."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class ServerView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One server as its owner sees it, with where it is from."""

    name: str
    source: Literal["system", "built-in", "user"]
    url: str | None = None
    authorization: dict[str, str] | None = None
    """`{"secret": "NAME"}`; never the secret."""
    require_approval: Literal["always"] | list[str] | None = None
    """Before which tools whose session it is decides: all, or these; absent: none."""
    command: str | None = None
    args: list[str] | None = None


def checked(ctx: MutationCtx, servers: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A configuration as it is stored. Raises `Refused`: MCP_NAME_RESERVED, MCP_CONFIG_INVALID, MCP_COMMAND_NOT_ALLOWED."""
    if not servers:
        return None
    if len(servers) > MOST:
        raise _invalid("mcpServers", f"at most {MOST} servers, not {len(servers)}")
    kept = {name: _server(ctx, name, how) for name, how in servers.items()}
    if answer_size.weight(kept) > LARGEST:
        raise _invalid("mcpServers", f"all servers have at most {LARGEST} bytes as JSON, not {answer_size.weight(kept)}")
    return kept


def views(servers: Mapping[str, Any] | None) -> list[ServerView]:
    """The servers of a configuration, by name."""
    return [
        ServerView(name=name, source="user", **{("require_approval" if at == "requireApproval" else at): how[at] for at in how})
        for name, how in sorted((servers or {}).items())
    ]


def allowed(ctx: QueryCtx | MutationCtx, servers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The servers of a configuration whose hosts and programs the operator allows now: an image is older than a setting."""
    commands, named = ctx.limits.get("mcp_commands", ()), ctx.limits.get("mcp_hosts", ())

    def is_allowed(how: dict[str, Any]) -> bool:
        if "command" in how:
            return how["command"] in commands
        if hosts.origin_of(how["url"]).startswith("http://"):
            return "requireApproval" in how and hosts.origin_of(how["url"]) in named
        host = hosts.public_host(how["url"], ports=True)  # it was checked when it was stored
        return any(hosts.matches(host, each) for each in named)

    return {name: how for name, how in (servers or {}).items() if is_allowed(how)}


def merged(ctx: QueryCtx, servers: Mapping[str, Any] | None) -> list[ServerView]:
    """All servers of a conversation, by name: its own, and the operator's (SYSTEM_MCP_SERVERS).

    Those under a reserved name are the system's and cannot be replaced; others of the operator's are built in, and give way to
    the conversation's own of that name. Where the operator's are is nobody's business.
    What the operator allows no longer is left out. `llm/service.py` merges them in the same way when the model is asked.
    """
    operators = ctx.limits.get("mcp_system", {})
    own = {each.name: each for each in views(allowed(ctx, servers))}
    theirs = {name: ServerView(name=name, source="system" if name.lower() in RESERVED else "built-in") for name in operators}
    return [found for _, found in sorted((theirs | own).items())]


def _server(ctx: MutationCtx, name: str, how: Any) -> dict[str, Any]:
    field = f"mcpServers.{name}"
    if name.lower() in RESERVED:
        raise Refused("MCP_NAME_RESERVED", f"{field}: {name!r} is a server of the system; choose another name.", field=field)
    if not NAME.fullmatch(name):
        raise _invalid(field, "a name has 1 to 64 letters, digits, `_` and `-`")
    if not isinstance(how, dict):
        raise _invalid(field, "a server is an object with `url` or `command`")
    if ("url" in how) == ("command" in how):
        raise _invalid(field, "a server has either `url` or `command`")
    known = {"url", "authorization", "type", "requireApproval"} if "url" in how else {"command", "args", "type"}
    if unknown := sorted(how.keys() - known):
        raise _invalid(f"{field}.{unknown[0]}", "there is no such setting; secrets go in `authorization`")
    return _remote(ctx, field, how) if "url" in how else _program(ctx, field, how)


def _remote(ctx: MutationCtx, field: str, how: dict[str, Any]) -> dict[str, Any]:
    if how.get("type", "url") not in ("url", "http", "sse"):
        raise _invalid(f"{field}.type", "must be url, http or sse")
    url, approval = how["url"], _approval(f"{field}.requireApproval", how.get("requireApproval", "never"))
    kept = {"url": url} | ({} if approval is None else {"requireApproval": approval})
    named = ctx.limits.get("mcp_hosts", ())
    if approval is None or not isinstance(url, str) or hosts.origin_of(url) not in named:
        host = _host(f"{field}.url", url)
        if not any(hosts.matches(host, allowed) for allowed in named):
            raise _invalid(f"{field}.url", f"{host} is not a host that the operator allows (MCP_HOSTS)")
    authorization = how.get("authorization")
    if authorization is None:
        return kept
    secret = authorization.get("secret") if isinstance(authorization, dict) and len(authorization) == 1 else None
    if not isinstance(secret, str) or not SECRET.fullmatch(secret):
        raise _invalid(f"{field}.authorization", 'must be {"secret": "NAME"}, the name of a secret that the operator keeps')
    return {**kept, "authorization": {"secret": secret}}


def _approval(field: str, how: Any) -> Any:
    """Before which tools somebody is asked: "always", or a list of names; None for "never"."""
    if how == "never":
        return None
    named = isinstance(how, list) and len(how) <= 100 and all(isinstance(each, str) and 1 <= len(each) <= 200 for each in how)
    if how != "always" and not named:
        raise _invalid(field, 'must be "always", "never", or a list of at most 100 names of tools')
    return how


def _host(field: str, url: Any) -> str:
    """The host of an address that may be reached. Raises `Refused`."""
    try:
        return hosts.public_host(url, ports=True)
    except hosts.BadAddress as rule:
        raise _invalid(field, str(rule)) from None


def _program(ctx: MutationCtx, field: str, how: dict[str, Any]) -> dict[str, Any]:
    command, args = how["command"], how.get("args", [])
    if how.get("type", "stdio") != "stdio":
        raise _invalid(f"{field}.type", "must be stdio")
    if not isinstance(command, str) or not 1 <= len(command) <= 200:
        raise _invalid(f"{field}.command", "must be the name of a program")
    if command not in ctx.limits.get("mcp_commands", ()):
        raise Refused(
            "MCP_COMMAND_NOT_ALLOWED", f"{field}.command: the operator does not allow {command!r} (MCP_COMMANDS).", field=field
        )
    if not isinstance(args, list) or len(args) > 50 or not all(isinstance(each, str) and len(each) <= 1000 for each in args):
        raise _invalid(f"{field}.args", "must be at most 50 texts of at most 1,000 characters")
    return {"command": command, "args": args}


def _invalid(field: str, rule: str) -> Refused:
    return Refused("MCP_CONFIG_INVALID", f"{field}: {rule}.", field=field)
