"""Tokens that the backend itself signs: for agents and workers, which have no identity provider.

Two kinds, told apart by their audience. A **token** is an identity like any other: the `Verifier` takes it. A **secret** only
proves at `connect` which agent of which org is there; the verifier refuses it, so whoever steals one out of a request to
another door has nothing. Neither is stored: both name versions, and the agent's document says which versions count.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from chalicelib.data.errors import Refused
from chalicelib.runtime.keys import AGENTS, AuthFailed, Clock, Provider

ISSUER = AGENTS
TOKEN_AUDIENCE, SECRET_AUDIENCE = "concave-agents", "concave-agent-secret"
ALGORITHM = "ES256"


class BadKey(ValueError):
    """The signing key is not an EC P-256 private key in PEM."""


def private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """The key of a text in PEM. Raises `BadKey`."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey("the signing key is not a private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise BadKey("the signing key must be an EC key on P-256")
    return key


def public_half(pem: str) -> str:
    """What SIGNING_PUBLIC_KEY is for a private key: base64url of its point. Raises `BadKey`."""
    point = private_key(pem).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def provider_of(public: str) -> Provider:
    """What a `Verifier` needs to take the tokens (and not the secrets) that the other half of `public` signs."""
    point = base64.urlsafe_b64decode(public + "=" * (-len(public) % 4))
    keys = base64.b64encode(
        json.dumps({"keys": [_jwk(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))]}).encode()
    )
    return Provider(ISSUER, f"data:application/json;base64,{keys.decode()}", TOKEN_AUDIENCE)


def _jwk(key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """A public key, with an id that is made of it."""
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key))
    needed = json.dumps({name: public[name] for name in ("crv", "kty", "x", "y")}, sort_keys=True).encode()
    kid = base64.urlsafe_b64encode(hashlib.sha256(needed).digest()).rstrip(b"=").decode()
    return {**public, "kid": kid, "alg": ALGORITHM, "use": "sig"}


class Minter:
    """Signs and checks what agents carry.

    Args:
        pem: an EC P-256 private key (PKCS 8 or SEC 1, PEM), or what reads it when something is to be signed.

    Raises:
        BadKey: it is no such key.
    """

    def __init__(self, pem: str | Callable[[], str | None], clock: Clock) -> None:
        self._read, self._clock = (lambda: pem) if isinstance(pem, str) else pem, clock
        self._pem: str | None = None
        if isinstance(pem, str):
            self._loaded()

    def _loaded(self) -> tuple[ec.EllipticCurvePrivateKey, str]:
        """The key as it is now, and its id. Raises `BadKey`, and `Refused` while it cannot be read."""
        pem = self._read()
        if pem is None:
            raise Refused("NotConfigured", "The key that signs agents' tokens cannot be read.")
        if pem != self._pem:
            self._key = private_key(pem)
            self._kid, self._pem = _jwk(self._key.public_key())["kid"], pem
        return self._key, self._kid

    def token(self, agent: str, org: str, ttl_s: int, versions: dict[str, int]) -> str:
        """An agent's identity for `ttl_s` seconds."""
        now = self._clock.now_ms() // 1000
        claims = {"type": "agent", "agentId": agent, "org": org, **versions}
        return self._sign({"aud": TOKEN_AUDIENCE, "sub": f"agent:{agent}", "iat": now, "exp": now + ttl_s, **claims})

    def worker_token(self, worker: str, org: str, ttl_s: int, version: int, instance: str) -> str:
        """The identity of one process of a worker for `ttl_s` seconds."""
        now = self._clock.now_ms() // 1000
        claims = {"type": "worker", "workerId": worker, "org": org, "tv": version, "instance": instance, "role": "worker"}
        return self._sign({"aud": TOKEN_AUDIENCE, "sub": f"worker:{worker}", "iat": now, "exp": now + ttl_s, **claims})

    def secret(self, agent: str, org: str, version: int) -> str:
        """What proves an agent at `connect` until its next rotation."""
        now = self._clock.now_ms() // 1000
        return self._sign({"aud": SECRET_AUDIENCE, "sub": agent, "org": org, "iat": now, "sv": version})

    def redeem(self, secret: str) -> tuple[str, str, int]:
        """A secret's agent, org and version. Raises `AuthFailed`."""
        key, _ = self._loaded()
        try:
            claims = jwt.decode(
                secret,
                key.public_key(),
                algorithms=[ALGORITHM],
                audience=SECRET_AUDIENCE,
                issuer=ISSUER,
                options={"require": ["sub", "aud", "iss"], "verify_iat": False},
            )
            return str(claims["sub"]), str(claims["org"]), int(claims["sv"])
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError) as error:
            raise AuthFailed("The secret is not one of this server's.") from error

    def _sign(self, claims: dict[str, Any]) -> str:
        key, kid = self._loaded()
        return jwt.encode({"iss": ISSUER, **claims}, key, algorithm=ALGORITHM, headers={"kid": kid})
