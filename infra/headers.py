"""What every answer of a deployment tells browsers, on the laptop and at the edge: nothing of ours is shown inside another site.

The page carries a policy of its own for what it loads (`web/policy.ts`); who may frame it can only be said in a header
(Content Security Policy Level 3, `frame-ancestors`). X-Frame-Options says the same to old browsers.
"""

from __future__ import annotations

FRAME_POLICY = "frame-ancestors 'none'"
REFERRER = "strict-origin-when-cross-origin"
HTTPS_ONLY_S = 31_536_000
"""Strict-Transport-Security of the edge: a year (RFC 6797). A laptop speaks plain HTTP, and does not say it."""

SECURITY = (
    ("Content-Security-Policy", FRAME_POLICY),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", REFERRER),
)


def secured(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """An answer's headers with these added; one that the answer has itself stays."""
    named = {name.lower() for name, _ in headers}
    return (*headers, *(each for each in SECURITY if each[0].lower() not in named))
