"""Tools that the model wants used and of which somebody is asked first: the writer of the reply uses them itself.

The provider's connector asks nobody. So the tools of a server with `requireApproval` are offered to the model as the caller's
own; a turn of it that ends with calls is answered with their results, and the reply goes on. Between the two stands a decision:

1. The calls that need one become permission requests, and how far the reply has come is kept, in one commit (`runs:park`). The
   writer ends: nobody waits in a process, and what is waited for outlives all of them.
2. The last decision, or the time of the last request, starts a writer (`activity.wake`). It takes away what was kept in the
   commit in which it takes the run (`runs:goOn`), so that exactly one goes on.
3. Only then a tool is used, once. Who dies from then on leaves the reply to the sweep, which ends it with what was said.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from chalicelib import ActionCtx, Refused, is_value
from chalicelib.domain.machines import permissions
from chalicelib.domain.replies.parts import LEVELS, as_json
from chalicelib.schema import Status

MOST_CALLS, MOST_TURNS = 8, 25
"""Calls of one turn of the model that are looked at (they are asked about in one commit), and turns of one reply."""
MOST_DENIED = 3
"""So many denied calls end a reply: a model may ask for the same again for ever."""
LARGEST_KEPT = 350_000
"""Bytes of how far a reply has come, as JSON: it is kept in one document."""
DENIED, TOO_LARGE, TOO_MANY = "permission_denied", "too_large", "max_turns"
SAYS = {
    "denied": "The user has not allowed this. Do not try it again; go on without it, or ask the user.",
    "expired": "Nobody has allowed this in time. Go on without it.",
}


class ToolServersFailed(Exception):
    """A server's tools cannot be offered."""


class WritesReply(Protocol):
    """As much of a writer as is needed here."""

    ctx: ActionCtx
    run_id: str
    epoch: int
    step: int
    asked: dict[str, Any]
    fenced: bool
    parked: bool

    def used(self, part: dict[str, Any]) -> None:
        """Store what a tool was asked or has answered."""

    def stopped(self) -> bool:
        """Whether the reply was taken away, or is full."""

    def kept(self) -> dict[str, Any]:
        """How far the reply has come."""

    def cost(self) -> dict[str, Any]:
        """What it has cost so far."""


class ToolUse:
    """The tools of one reply, and what was said with them.

    Args:
        servers: of whose tools somebody is asked, by their names (`ModelService.asked_first`).
        kept: what an earlier writer of this reply has kept (`kept`), and the decisions since.
    """

    def __init__(self, writer: WritesReply, servers: dict[str, Any], kept: dict[str, Any] | None = None) -> None:
        self._writer, self._servers = writer, servers
        self._model: Any = writer.ctx.parts.model
        kept = kept or {}
        self._tools: dict[str, dict[str, Any]] = kept.get("tools") or self._offered()
        self.dialog: list[dict[str, Any]] = kept.get("dialog", [])
        self._calls: list[dict[str, Any]] = kept.get("calls", [])
        self._turns, self._denied = kept.get("turns", 0), kept.get("denied", 0)

    def _offered(self) -> dict[str, dict[str, Any]]:
        """The servers' tools, by the names that the model is told. Raises `ToolServersFailed`."""
        found: dict[str, dict[str, Any]] = {}
        for server, how in sorted(self._servers.items()):
            listed = self._model.tools_of(server, how, self._writer.stopped)
            if listed is None:
                raise ToolServersFailed(f"the server {server!r} does not say its tools")
            for told in listed:
                found[_name(server, told["name"])] = {
                    "server": server,
                    "tool": told["name"],
                    "description": str(told.get("description") or "")[:4000],
                    "schema": told["inputSchema"],
                    "at": _digest(how["url"]),
                    "asks": how["requireApproval"] == "always" or told["name"] in how["requireApproval"],
                }
        return found

    def offered(self) -> list[dict[str, Any]]:
        """The tools in the words of the Messages API."""
        return [
            {"name": name, "description": tool["description"], "input_schema": tool["schema"]}
            for name, tool in self._tools.items()
        ]

    def shown(self, part: dict[str, Any]) -> dict[str, Any]:
        """A call's part of the message, by the tool's own name and its server's."""
        tool = self._tools.get(part.get("name", "")) if part["type"] == "tool_call" and not part.get("server") else None
        return part if tool is None else {**part, "name": tool["tool"], "server": tool["server"]}

    def kept(self) -> dict[str, Any]:
        """What `ToolUse` is made of again."""
        told = {"tools": self._tools, "dialog": self.dialog, "calls": self._calls}
        return {**told, "turns": self._turns, "denied": self._denied}

    def take(self, blocks: tuple[dict[str, Any], ...]) -> tuple[Status | None, str | None] | None:
        """A turn of the model that wants tools used.

        Returns: how the reply ends with it; (None, None): this writer ends, another goes on; None: the model goes on.
        """
        self._turns += 1
        if self._turns > MOST_TURNS:
            return "completed", TOO_MANY
        self.dialog.append({"role": "assistant", "content": list(blocks)})
        self._calls = [self._call(number, each) for number, each in enumerate(_uses(blocks))]
        asked = [_request(each) for each in self._calls if each.get("asks")]
        if not asked:
            return self.use({})
        kept = as_json(self._writer.kept())
        if len(kept.encode()) > LARGEST_KEPT:
            return "failed", TOO_LARGE
        decisions = self._decided(asked, kept)
        return (None, None) if decisions is None else self.use(decisions)

    def _decided(self, asked: list[dict[str, Any]], kept: str) -> dict[str, str] | None:
        """Ask. Returns the decisions where there are all of them already; None: the reply is parked, or was taken away."""
        writer = self._writer
        mine = {"run_id": writer.run_id, "epoch": writer.epoch, "step": writer.step}
        found: dict[str, str] | None = writer.ctx.run_mutation("runs:park", **mine, asked=asked, kept=kept, usage=writer.cost())
        if found is None or "open" in found.values():
            writer.fenced, writer.parked = True, found is not None
            return None
        return found

    def use(self, decisions: dict[str, str]) -> tuple[Status | None, str | None] | None:
        """Use what was allowed, and tell the model all answers. Returns as `take`."""
        results = []
        for each in self._calls:
            if self._writer.stopped():
                return None, None
            content, fails = self._result(each, decisions.get(each["id"]))
            self._writer.used({"type": "tool_result", "id": each["id"], "isError": fails, "content": _without_pictures(content)})
            results.append({"type": "tool_result", "tool_use_id": each["id"], "content": content, "is_error": fails})
        self.dialog.append({"role": "user", "content": results})
        self._calls = []
        return ("failed", DENIED) if self._denied >= MOST_DENIED else None

    def _result(self, call: dict[str, Any], decision: str | None) -> tuple[list[dict[str, Any]], bool]:
        """What becomes of one call."""
        if "wrong" in call:
            return _said(call["wrong"]), True
        if call["asks"] and decision != "allowed":
            self._denied += decision != "expired"
            return _said(SAYS.get(decision or "denied", SAYS["denied"])), True
        server = self._servers.get(call["server"])
        if server is None or _digest(server["url"]) != call["at"]:
            return _said("The server of this tool is not configured any more."), True
        found: tuple[list[dict[str, Any]], bool] = self._model.use_tool(
            call["server"], server, call["tool"], call["input"], self._writer.stopped
        )
        return found

    def _call(self, number: int, block: dict[str, Any]) -> dict[str, Any]:
        """A call as it is looked at: which tool, with what, and whether somebody is asked; `wrong`: why it is not used."""
        tool, given = self._tools.get(str(block.get("name"))), block.get("input")
        call: dict[str, Any] = {"id": str(block["id"]), "input": given}
        if tool is None:
            return {**call, "wrong": "There is no such tool."}
        if not isinstance(given, dict):
            block["input"] = {}  # the API takes nothing else back
            return {**call, "wrong": "The input of this call is no JSON object."}
        if number >= MOST_CALLS:
            return {**call, "wrong": f"At most {MOST_CALLS} tools are used at once; call it again."}
        call |= {name: tool[name] for name in ("server", "tool", "at", "asks")}
        definition = as_json([tool["at"], tool["server"], tool["tool"], tool["description"], tool["schema"]])
        call["grant"] = f"mcp {_digest(definition)}"
        if call["asks"]:
            try:
                permissions.check_input(_shown(given))
            except Refused as refused:
                return {**call, "asks": False, "wrong": f"Nobody can be asked for this. {refused}"}
        return call


def _uses(blocks: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    return [each for each in blocks if each.get("type") == "tool_use"]


def _request(call: dict[str, Any]) -> dict[str, Any]:
    """A call as whose session it is is asked for it."""
    title = f"{call['tool']} of {call['server']}"[:500]
    return {
        "tool_call_id": call["id"],
        "tool": call["tool"],
        "title": title,
        "input": _shown(call["input"]),
        "grant": call["grant"],
    }


def _shown(given: dict[str, Any]) -> Any:
    """What a tool is to be given, as it can be stored: what is no value of ours is shown as JSON text."""
    return given if is_value(given, LEVELS) else as_json(given)


def _said(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


def _without_pictures(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the message keeps of an answer: of a picture its kind."""
    return [
        {"type": "text", "text": f"({each['source']['media_type']})"} if each["type"] == "image" else each for each in content
    ]


def _name(server: str, tool: str) -> str:
    """What the model calls a tool: `server__tool`, in the characters and the length that the API allows for a name."""
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "_-") else "_" for each in f"{server}__{tool}")
    return plain if plain == f"{server}__{tool}" and len(plain) <= 64 else f"{plain[:55]}_{_digest(f'{server} {tool}')[:8]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
