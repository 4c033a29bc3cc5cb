"""What can go wrong, by blame: an argument, a rule of the backend, or the way there."""

from __future__ import annotations

from typing import Any


class CortexError(Exception):
    """The root of every error of this client. By itself: the backend did not answer, or not as it should."""


class ConversationError(CortexError):
    """The backend refused. `code` is stable; `field` names the argument, where one is to blame; `data` is all that it said."""

    def __init__(self, code: str, message: str, field: str | None = None, data: Any = None) -> None:
        super().__init__(message if message.startswith(code) else f"{code}: {message}")
        self.code, self.field, self.data = code, field, data


class ValidationError(ConversationError):
    """An argument is wrong; raised before any request, with the backend's own codes."""
