"""Operators: who runs a deployment, proven by a key that the deployment's own private key has signed.

    concave-edit-0-cli|4f0c…        role, end (seconds since the epoch, 0: none) and name, then its Ed25519 signature (RFC 8032)

Who checks a key needs the public half alone (OPERATOR_PUBLIC_KEY), and can make none. A key ends by its date, by its name being
taken off (`concave key --revoke NAME`), or with its pair. Who has one may call every function,
internal ones and those of `_system/` too: `read` queries, `edit` everything, and each of an operator's mutations and actions is
audited in the same commit. Convex's clients send it as `Authorization: Convex KEY[:IDENTITY]` (the identity being base64 of
JSON) and as `Authenticate {tokenType: "Admin", value, impersonating}`; an identity chooses the org, and as whom to act.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from chalicelib.data import values
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.data.database import Reader, Writer, engines_own
from chalicelib.data.errors import BadRequest, Conflict, LimitExceeded, Refused, StoreFailed
from chalicelib.data.tables import Index, Table, document_key
from chalicelib.runtime.contexts import ANONYMOUS_ORG
from chalicelib.runtime.identity import MAX_SUBJECT_BYTES, MAX_TOKEN_CHARS, ORG, User, service
from chalicelib.runtime.keys import AuthFailed, Clock

Role = Literal["read", "edit"]
KEPT_MS = 90 * 86_400_000
"""So long the audit of a call is kept."""
ARGS_CHARS = 2_000
ISSUER = "concave:operator"
_NAME = re.compile(r"[A-Za-z0-9_.]{1,40}")
_HEAD = re.compile(rf"concave-(read|edit)-([0-9]{{1,11}})-({_NAME.pattern})")
_PROOF = re.compile(r"[0-9a-f]{128}")
MOST_REVOKED = 1_000
"""Names of operators that can be off at a time: they are one document."""
_NOT_A_KEY = "This is no operator's key of this deployment."


class OperatorAct(Table, name="operatorActs", ttl="expires_at"):
    """A mutation or an action that an operator called. Times are milliseconds since the epoch."""

    operator: str
    """The name that the key was made for."""
    path: str
    args: str
    """As JSON, cut after 2,000 characters."""
    at: float
    expires_at: float
    subject: str | None = None
    """As whom the operator acted; None: as the service."""

    by_time = Index(order="at")
    """What did operators do in this org, the newest first?"""


class OperatorKeys(Table, name="operatorKeys"):
    """The one document `keys`, of the org that belongs to nobody."""

    revoked: dict[str, float] = msgspec.field(default_factory=dict)
    """Names whose keys count no more, and since when (milliseconds since the epoch)."""


KEYS_ID = "keys"
_KEYS = document_key(OperatorKeys, SYSTEM_ORG, KEYS_ID)


def revoked(db: Reader, *, watched: bool = False) -> Mapping[str, float]:
    """The names whose keys count no more. `watched`: a query that asks is run again when they change."""
    stored = engines_own(db, _KEYS, watched=watched)
    names = stored.get("revoked") if stored is not None else None
    return names if isinstance(names, dict) else {}


def revoke(db: Writer, name: str, at: float | None) -> None:
    """Take an operator's name off, or (`at` None) let it count again. `db` is of the org that belongs to nobody.

    Raises:
        BadRequest: it is no name.
        LimitExceeded: too many are off.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(f"An operator's name has 1 to 40 letters, digits, `_` and `.`; not {name!r}.", "BadName")
    stored = db.get(OperatorKeys, KEYS_ID)
    names = dict(stored.revoked) if stored is not None else {}
    names.pop(name, None)
    if at is not None:
        names[name] = at
    if len(names) > MOST_REVOKED:
        raise LimitExceeded(
            f"At most {MOST_REVOKED} names are off; let old ones count again, or make a new pair.", "TooManyNames"
        )
    if stored is None:
        db.insert(OperatorKeys(id=KEYS_ID, revoked=names))
    else:
        db.patch(stored, revoked=names)


def still(db: Reader, user: User | None, *, watched: bool = False) -> None:
    """Whether whoever calls may go on as an operator; of everybody else nothing is asked. Raises `Refused`."""
    if user is not None and user.operator and user.operator_name in revoked(db, watched=watched):
        raise Refused("RevokedKey", f"The keys of {user.operator_name} count no more; another operator has revoked them.")


def public_half(private: str) -> str:
    """What OPERATOR_PUBLIC_KEY is for a private key: 64 hexadecimal digits."""
    return str(_private(private).public_key().public_bytes_raw().hex())


def _private(private: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))


def mint(private: str, role: Role, name: str = "cli", expires_s: int = 0) -> str:
    """A key.

    Args:
        private: the deployment's OPERATOR_KEY, 64 hexadecimal digits.
        name: whom the audit names: letters, digits, `_` and `.`, at most 40.
        expires_s: when it ends, in seconds since the epoch; 0: with its pair.

    Raises:
        ValueError: the role or the name is none, or the private key is none.
    """
    head = f"concave-{role}-{expires_s}-{name}"
    if not _HEAD.fullmatch(head):
        raise ValueError("a key's role is read or edit, and its name has 1 to 40 letters, digits, `_` and `.`")
    return f"{head}|{_private(private).sign(head.encode()).hex()}"


def _signed(publics: Sequence[str], head: str, proof: str) -> bool:
    """Whether one of these pairs has signed it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for each in publics:
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(each)).verify(bytes.fromhex(proof), head.encode())
        except InvalidSignature:
            continue
        return True
    return False


@dataclass(frozen=True)
class Operators:
    """Turns keys into users.

    Args:
        publics: the public halves of the pairs whose keys count; none where there are no operators by key.
        org: whose data an operator sees who names no org.
        off: the names whose keys count no more.
    """

    publics: Sequence[str]
    clock: Clock
    org: str
    off: Callable[[], Collection[str]] = tuple

    def user(self, key: str, acting: Any = None) -> User:
        """The operator with this key, acting as somebody.

        Args:
            acting: an identity (`subject`, `issuer`, `org`, `roles`, and other claims), or None: as the service.

        Raises:
            AuthFailed: no key of this deployment, or one that has ended, or the identity is none.
        """
        head, _, proof = key.partition("|")
        found = _HEAD.fullmatch(head)
        if found is None or not _PROOF.fullmatch(proof) or not _signed(self.publics, head, proof):
            raise AuthFailed(_NOT_A_KEY)
        role, until, name = found[1], int(found[2]) * 1000, found[3]
        if until and self.clock.now_ms() > until:
            raise AuthFailed("The operator's key has ended; make another one.", "ExpiredToken")
        if name in self._off():
            raise AuthFailed(f"The keys of {name} count no more; another operator has revoked them.", "RevokedKey")
        user = self._acting(acting)
        return replace(user, operator=f"{role}:{name}", expires_at=until or None)

    def _off(self) -> Collection[str]:
        """The names that are off. Where nobody can say, nobody is let in. Raises `AuthFailed`."""
        try:
            return self.off()
        except (StoreFailed, Conflict) as error:
            raise AuthFailed("Operators' keys cannot be checked now; try again in a moment.", "IssuerUnavailable") from error

    def by_header(self, told: str) -> User:
        """The same by what stands behind `Convex ` in an Authorization header. Raises `AuthFailed`."""
        key, colon, encoded = told.partition(":")
        operator = self.user(key)  # who has no key is told nothing about the rest
        return self.user(key, _identity(encoded)) if colon else operator

    def _acting(self, acting: Any) -> User:
        if acting is None:
            return service(self.org, "operator")
        if not isinstance(acting, Mapping):
            raise AuthFailed('The identity to act as must be an object, such as {"subject": "alice", "org": "acme"}.')
        _check_size(acting)
        org = acting.get("org", self.org)
        if not isinstance(org, str) or not (org == ANONYMOUS_ORG or ORG.fullmatch(org)):
            raise AuthFailed("The `org` of the identity to act as must be the name of an org.")
        subject = acting.get("subject")
        if subject is None:
            return service(org, "operator")
        issuer, roles = acting.get("issuer", ISSUER), acting.get("roles", [])
        texts = [subject, issuer, *(roles if isinstance(roles, list) else [None])]
        if not all(isinstance(each, str) and each for each in texts):
            raise AuthFailed("The identity to act as has a `subject` and an `issuer`, texts, and `roles`, a list of texts.")
        if not all(each.isprintable() and len(each.encode()) <= MAX_SUBJECT_BYTES for each in (str(subject), str(issuer))):
            rule = f"printable characters, at most {MAX_SUBJECT_BYTES} bytes"
            raise AuthFailed(f"The `subject` and the `issuer` of the identity to act as are {rule}.")
        claims = {name: value for name, value in acting.items() if name not in ("subject", "issuer", "org", "roles")}
        return User(str(subject), str(issuer), org, claims, tuple(roles))


def _identity(encoded: str) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise AuthFailed("The identity to act as, behind the key, must be base64 of JSON.") from error


def _check_size(acting: Mapping[str, Any]) -> None:
    """What a token could hold, which is read the same way. Raises `AuthFailed`."""
    try:
        size = len(json.dumps(acting, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, TypeError, RecursionError) as error:
        raise AuthFailed("The identity to act as must be JSON, of whole characters.") from error
    if size > MAX_TOKEN_CHARS:
        raise AuthFailed(f"The identity to act as has at most {MAX_TOKEN_CHARS} bytes.")


def audited(db: Writer, user: User | None, path: str, args: Mapping[str, Any], now_ms: float) -> None:
    """Note in this commit what an operator calls; nothing of anybody else's calls."""
    if user is None or not user.operator:
        return
    text = values.dumps(values.encode(dict(args)))
    act = OperatorAct(
        operator=user.operator_name,
        path=path,
        args=text if len(text) <= ARGS_CHARS else text[: ARGS_CHARS - 1] + "…",
        at=now_ms,
        expires_at=now_ms + KEPT_MS,
        subject=None if user.is_service else user.subject,
    )
    db.insert(act)
