"""A push service on loopback: takes what is sent over real sockets, opens it with the subscriber's keys, checks who signed it."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Says = tuple[int, dict[str, str]]


def text_of(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Arrived:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Browser:
    """A subscriber: its keys, and what it can open."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.key, self.auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
        self.p256dh = text_of(self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    @property
    def subscription(self) -> dict[str, Any]:
        """What `PushSubscription.toJSON()` answers."""
        keys = {"p256dh": self.p256dh, "auth": text_of(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def opened(self, arrived: Arrived) -> dict[str, Any]:
        """The message, decrypted."""
        assert arrived.headers["content-encoding"] == "aes128gcm"
        found = http_ece.decrypt(arrived.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        message: dict[str, Any] = json.loads(found)
        return message


class PushService:
    """Listens on a port of its own and answers as it is told; `arrived` is what came.

    Args:
        says: status and headers of the answers, in order; the last one is repeated.
        before: called before each answer, with the handler; it may answer in its own way and return True.
    """

    def __init__(self, *says: Says, before: Callable[[BaseHTTPRequestHandler], bool] | None = None) -> None:
        self.arrived: list[Arrived] = []
        self.says, self.before = list(says) or [(201, {})], before
        self._came = threading.Condition()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                service._take(Arrived(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if service.before is not None and service.before(self):
                    return
                status, headers = service.says[0] if len(service.says) == 1 else service.says.pop(0)
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> PushService:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def browser(self, name: str = "one") -> Browser:
        """A subscriber at this service."""
        return Browser(f"{self.origin}/send/{name}")

    def wait(self, count: int = 1, seconds: float = 20) -> list[Arrived]:
        """The first so many requests, once they are there."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.arrived) >= count, seconds), f"{len(self.arrived)} of {count} came"
            return self.arrived[:count]

    def _take(self, arrived: Arrived) -> None:
        with self._came:
            self.arrived.append(arrived)
            self._came.notify_all()


def signed_by(arrived: Arrived, public: str, origin: str) -> dict[str, Any]:
    """The claims of who sent it, once signature, audience and times are checked (RFC 8292)."""
    scheme, _, rest = arrived.headers["authorization"].partition(" ")
    parts = dict(each.strip().split("=", 1) for each in rest.split(","))
    assert (scheme, parts["k"]) == ("vapid", public)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes_of(public))
    claims: dict[str, Any] = jwt.decode(parts["t"], key, algorithms=["ES256"], audience=origin)
    assert jwt.get_unverified_header(parts["t"])["alg"] == "ES256"
    assert time.time() < claims["exp"] <= time.time() + 24 * 3600
    return claims
