"""Who may talk to the local server: it mints tokens and spends an API key, so a page on the web must not reach it.

* `Host` must name this machine, or be listed in ALLOWED_HOSTS: a foreign name that resolves to 127.0.0.1 is DNS rebinding.
* `Origin`, which browsers add to every request that could do harm, must be a page of this machine (any port: the web app's
  own dev server runs on another), of an allowed host, or be listed in ALLOWED_ORIGINS. Native clients send none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class OriginCheck:
    """`hosts` are names with or without a port (without: any port); `origins` are whole, such as `https://app.test`."""

    port: int
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    @classmethod
    def from_env(cls, port: int, env: Mapping[str, str]) -> OriginCheck:
        """ALLOWED_HOSTS and ALLOWED_ORIGINS are comma lists."""
        return cls(port, _entries(env, "ALLOWED_HOSTS"), _entries(env, "ALLOWED_ORIGINS"))

    def refusal(self, host: str | None, origin: str | None) -> str | None:
        """Why this request is refused (403), or None."""
        if not self._host_allowed(host or ""):
            return f"Host {host!r} is not this server. Set ALLOWED_HOSTS to serve it under another name."
        if origin is not None and not self._origin_allowed(origin):
            return f"Origin {origin!r} may not call this server. Set ALLOWED_ORIGINS to let it."
        return None

    def _host_allowed(self, host: str) -> bool:
        name, port = _split(f"//{host}")
        if name in LOOPBACK_NAMES:
            return (port or 80) == self.port
        return bool(name) and (host.lower() in self.hosts or name in self.hosts)

    def _origin_allowed(self, origin: str) -> bool:
        if origin.lower() in self.origins:
            return True
        name, port = _split(origin)
        if not origin.startswith(("http://", "https://")) or not name:
            return False
        return name in LOOPBACK_NAMES or name in self.hosts or f"{name}:{port}" in self.hosts


def is_loopback(address: str) -> bool:
    """Whether a peer's IP address is of this machine."""
    try:
        return ip_address(address.split("%")[0]).is_loopback
    except ValueError:  # not an IP address: a peer that is not on IP at all
        return False


def _split(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.path not in ("", "/"):
            return "", None
        return (parts.hostname or "").lower(), parts.port
    except ValueError:  # urlsplit's word for a broken host or port
        return "", None


def _entries(env: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in env.get(name, "").split(",") if part.strip())
