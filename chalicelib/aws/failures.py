"""What botocore raises, in the store's words: a condition, a conflict, a limit, or "no answer".

`Contention` promises that nothing was written. An SDK that tried twice cannot promise it (the first try's answer may have
been lost after it wrote), and neither can "a transaction with this token is in progress": both become `StoreFailed`, after
which the engine looks at the commit row. Sources: "Error handling with DynamoDB" and TransactWriteItems in the API reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)

from chalicelib.aws.wire import item_from_wire
from chalicelib.data.errors import BadRequest, ConcaveError, ConditionFailed, Contention, LimitExceeded, StoreFailed, StoreRefused

_UNSENDABLE = (
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)

_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ProvisionedThroughputExceeded",
    "ThrottlingException",
    "ThrottlingError",
    "Throttling",
    "RequestLimitExceeded",
}
_BUSY = {"TransactionConflictException", "TransactionConflict", *_THROTTLED}
_INVALID = {"ValidationException", "ValidationError", "ItemCollectionSizeLimitExceeded"}
_FOR_GOOD = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "ResourceNotFoundException",
    "UnauthorizedOperation",
    "UnknownOperationException",
    "UnrecognizedClientException",
}
"""AWS's names for what no repetition can mend ("Common Errors" in the API reference of DynamoDB)."""
_MESSAGE = 300
_SIZE = re.compile(r"size.*exceed|exceed.*size|maximum allowed|size limit|too large|length less than or equal", re.IGNORECASE)

_UNFIT = re.compile(r"document path|operand", re.IGNORECASE)
"""DynamoDB says "An operand in the update expression has an incorrect data type"; engines of others say it in their words."""


def failure(response: dict[str, Any], tables: Sequence[str] = (), *, writes: bool = True) -> ConcaveError:
    """The store's error for a botocore error response.

    Args:
        response: `ClientError.response`.
        tables: the table of each action, in order, to name the one in conflict.
        writes: whether the call may have written.
    """
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code == "ConditionalCheckFailedException":
        return ConditionFailed((0,), (_found(response),))
    if code == "TransactionCanceledException":
        return _cancelled(response, tables, writes=writes)
    if code in _BUSY:
        return _busy(response, tables[0] if tables else "", writes=writes)
    if code in _INVALID:
        return invalid(message, code)
    if code in _FOR_GOOD:
        return StoreRefused(code, message)
    return StoreFailed(f"DynamoDB: {code} {message}")


def throttled(response: dict[str, Any]) -> bool:
    """Whether a table, one of its indexes or the account took no more, as opposed to two writers of one item."""
    reasons = response.get("CancellationReasons") or []
    return any(str(each.get("Code", "")) in _THROTTLED for each in (response.get("Error", {}), *reasons))


def _found(reason: dict[str, Any]) -> dict[str, Any] | None:
    item = reason.get("Item")
    return item_from_wire(item) if item else None


def _busy(response: dict[str, Any], table: str, *, writes: bool) -> ConcaveError:
    tries = response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    if writes and tries:
        return StoreFailed(f"DynamoDB was busy, and one of {tries + 1} tries may have been carried out")
    return Contention(table)


def _cancelled(response: dict[str, Any], tables: Sequence[str], *, writes: bool) -> ConcaveError:
    """A cancelled transaction: a failed condition counts most, for it is about the data; then being busy; then our fault."""
    reasons = response.get("CancellationReasons") or []
    codes = [str(reason.get("Code", "None")) for reason in reasons]
    failed = [position for position, code in enumerate(codes) if code == "ConditionalCheckFailed"]
    if failed:
        return ConditionFailed(failed, [_found(reasons[position]) for position in failed])
    for position, code in enumerate(codes):
        if code in _BUSY:
            return _busy(response, tables[position] if position < len(tables) else "", writes=writes)
    for code, reason in zip(codes, reasons, strict=True):
        if code in _INVALID:
            return invalid(str(reason.get("Message", code)), code)
    for code, reason in zip(codes, reasons, strict=True):
        if code in _FOR_GOOD:
            return StoreRefused(code, str(reason.get("Message", "")))
    return StoreFailed(f"DynamoDB cancelled a transaction: {', '.join(codes) or response.get('Error', {}).get('Message', '')}")


def invalid(message: str, code: str = "ValidationException") -> ConcaveError:
    """DynamoDB's refusal of a request: a limit that the caller can keep, an update that the item is not fit for (a path through
    what is no map, an addition to what is no number), or a request that is wrong for good."""
    told = message if len(message) <= _MESSAGE else message[:_MESSAGE] + "…"
    if _SIZE.search(message):
        return LimitExceeded(f"DynamoDB: {told}")
    return BadRequest(f"DynamoDB: {told}") if _UNFIT.search(message) else StoreRefused(code, told)


def unanswered(operation: str, error: BotoCoreError) -> ConcaveError:
    """The store's error where botocore got no answer: it may have been carried out, unless it could not be sent at all."""
    if isinstance(error, _UNSENDABLE):
        return StoreRefused(type(error).__name__, f"{operation} could not be sent: {error}")
    return StoreFailed(f"DynamoDB did not answer {operation}: {error}")
