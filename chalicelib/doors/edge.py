"""Whether a request came through the edge of the cloud.

Behind CloudFront the APIs keep public addresses of their own. The edge adds a header with a secret that nobody else knows
(and replaces it where a client sends one), so what lacks it went around: around its limits, its logs and its firewall.
Without `ORIGIN_SECRET`, as on a laptop, there is no edge and nothing is asked.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

HEADER = "x-concave-origin"


def viewer(secret: str | None, headers: Mapping[str, str], peer: str) -> str:
    """The address of whoever calls. Behind the edge it is the one that the edge has seen, second to last in X-Forwarded-For
    (what clients write there stands before it); without an edge it is the peer's own."""
    seen = [each.strip() for each in headers.get("x-forwarded-for", "").split(",")]
    return seen[-2] if secret is not None and len(seen) > 1 else peer


def passed(secret: str | None, headers: Mapping[str, str]) -> bool:
    """Whether these (lower-case) headers carry the edge's secret, or none is asked for."""
    return secret is None or hmac.compare_digest(headers.get(HEADER, "").encode(), secret.encode())
