"""Cross-origin rules of the HTTP door, as Convex has them: any page may call, because nothing here trusts a cookie.

A caller proves itself with a token that the page must hold, so a foreign page can do no more than a foreign server could.
Origins are mirrored, not `*`, since clients send their requests with credentials.
"""

from __future__ import annotations

from collections.abc import Mapping

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
MAX_AGE_SECONDS = 86_400
"""For a day a browser need not ask again (browsers cap it at less)."""


def headers(request: Mapping[str, str], *, preflight: bool) -> dict[str, str]:
    """The CORS headers for the answer to a request with these (lower-case) headers; none without an Origin.

    `vary` is always there: a cache must not hand the answer made for one origin to another.
    """
    answer = {"vary": "Origin"}
    origin = request.get("origin")
    if not origin:
        return answer
    answer["access-control-allow-origin"] = origin
    answer["access-control-allow-credentials"] = "true"
    if preflight:
        answer["vary"] = "Origin, Access-Control-Request-Headers"
        answer["access-control-allow-methods"] = METHODS
        answer["access-control-max-age"] = str(MAX_AGE_SECONDS)
        asked = request.get("access-control-request-headers")
        if asked:
            answer["access-control-allow-headers"] = asked
    return answer
