"""What the backend's HTTP answers mean."""

from __future__ import annotations

from typing import Any

import httpx2

from concave_worker.errors import Refused, WorkerError, refusal

AGAIN = (408, 429, 500, 502, 503, 504)
"""Answers after which a call is tried again."""


def value_of(answer: httpx2.Response) -> Any:
    """The value in an answer. Raises what it says: `Refused`, `Revoked`, `Replaced`."""
    try:
        told = answer.json()
    except ValueError as error:
        raise WorkerError(f"the backend's answer ({answer.status_code}) is not JSON: is this the address of one?") from error
    if answer.status_code != 200:
        raise refusal(str(told.get("code", answer.status_code)), str(told.get("message", "")), told)
    if told.get("status") == "success":
        return told["value"]
    data = told.get("errorData")
    if isinstance(data, dict) and "code" in data:
        raise refusal(str(data["code"]), str(data.get("message", "")), data)
    raise Refused("ServerError", str(told.get("errorMessage", "the backend failed")), told)
