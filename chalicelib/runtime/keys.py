"""The keys of token issuers: fetched over https (or standing in a data: URL), kept an hour, asked for again with restraint.

An unknown `kid` asks again, but not more often than every 30 seconds, so that invented tokens cannot make us hammer the
issuer. While the issuer does not answer, the keys we know stay good for a day. A key serves exactly one pinned algorithm.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt

from chalicelib.data.errors import BadRequest

log = logging.getLogger("concave")

KEYS_FRESH_MS = 3_600_000
KEYS_USABLE_MS = 24 * 3_600_000
"""While the issuer does not answer, keys we know stay good for a day: its outage must not become ours."""
REFETCH_MS = 30_000
RETRY_MS = 5_000
FETCH_SECONDS = 5
MAX_DOCUMENT_BYTES = 1_000_000
MIN_RSA_BITS = 2048

KEY_TYPES = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
"""Algorithm → type and curve of the keys that may serve it."""


class AuthFailed(BadRequest):
    """The token cannot be accepted. Tags: `InvalidToken`, `ExpiredToken`, `UnknownIssuer`, `MissingOrg`, `RevokedKey`,
    `IssuerUnavailable`.

    Only the last one may pass by itself: what it takes to check it could not be fetched.
    """

    def __init__(self, message: str, tag: str = "InvalidToken") -> None:
        super().__init__(message, tag)


class Clock(Protocol):
    """What identity needs of a clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""


Fetch = Callable[[str], bytes]
"""A GET: address in, body out. Raises OSError when there is no answer."""


@dataclass(frozen=True)
class Provider:
    """An issuer whose tokens are accepted.

    Args:
        issuer: the tokens' `iss` (a trailing slash does not matter).
        jwks: address of its key set, https: or data:; None asks the issuer's OIDC discovery document.
        audience: what `aud` must contain; None accepts any.
    """

    issuer: str
    jwks: str | None = None
    audience: str | None = None


AGENTS = "concave:agents"
"""The issuer of agents' tokens and secrets: this server (`minting.py`)."""


def same_issuer(ours: str, theirs: str) -> bool:
    """Whether two issuers are the same one: a trailing slash does not matter."""
    return ours.rstrip("/") == theirs.rstrip("/")


class KeySet:
    """One provider's keys by `kid`. All state changes are under the lock, so one thread fetches and the others wait."""

    def __init__(self, provider: Provider, fetch: Fetch, clock: Clock, development: bool) -> None:
        self._provider = provider
        self._fetch = fetch
        self._clock = clock
        self._development = development
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: int | None = None
        self._not_before = 0

    def find(self, key_id: str, algorithm: str) -> jwt.PyJWK:
        """The key of this id, fit for this algorithm. Raises `AuthFailed`."""
        with self._lock:
            now = self._clock.now_ms()
            age = None if self._fetched_at is None else now - self._fetched_at
            if (age is None or age > KEYS_FRESH_MS or key_id not in self._keys) and now >= self._not_before:
                self._refresh(now, key_id)
            elif age is None or age > KEYS_USABLE_MS:
                raise AuthFailed("The issuer's keys could not be fetched; try again in a moment.", "IssuerUnavailable")
            key = self._keys.get(key_id)
        if key is None:
            raise AuthFailed("The token's `kid` is not among its issuer's keys.")
        if key.algorithm_name != algorithm:
            raise AuthFailed("The token's algorithm does not fit its issuer's key.")
        return key

    def _refresh(self, now: int, key_id: str) -> None:
        self._not_before = now + RETRY_MS
        try:
            keys = _parse_keys(self._read(self._address()))
        except (OSError, HTTPException, ValueError, KeyError) as error:
            usable = self._fetched_at is not None and now - self._fetched_at <= KEYS_USABLE_MS and key_id in self._keys
            if usable:
                log.warning("the keys of %s could not be fetched (%r); going on with known ones", self._provider.issuer, error)
                return
            raise AuthFailed("The issuer's keys could not be fetched; try again in a moment.", "IssuerUnavailable") from error
        self._keys = keys
        self._fetched_at = now
        self._not_before = now + REFETCH_MS

    def _address(self) -> str:
        if self._provider.jwks is not None:
            return self._provider.jwks
        found = json.loads(self._read(self._provider.issuer.rstrip("/") + "/.well-known/openid-configuration"))
        if not same_issuer(str(found["issuer"]), self._provider.issuer):
            raise ValueError("the discovery document names another issuer")
        return str(found["jwks_uri"])

    def _read(self, address: str) -> bytes:
        if address.startswith("data:"):
            return _data_url(address)
        parts = urlsplit(address)
        loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback and self._development):
            raise ValueError("keys are fetched over https only")
        return self._fetch(address)


def _data_url(address: str) -> bytes:
    kind, comma, data = address[len("data:") :].partition(",")
    if not comma:
        raise ValueError("a data: URL needs a comma")
    plain = unquote_to_bytes(data)
    try:
        return base64.b64decode(plain, validate=True) if kind.endswith(";base64") else plain
    except binascii.Error as error:
        raise ValueError("the data: URL is not base64") from error


def _parse_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """The usable keys of a JWKS: those for signatures, of a pinned type. Others are none of our business."""
    parsed = json.loads(document)
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise ValueError("a key set is an object with the list `keys`")
    keys: dict[str, jwt.PyJWK] = {}
    for entry in listed:
        algorithm = _algorithm(entry)
        if algorithm is not None:
            try:
                key = jwt.PyJWK.from_dict(entry, algorithm=algorithm)
            except jwt.PyJWTError:  # one broken key must not lock out the holders of good ones
                log.warning("ignored a broken key of the key set: kid=%r", entry["kid"])
                continue
            if algorithm == "RS256" and key.key.key_size < MIN_RSA_BITS:
                log.warning("ignored an RSA key of fewer than %d bits: kid=%r", MIN_RSA_BITS, entry["kid"])
                continue
            keys[str(entry["kid"])] = key
    return keys


def _algorithm(entry: Any) -> str | None:
    """The one algorithm that this key serves, or None when it serves none of ours."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    for algorithm, (kind, curve) in KEY_TYPES.items():
        if entry.get("kty") == kind and entry.get("crv") == curve and entry.get("alg", algorithm) == algorithm:
            return algorithm
    return None


class _NoRedirect(HTTPRedirectHandler):
    """A redirect could leave https, or the issuer's host: keys come from the configured address or not at all."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def fetch(address: str) -> bytes:
    """GET an https: (or loopback http:) document of at most 1 MB within 5 seconds, without following redirects.

    Raises:
        OSError: no answer, a status other than 2xx, or too long.
    """
    request = Request(address, headers={"Accept": "application/json", "User-Agent": "concave"})  # noqa: S310  (schemes: _read)
    with build_opener(_NoRedirect).open(request, timeout=FETCH_SECONDS) as answer:
        body: bytes = answer.read(MAX_DOCUMENT_BYTES + 1)
    if len(body) > MAX_DOCUMENT_BYTES:
        raise URLError("the document is longer than 1 MB")
    return body
