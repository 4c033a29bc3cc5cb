"""What every answer tells a browser beside its content: nothing of ours is framed, guessed at, or loads what is not ours.

The page at `/` carries a policy of its own (`web/policy.ts`), and who serves it says the rest (`infra/headers.py`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

FRAMES = "frame-ancestors 'none'"
"""The least that any answer says: no site shows it inside a page of its own (Content Security Policy Level 3)."""
NOTHING = f"default-src 'none'; {FRAMES}"
"""For what is no page: it runs and loads nothing (Content Security Policy Level 3)."""
DASHBOARD = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    f"connect-src 'self'; base-uri 'none'; form-action 'none'; {FRAMES}"
)
"""For the dashboard at `/_/`: it loads and calls this host alone."""
HSTS_S = 31_536_000
HSTS = f"max-age={HSTS_S}; includeSubDomains"
"""A year of https only, once a stage was reached by it (RFC 6797)."""


def secure(content_type: str, body: str, *, cloud: bool) -> dict[str, str]:
    """The headers for an answer of this type. `cloud`: it is served by https only."""
    policy = _page(body) if content_type.startswith("text/html") else NOTHING
    made = {"x-content-type-options": "nosniff", "content-security-policy": policy, "referrer-policy": "no-referrer"}
    return {**made, "strict-transport-security": HSTS} if cloud else made


def page(html: str) -> str:
    """The policy of a page with files of its own: scripts of this host or by https, and its inline ones by their digests."""
    scripts = " ".join(["'self'", "https:", *_digests("script", html)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' https: 'unsafe-inline'; img-src * data: blob:; media-src * "
        "data: blob:; font-src 'self' https: data:; connect-src * data: blob:; worker-src 'self' blob:; object-src 'none'; "
        f"base-uri 'self'; {FRAMES}"
    )


@lru_cache(maxsize=4)
def _page(body: str) -> str:
    """The policy of a page that is one file: its own script and style by their digests, and calls of this host."""
    digests = {kind: _digests(kind, body) for kind in ("script", "style")}
    sources = "; ".join(f"{kind}-src {' '.join(found)}" for kind, found in digests.items() if found)
    return f"default-src 'none'; {sources}; connect-src 'self'; {FRAMES}; base-uri 'none'; form-action 'none'"


def _digests(kind: str, body: str) -> list[str]:
    texts = re.findall(rf"<{kind}>(.*?)</{kind}>", body, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]
