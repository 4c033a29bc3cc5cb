"""Whether a request came through the edge of the cloud.

Behind CloudFront the APIs keep public addresses of their own. The edge adds a header with a secret that nobody else knows
(and replaces it where a client sends one), so what lacks it went around: around its limits, its logs and its firewall.
Without `ORIGIN_SECRET`, as on a laptop, there is no edge and nothing is asked.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

HEADER = "x-concave-origin"


def passed(secret: str | None, headers: Mapping[str, str]) -> bool:
    """Whether these (lower-case) headers carry the edge's secret, or none is asked for."""
    return secret is None or hmac.compare_digest(headers.get(HEADER, "").encode(), secret.encode())
