"""What a prompt costs, and the prompt cache: a prefix that was marked with `cache_control` before is read, not paid again."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.model.wire import prompt_blocks

CACHE_TTL_S = {"5m": 300.0, "1h": 3600.0}


def count_tokens(text: str) -> int:
    """A token is about four characters."""
    return -(-len(text) // 4)


def text_of(block: Mapping[str, Any]) -> str:
    """What of a block counts as prompt."""
    if block.get("type") in ("text", "thinking"):
        return str(block.get("text") or block.get("thinking") or "")
    return json.dumps({name: value for name, value in block.items() if name != "cache_control"}, sort_keys=True)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Tokens of the whole prompt; a few more for each message's frame."""
    return sum(count_tokens(text_of(block)) + 3 for _, block in prompt_blocks(body)) + 4


@dataclass(frozen=True)
class InputUsage:
    """The input side of `usage`; the three add up to the whole prompt."""

    fresh: int
    read: int
    created: int
    created_1h: int = 0

    def fields(self) -> dict[str, Any]:
        """As `message_start` says it."""
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.created,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.created - self.created_1h,
                "ephemeral_1h_input_tokens": self.created_1h,
            },
            "service_tier": "standard",
        }


class PromptCache:
    """Which prefixes were marked lately. The real one wants 1024 tokens or more in a prefix; here `least` may be 0."""

    def __init__(self, least: int = 0) -> None:
        self._least = least
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def price(self, body: Mapping[str, Any]) -> InputUsage:
        """What this prompt costs now; its marked prefixes are remembered."""
        now, total = time.monotonic(), prompt_tokens(body)
        read = marked = size = 0
        ttl = "5m"
        running = hashlib.sha256(body["model"].encode())
        with self._lock:
            self._until = {key: until for key, until in self._until.items() if until > now}
            entries: list[tuple[str, float]] = []
            for where, block in prompt_blocks(body):
                running.update(f"\0{where}\0{text_of(block)}".encode("utf-8", "surrogatepass"))
                size += count_tokens(text_of(block)) + 3
                key = running.copy().hexdigest()
                if key in self._until and size >= self._least:
                    read = size
                if (control := block.get("cache_control")) and size >= self._least:
                    marked, ttl = size, control.get("ttl", "5m")
                    entries.append((key, now + CACHE_TTL_S.get(ttl, 300.0)))
            self._until.update(entries)
        created = max(0, marked - read)
        return InputUsage(total - read - created, read, created, created if ttl == "1h" else 0)
