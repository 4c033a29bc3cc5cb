"""From a conversation's log to the arguments of one Messages API call. Pure.

What the log holds and what the model may be told are not the same: a conversation has `system` entries (notices of the
service) which must never become instructions, empty placeholders of replies that failed, several messages of a person in
a row, and more history than fits. The rules are here, in one place:

- only `Prompt.system` is the system prompt; `system` turns are left out, `tool` turns are told by the user's side, marked;
- empty turns go; turns of one side in a row become one message, a block each; the first and the last message are the user's;
- the oldest turns go when the budget is passed, in steps of a quarter of it. A window that moved with every turn would
  begin elsewhere each time, and the prompt cache, which matches prefixes, would never hit;
- the system prompt and the last message are marked for the prompt cache, so the next turn reads both from there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Role = Literal["user", "assistant", "system", "tool"]
CACHED: dict[str, str] = {"type": "ephemeral"}
EFFORTS = ("low", "medium", "high", "xhigh", "max")
MCP_BETA = "mcp-client-2025-11-20"
IMAGE_TOKENS = 1600
"""About what an image costs, at most."""
MIN_THINKING = 1024
"""The API's smallest thinking budget, in tokens."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One entry of a conversation's log."""

    role: Role
    content: str
    images: tuple[tuple[str, str], ...] = ()
    """Of a user: (media type, base64), told before the text."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything that decides a reply.

    `max_tokens` bounds the reply (thinking included). `history_tokens` bounds what is sent of `messages`, as `tokens`
    estimates it. `thinking`: `"off"` forbids it, False leaves it to the model's own default. `options` are what a caller may
    set for one reply; the words are those of `request`. `said` is what the model has answered already, in the API's blocks,
    when its turn was paused.
    """

    model: str
    system: str = ""
    messages: Sequence[Turn] = ()
    max_tokens: int = 16_384
    thinking: bool | Literal["off"] = False
    options: Mapping[str, Any] = field(default_factory=dict)
    history_tokens: int = 150_000
    mcp_servers: Sequence[Mapping[str, str]] = ()
    """Servers of tools that the provider connects to: `name`, `url`, and `authorization_token` where one is needed."""
    said: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    """Tools that who asks uses for the model: `name`, `description`, `input_schema`."""
    dialog: Sequence[Mapping[str, Any]] = ()
    """What the model has said in this reply, and was told of such tools' answers: messages in the API's blocks, in turn."""


def tokens(text: str) -> int:
    """About how many tokens a text is: a third of its UTF-8 bytes, which errs on the high side for prose in any script."""
    return (len(text.encode("utf-8", "surrogatepass")) + 2) // 3


def request(prompt: Prompt) -> dict[str, Any]:
    """The keyword arguments of `messages.create`, without `stream`.

    `options` may hold `effort` (low … max), `stopSequences`, `temperature`, `topP`, `topK`, and `thinkingBudget` (tokens,
    for models that know no adaptive thinking).

    Raises:
        ValueError: nothing to answer, an unknown option, or a value out of range; the message is a sentence.
    """
    messages = _messages(trim(_told(prompt.messages), prompt.history_tokens))
    if not messages:
        raise ValueError("there is nothing to answer: no message of a user has any text")
    if prompt.max_tokens < 1:
        raise ValueError("max_tokens must be at least 1")
    messages[-1]["content"][-1]["cache_control"] = CACHED
    messages += [dict(message) for message in prompt.dialog]
    if prompt.said:
        messages.append({"role": "assistant", "content": [dict(block) for block in prompt.said]})
    asked: dict[str, Any] = {"model": prompt.model, "max_tokens": prompt.max_tokens, "messages": messages}
    if prompt.system.strip():
        asked["system"] = [{"type": "text", "text": _sendable(prompt.system), "cache_control": CACHED}]
    if prompt.thinking:
        asked["thinking"] = _thinking(prompt)
    return asked | _options(prompt.options) | _tools(prompt.mcp_servers, prompt.tools)


def _tools(servers: Sequence[Mapping[str, str]], own: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tools of who asks, and the provider's MCP connector: a beta, whose header the SDK does not add by itself."""
    listed: list[dict[str, Any]] = [dict(each) for each in own]
    if not servers:
        return {"tools": listed} if listed else {}
    sets = [{"type": "mcp_toolset", "mcp_server_name": server["name"], "default_config": {"enabled": True}} for server in servers]
    return {
        "betas": [MCP_BETA],
        "mcp_servers": [{"type": "url", **server} for server in servers],
        "tools": [*listed, *sets],
    }


def least_tokens(prompt: Prompt) -> int:
    """The smallest `max_tokens` that this prompt can be asked with."""
    budget = prompt.options.get("thinkingBudget") if prompt.thinking is True else None
    return int(budget) + 1 if budget is not None and _is_number(budget) else 1


def trim(turns: Sequence[Turn], budget: int) -> list[Turn]:
    """The newest turns that fit into `budget` tokens; the newest one always, whatever its size.

    Whole quarters of the budget are dropped, counted from the first turn, so the start moves rarely (see the file's head).
    """
    starts = list(itertools.accumulate((tokens(turn.content) + IMAGE_TOKENS * len(turn.images) for turn in turns), initial=0))
    over = starts[-1] - budget
    if over <= 0:
        return list(turns)
    quarter = max(1, budget // 4)
    cut = -(-over // quarter) * quarter
    kept = [turn for turn, start in zip(turns, starts[:-1], strict=True) if start >= cut]
    return kept or [turns[-1]]


def _told(turns: Iterable[Turn]) -> list[Turn]:
    """What the model may be told, in its two roles; it ends with the user's words, because a reply answers those."""
    told = []
    for turn in turns:
        if turn.role == "system" or not (turn.content.strip() or turn.images):
            continue
        text = _sendable(turn.content)
        if turn.role == "tool":
            told.append(Turn("user", f"<tool-result>\n{text}\n</tool-result>"))
        else:
            told.append(replace(turn, content=text))
    while told and told[-1].role == "assistant":
        told.pop()
    return told


def _sendable(text: str) -> str:
    """Half an emoji, as JavaScript's string cuts make them, cannot be sent as UTF-8; it becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Turns of one side become one message. An assistant's words at the start (its question was trimmed) are left out."""
    begun = itertools.dropwhile(lambda turn: turn.role == "assistant", turns)
    return [
        {"role": role, "content": [block for turn in group for block in _blocks(turn)]}
        for role, group in itertools.groupby(begun, key=lambda turn: turn.role)
    ]


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = [
        {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}} for kind, data in turn.images
    ]
    return [*shown, {"type": "text", "text": turn.content}] if turn.content.strip() else shown


def _thinking(prompt: Prompt) -> dict[str, Any]:
    if prompt.thinking == "off":
        return {"type": "disabled"}
    budget = prompt.options.get("thinkingBudget")
    if budget is None:
        return {"type": "adaptive", "display": "summarized"}
    if not _is_number(budget) or not MIN_THINKING <= budget < prompt.max_tokens:
        raise ValueError(f"thinkingBudget must be from {MIN_THINKING} to below max_tokens ({prompt.max_tokens})")
    return {"type": "enabled", "budget_tokens": int(budget)}


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The API's words for ours. The SDK dropped sampling from its signatures, so that goes in `extra_body`."""
    asked: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    for name, value in options.items():
        match name:
            case "thinkingBudget":
                continue
            case "effort":
                if value not in EFFORTS:
                    raise ValueError(f"effort must be one of {', '.join(EFFORTS)}")
                asked["output_config"] = {"effort": value}
            case "stopSequences":
                if not isinstance(value, list | tuple) or not all(isinstance(word, str) and word for word in value):
                    raise ValueError("stopSequences must be a list of texts")
                asked["stop_sequences"] = list(value)
            case "temperature" | "topP" | "topK":
                if not _is_number(value):
                    raise ValueError(f"{name} must be a number")
                sampling[{"topP": "top_p", "topK": "top_k"}.get(name, name)] = int(value) if name == "topK" else value
            case _:
                raise ValueError(f"unknown model option {name!r}")
    if sampling:
        asked["extra_body"] = sampling
    return asked


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
