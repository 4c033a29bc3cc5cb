"""Who is calling: a JWT becomes a `User`, or an `AuthFailed` with one clear sentence.

The token's own words are believed only as far as they choose among what the environment configured: `iss` and `aud` pick a
provider, `kid` picks one of its keys (`keys.py`). Algorithms are pinned and must fit the key; `jku`, `x5u` and embedded keys
are never looked at. Claims reach functions under Convex's names, without those that change at every refresh.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from chalicelib.runtime.keys import AGENTS, KEY_TYPES, AuthFailed, Clock, Fetch, KeySet, Provider, fetch, same_issuer

__all__ = ["AuthFailed", "Fetch", "Provider", "User", "Verifier", "fetch", "service"]

LEEWAY_MS = 5_000
"""How far the clocks of issuer and server may differ (Convex's value)."""
MAX_TOKEN_CHARS = 16_384
MAX_SUBJECT_BYTES = 512
"""It is a part of keys, and DynamoDB's hold 2,048 bytes."""
MAX_CLAIM_DEPTH = 8
"""Nested claims get dotted names down to this level."""
ORG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@|:-]{0,127}")
_CONVEX_NAMES = {
    "given_name": "givenName",
    "family_name": "familyName",
    "preferred_username": "preferredUsername",
    "profile": "profileUrl",
    "picture": "pictureUrl",
    "website": "websiteUrl",
    "email_verified": "emailVerified",
    "birthdate": "birthday",
    "zoneinfo": "timezone",
    "locale": "language",
    "phone_number": "phoneNumber",
    "phone_number_verified": "phoneNumberVerified",
    "updated_at": "updatedAt",
}
# Said elsewhere on `User`, or new at every refresh: kept, they would make every query of a live client run again.
_NOT_CLAIMS = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "fva"})


@dataclass(frozen=True)
class User:
    """A caller, as functions see it. Plain values only, so that a connection's row can hold it (`to_json`, `from_json`).

    `claims`: Convex's camelCase names and the token's own further claims, nested ones also as `a.b`. `expires_at`:
    milliseconds since the epoch, None for the service. `is_service` can only be set by `service()`, never by a claim, and
    `operator` only by an operator's key (`operators.py`): role and name, `edit:cli`; empty for everybody else.
    """

    subject: str
    issuer: str
    org: str
    claims: dict[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    expires_at: int | None = None
    is_service: bool = False
    operator: str = ""

    @property
    def operator_role(self) -> str:
        """`read` or `edit`; empty for who is no operator."""
        return self.operator.partition(":")[0]

    @property
    def operator_name(self) -> str:
        """Whom the operator's key was made for."""
        return self.operator.partition(":")[2]

    @property
    def token_identifier(self) -> str:
        """Unique over all issuers: `issuer|subject`."""
        return f"{self.issuer}|{self.subject}"

    def expired(self, now_ms: int) -> bool:
        """Whether the token behind this user is over, with the same leeway as at its verification."""
        return self.expires_at is not None and now_ms > self.expires_at + LEEWAY_MS

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "org": self.org,
            "claims": self.claims,
            "roles": list(self.roles),
            "expiresAt": self.expires_at,
            "isService": self.is_service,
            **({"operator": self.operator} if self.operator else {}),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> User:
        """The user that `to_json` described."""
        expires = stored["expiresAt"]
        return cls(
            subject=stored["subject"],
            issuer=stored["issuer"],
            org=stored["org"],
            claims=stored["claims"],
            roles=tuple(stored["roles"]),
            expires_at=None if expires is None else int(expires),
            is_service=stored["isService"],
            operator=stored.get("operator", ""),
        )


def service(org: str, subject: str = "service") -> User:
    """The backend itself, inside one org: for jobs, the reply's writer and schedules. No token can yield it."""
    return User(subject=subject, issuer="concave:service", org=org, is_service=True)


class Verifier:
    """Turns tokens into users. Safe to share between threads; holds the key sets it fetched.

    Args:
        providers: the first whose issuer and audience fit a token judges it.
        fetch: how documents are got (`fetch` below, or a test's own).
        clock: for expiry and the age of keys.
        org_claim: the claim that names the org (`sub`: everybody is one of their own); dots reach into nested claims. `org_id`
            is tried after it.
        org_default: the org of tokens that name none, where a deployment serves only one; None refuses them.
        development: also allows http: on a loopback address.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        fetch: Fetch,
        clock: Clock,
        *,
        org_claim: str = "org",
        org_default: str | None = None,
        development: bool = False,
    ) -> None:
        self._clock = clock
        self._org_claim, self._org_default = org_claim, org_default
        self._providers = [(provider, KeySet(provider, fetch, clock, development)) for provider in providers]

    def verify(self, token: str) -> User:
        """The caller whom this token proves.

        Raises:
            AuthFailed: with a tag and one sentence that says what is wrong and never repeats the token.
        """
        algorithm, key_id, hints = _unverified(token)
        keys = self._judge(hints)
        try:
            claims = jwt.decode(token, keys.find(key_id, algorithm).key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError as error:
            raise AuthFailed("The token's signature does not fit its issuer's key.") from error
        expires_at = _check_times(claims, self._clock.now_ms())
        return User(
            subject=_subject(claims),
            issuer=str(claims["iss"]),
            org=self._org(claims),
            claims=_convex_claims(claims),
            roles=_roles(claims),
            expires_at=expires_at,
        )

    def _org(self, claims: dict[str, Any]) -> str:
        """The org that a token names, or the deployment's one. A name that is none is refused, also where there is a default."""
        named = {**_convex_claims(claims), "sub": claims["sub"]}
        own = claims["iss"] == AGENTS and named.get("org")  # agents' tokens are ours, whatever the issuers call an org
        org = own or named.get(self._org_claim) or named.get("org_id") or self._org_default
        if org is None:
            raise AuthFailed(
                f"The token needs an `{self._org_claim}` claim: the organisation its user acts in. A deployment of one "
                "organisation sets AUTH_ORG_DEFAULT.",
                "MissingOrg",
            )
        if not isinstance(org, str) or not ORG.fullmatch(org):  # it begins every key of the database
            rule = "must be 1 to 128 letters, digits, `_`, `-`, `.`, `@`, `:` or `|`"
            raise AuthFailed(f"The `{self._org_claim}` claim {rule}.", "MissingOrg")
        return org

    def _judge(self, hints: dict[str, Any]) -> KeySet:
        issuer = hints.get("iss")
        if not isinstance(issuer, str) or not issuer:
            raise AuthFailed("The token has no `iss` claim.")
        named = [(provider, keys) for provider, keys in self._providers if same_issuer(provider.issuer, issuer)]
        if not named:
            raise AuthFailed("The token's issuer is not one that this server accepts.", "UnknownIssuer")
        audience = hints.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        for provider, keys in named:
            if provider.audience is None or provider.audience in audiences:
                return keys
        raise AuthFailed("The token's `aud` claim does not name this application.")


# PyJWT checks the signature; times and names are checked here, by the server's own clock and with our own words.
_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False),
}


def _unverified(token: str) -> tuple[str, str, dict[str, Any]]:
    """Algorithm, key id and claims as the token states them: good for choosing a key, and for nothing else."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARS:
        raise AuthFailed(f"The token is longer than {MAX_TOKEN_CHARS} characters.")
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise AuthFailed("The token is not a JSON Web Token.") from error
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in KEY_TYPES:
        raise AuthFailed(f"The token's algorithm must be one of {', '.join(KEY_TYPES)}.")
    if not isinstance(key_id, str) or not key_id:
        raise AuthFailed("The token's header has no `kid`.")
    if "crit" in header:
        raise AuthFailed("The token asks for extensions (`crit`) that are not supported.")
    return str(algorithm), key_id, claims


def _check_times(claims: dict[str, Any], now_ms: int) -> int:
    """Checks exp, and iat and nbf where they are. Returns exp in milliseconds."""
    expires = _seconds(claims, "exp")
    if now_ms > expires + LEEWAY_MS:
        raise AuthFailed("The token has expired.", "ExpiredToken")
    if "iat" in claims and _seconds(claims, "iat") > now_ms + LEEWAY_MS:
        raise AuthFailed("The token was issued in the future (`iat`); compare the clocks.")
    if "nbf" in claims and _seconds(claims, "nbf") > now_ms + LEEWAY_MS:
        raise AuthFailed("The token is not valid yet (`nbf`).")
    return expires


def _seconds(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value < 1e11:
        raise AuthFailed(f"The token needs `{name}`, a number of seconds since the epoch.")
    return int(value * 1000)


def _subject(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject.encode()) <= MAX_SUBJECT_BYTES:
        raise AuthFailed(f"The token needs a `sub` claim of printable characters, 1 to {MAX_SUBJECT_BYTES} bytes.")
    return subject


def _convex_claims(claims: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in claims.items():
        if name not in _NOT_CLAIMS:
            name = _CONVEX_NAMES.get(name, name)
            named[name] = value
            if isinstance(value, dict):
                named.update(_flat(name, value, MAX_CLAIM_DEPTH))
    return named


def _flat(prefix: str, nested: dict[str, Any], levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in nested.items():
        found[f"{prefix}.{name}"] = value
        if isinstance(value, dict) and levels > 1:
            found.update(_flat(f"{prefix}.{name}", value, levels - 1))
    return found


def _roles(claims: dict[str, Any]) -> tuple[str, ...]:
    """`roles` (a list) or `role` (a word). Access rules should read documents instead: a claim cannot be taken back."""
    roles = claims.get("roles", claims.get("role"))
    if isinstance(roles, str):
        return (roles,)
    return tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else ()
