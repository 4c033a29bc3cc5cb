"""The key pair that a laptop's push messages are signed with: made once, kept in the data folder beside the issuer's key.

`python -m infra.local.push_keys` prints a new pair for a stage. A browser's subscription belongs to the public key it was made
with, so a lost pair means that browsers subscribe again.
"""

from __future__ import annotations

import base64
import dataclasses
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.settings import Settings
from infra.local.issuer import load_or_make


def with_push_keys(settings: Settings) -> Settings:
    """The settings with a pair of keys; those that the environment names stay. Raises `BadSetting`."""
    if settings.push_public_key or settings.push_private_key:
        return settings
    public, private = encoded(load_or_make(settings.data_dir / "push.pem"))
    return dataclasses.replace(settings, push_public_key=public, push_private_key=private)


def encoded(key: ec.EllipticCurvePrivateKey) -> tuple[str, str]:
    """A key as PUSH_PUBLIC_KEY and PUSH_PRIVATE_KEY have it."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _text(point), _text(key.private_numbers().private_value.to_bytes(32, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


if __name__ == "__main__":  # a pair for a stage
    made = encoded(ec.generate_private_key(ec.SECP256R1()))
    sys.stdout.write("PUSH_PUBLIC_KEY={}\nPUSH_PRIVATE_KEY={}\n".format(*made))
