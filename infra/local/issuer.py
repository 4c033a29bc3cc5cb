"""The development issuer: whoever can reach the local server may be anyone. It exists only where STAGE is not set.

Its ES256 key is kept in the data folder, so that tokens survive a restart, as the data they belong to does.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from chalicelib.environment import BadSetting
from chalicelib.runtime.identity import Provider
from chalicelib.settings import Settings

ISSUER = "concave-dev"
"""The `iss` of its tokens. Not an address: a user stays the same one when the port changes."""
AUDIENCE = "concave"


class DevIssuer:
    """Mints tokens for any subject and org.

    Args:
        settings: where its key lives (`data_dir`); with a stage it refuses to start.
        now: seconds since the epoch.

    Raises:
        BadSetting: STAGE is set.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        if settings.stage is not None:
            raise BadSetting("STAGE", settings.stage, "the development issuer does not run in the cloud; set AUTH_ISSUER")
        self._now = now
        self._key = load_or_make(settings.data_dir / "issuer.pem")
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        self._jwk = {**public, "kid": _thumbprint(public), "alg": "ES256", "use": "sig"}

    def token(self, subject: str, org: str, ttl_s: float = 3600, **claims: Any) -> str:
        """A signed token that expires `ttl_s` seconds from now. `claims` are added, and may replace any of the usual ones."""
        now = int(self._now())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "org": org, "iat": now, "exp": int(now + ttl_s)}
        return jwt.encode({**usual, **claims}, self._key, algorithm="ES256", headers={"kid": self._jwk["kid"]})

    def jwks(self) -> dict[str, Any]:
        """The public key set."""
        return {"keys": [self._jwk]}

    def jwks_data_url(self) -> str:
        """The public key set as a data: URL, for AUTH_JWKS or a `Provider`."""
        return "data:application/json;base64," + base64.b64encode(json.dumps(self.jwks()).encode()).decode()

    def provider(self) -> Provider:
        """What a `Verifier` needs to accept these tokens."""
        return Provider(ISSUER, self.jwks_data_url(), AUDIENCE)


def load_or_make(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key of this file. Two processes that start at once end up with the same one: linking fails where a file is."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")  # readable by the owner alone
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first, and its key is as good
                os.link(draft, path)
        finally:
            os.unlink(draft)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadSetting("DATA_DIR", str(path.parent), f"{path.name} holds another kind of key; delete it")
    return key


def signing_key(folder: Path) -> str:
    """What signs the tokens of agents, in PEM, where SIGNING_KEY names none: the same file's key, under another issuer's name."""
    return load_or_make(folder / "issuer.pem").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _thumbprint(public: dict[str, str]) -> str:
    """RFC 7638: the key's id follows from the key."""
    needed = json.dumps({name: public[name] for name in ("crv", "kty", "x", "y")}, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(needed.encode()).digest()).rstrip(b"=").decode()
