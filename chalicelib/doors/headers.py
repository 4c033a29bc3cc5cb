"""What every answer tells a browser beside its content: nothing of ours is framed, guessed at, or loads what is not ours.

The page at `/` carries a policy of its own (`web/policy.ts`), and who serves it says the rest (`infra/headers.py`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""For what is no page: it runs and loads nothing (Content Security Policy Level 3)."""
HSTS = "max-age=31536000; includeSubDomains"
"""A year of https only, once a stage was reached by it (RFC 6797)."""


def secure(content_type: str, body: str, *, cloud: bool) -> dict[str, str]:
    """The headers for an answer of this type. `cloud`: it is served by https only."""
    policy = _page(body) if content_type.startswith("text/html") else NOTHING
    made = {"x-content-type-options": "nosniff", "content-security-policy": policy, "referrer-policy": "no-referrer"}
    return {**made, "strict-transport-security": HSTS} if cloud else made


@lru_cache(maxsize=4)
def _page(body: str) -> str:
    """The policy of a page that is one file: its own script and style by their digests, and calls of this host."""
    digests = {kind: _digests(kind, body) for kind in ("script", "style")}
    sources = "; ".join(f"{kind}-src {' '.join(found)}" for kind, found in digests.items() if found)
    return f"default-src 'none'; {sources}; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def _digests(kind: str, body: str) -> list[str]:
    texts = re.findall(rf"<{kind}>(.*?)</{kind}>", body, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]
