"""What became of the questions that agents asked: heard from the backend, told to whoever waits."""

from __future__ import annotations

import asyncio
from typing import Any

from concave_worker.agents.agent import Decision

EXPIRED = "\n\n_Nobody decided in time, so “{title}” was denied._\n\n"


class Decisions:
    """The questions of one process that are open. Every one is asked by `permissions:ask` and heard of by a subscription."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._known: dict[str, dict[str, Any]] = {}

    def heard(self, requests: list[dict[str, Any]]) -> None:
        """What the subscription tells: every question of the replies that are being written. One that is missing is over."""
        self._known = {each["requestId"]: each for each in requests}
        for number, waiting in self._waiting.items():
            request = self._known.get(number)
            if request is not None and request["state"] != "open" and not waiting.done():
                waiting.set_result(request)

    async def decided(self, request: dict[str, Any]) -> tuple[Decision, str]:
        """Wait for a decision.

        Args:
            request: as `permissions:ask` answered it; it may be decided already.

        Returns:
            The decision, and words for the reply: why nobody made it.
        """
        number = str(request["requestId"])
        known = self._known.get(number, request)
        if known["state"] == "open":
            waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
            try:
                known = await waiting
            finally:
                self._waiting.pop(number, None)
        return outcome(known)


def outcome(request: dict[str, Any]) -> tuple[Decision, str]:
    """What a closed question means for the agent, and for the reply's readers."""
    match request["state"]:
        case "allowed":
            kinds = {option["optionId"]: option["kind"] for option in request["options"]}
            return ("allow_always" if kinds.get(request.get("optionId")) == "allow_always" else "allow_once"), ""
        case "expired":
            return "deny", EXPIRED.format(title=request["title"])
        case "denied":
            return "deny", ""
    return "cancelled", ""
