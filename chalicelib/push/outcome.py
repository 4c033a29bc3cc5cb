"""What can become of a push message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal


@dataclass(frozen=True)
class Delivered:
    """The push service has taken it (2xx). Whether the browser ever shows it nobody says."""

    kind: Literal["delivered"] = "delivered"


@dataclass(frozen=True)
class Gone:
    """The subscription is no more (404, 410): forget it."""

    kind: Literal["gone"] = "gone"


@dataclass(frozen=True)
class Retry:
    """Not now (429, 5xx, no answer in time). `after_s`: seconds that the service asks for; 0 when it does not say."""

    why: str
    after_s: float = 0.0
    kind: Literal["retry"] = "retry"


@dataclass(frozen=True)
class Refused:
    """This message will never be taken: another 4xx, a redirect, or an address that may not be reached."""

    why: str
    kind: Literal["refused"] = "refused"


Outcome = Delivered | Gone | Retry | Refused


def of_answer(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """An HTTP answer of a push service → what became of the message (RFC 8030 section 5 and 7.3).

    Args:
        retry_after: the header: seconds, or a date.
        now: the moment, for a date.
    """
    if 200 <= status < 300:
        return Delivered()
    if status in (404, 410):
        return Gone()
    if status == 429 or status >= 500:
        return Retry(f"HTTP {status}", _seconds(retry_after, now))
    return Refused(f"HTTP {status}")


def _seconds(retry_after: str | None, now: datetime) -> float:
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
