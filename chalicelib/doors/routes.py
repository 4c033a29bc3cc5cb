"""REST, as rows: (method, path → function, names, what becomes of the result). Everything else follows from the function.

A path's `{name}` is the function's argument of that name. What is left of the arguments comes from the query string (GET,
DELETE) or the JSON body (POST, PUT, PATCH); `names` renames what a document calls otherwise, such as `filter[agentId]`. The
OpenAPI document is printed from these rows and the functions' signatures, so it cannot be wrong about them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Result = Literal["data", "page", "bare"]


@dataclass(frozen=True)
class Route:
    """One row.

    Args:
        names: a name on this door → the function's argument.
        fixed: arguments that this row decides.
        result: `data` (in an envelope), `page` (the function's own `{data, meta}`), `bare` (as the function returns it).
        missing: what a null means: 404 with this sentence.
    """

    method: str
    path: str
    function: str
    tag: str
    names: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    result: Result = "data"
    status: int = 200
    missing: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What paths this row takes."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    @cached_property
    def places(self) -> list[str]:
        """The arguments in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def has_body(self) -> bool:
        """Whether arguments come in a JSON body."""
        return self.method in ("POST", "PUT", "PATCH")


def _chat(method: str, path: str, function: str, **more: object) -> Route:
    return Route(method, path, f"chat:{function}", "sessions", **more)  # type: ignore[arg-type]


NO_SESSION = "Session not found"

SESSIONS = [
    _chat("GET", "/sessions", "listSessions"),
    _chat("POST", "/sessions", "startSession", status=201),
    _chat("GET", "/sessions/{sessionId}", "getSession", missing=NO_SESSION),
    _chat("POST", "/sessions/{sessionId}/resume", "resumeSession"),
    _chat("POST", "/sessions/{sessionId}/end", "endSession"),
    _chat("POST", "/sessions/{sessionId}/stop", "stop"),
    _chat("GET", "/sessions/{sessionId}/messages", "getMessages"),
    _chat("POST", "/sessions/{sessionId}/messages", "sendMessage", status=201),
    _chat("GET", "/sessions/{sessionId}/messages/{messageId}/chunks", "subscribeToChunks"),
]

ROUTES: list[Route] = sorted([*SESSIONS], key=lambda row: len(row.places))
"""Every row; a path without `{}` goes before one with it."""
