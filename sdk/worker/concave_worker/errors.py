"""What goes wrong between a worker and its backend, by what the worker does about it."""

from __future__ import annotations

from typing import Any


class WorkerError(Exception):
    """Everything of this package; its text is for a person."""


class Refused(WorkerError):
    """The backend said no. `code` is its code, `data` all that it said."""

    def __init__(self, code: str, message: str, data: Any = None) -> None:
        super().__init__(message or code)
        self.code, self.message, self.data = code, message, data


class Revoked(Refused):
    """This worker may not work any more: its owner revoked it, or its secret is not known."""


class Replaced(Refused):
    """A newer process works under this worker's id."""


class Unreachable(WorkerError):
    """The backend did not answer, however often it was asked."""


def refusal(code: str, message: str, data: Any = None) -> Refused:
    """The error for a code."""
    if code in ("WorkerRevoked", "WorkerNotFound"):
        return Revoked(code, message, data)
    return Replaced(code, message, data) if code == "InstanceReplaced" else Refused(code, message, data)
