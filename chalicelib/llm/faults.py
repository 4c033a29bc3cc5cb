"""What an error of the SDK, of the HTTP library under it, or of our own timers means, in our twelve reasons.

The traps (seen with `anthropic` 2.11): an error in the middle of a stream is a plain `APIStatusError` with status **200**, so
its `type` decides before its status; what breaks or times out after the headers is an error of `httpx2`, not of the SDK.

This file imports the SDK, so `claude.py` imports it late.
"""

from __future__ import annotations

import json
import logging

import anthropic
import httpx2

from chalicelib.llm.outcome import ModelFailed, Reason

logging.getLogger("anthropic").setLevel(logging.INFO)
"""At DEBUG the SDK logs whole requests: what people said, and the tokens of MCP servers. No log of ours may hold those."""

EXPECTED = (
    anthropic.AnthropicError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    json.JSONDecodeError,
    UnicodeDecodeError,
)
"""Errors that are the outside world's; anything else is a mistake of ours, and logged as one."""

_BY_TYPE: dict[str, Reason] = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "api_error": "model_error",
    "timeout_error": "timeout",
    "invalid_request_error": "invalid_request",
    "not_found_error": "invalid_request",
    "authentication_error": "unauthorized",
    "permission_error": "unauthorized",
    "billing_error": "unauthorized",
    "request_too_large": "too_large",
}
_BY_STATUS: dict[int, Reason] = {
    401: "unauthorized",
    402: "unauthorized",
    403: "unauthorized",
    408: "timeout",
    413: "too_large",
    429: "rate_limited",
    504: "timeout",
    529: "overloaded",
}


def failure(error: Exception) -> ModelFailed:
    """The same failure in our words; one of `EXPECTED` only. The usage is added by whoever counted it."""
    match error:
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return ModelFailed("timeout", "the model did not answer in time")
        case anthropic.APIStatusError():
            return _status(error)
        case anthropic.APIConnectionError():
            return _connection(error.__cause__ or error)
        case httpx2.HTTPError() | httpx2.StreamError() | httpx2.InvalidURL():
            return _connection(error)
        case _:
            return ModelFailed("model_error", f"the model's answer could not be read ({type(error).__name__})")


def _connection(cause: BaseException) -> ModelFailed:
    """The SDK calls everything a connection error that goes wrong before the answer, also a request that cannot be sent."""
    unsendable = isinstance(cause, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError)
    if unsendable or not isinstance(cause, httpx2.HTTPError | httpx2.StreamError | OSError | anthropic.APIConnectionError):
        return ModelFailed("invalid_request", f"the request to the model could not be sent ({type(cause).__name__})")
    return ModelFailed("connection", f"the connection to the model failed ({type(cause).__name__})")


def _status(error: anthropic.APIStatusError) -> ModelFailed:
    said = error.api_message or f"status {error.status_code}"
    reason = _BY_TYPE.get(error.type or "") or _BY_STATUS.get(error.status_code)
    if reason is None:
        reason = "invalid_request" if 400 <= error.status_code < 500 else "model_error"
    if reason in ("invalid_request", "model_error") and "mcp server" in said.lower():
        reason = "mcp_error"  # seen as 400 with "… for MCP server 'name' …": the conversation's configuration, not its words
    if reason == "invalid_request" and said.lower().startswith("prompt is too long"):
        reason = "too_large"  # the API's word for a prompt beyond the context window is a 400
    return ModelFailed(reason, said, retry_after_s=_retry_after(error.response.headers))


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds. A date (which HTTP allows) counts as "not said": the API sends seconds."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None
