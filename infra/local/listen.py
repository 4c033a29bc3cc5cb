"""Where and how the server listens: address, certificates, proxies, compression, how it stops. `make dev` has the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from chalicelib.environment import BadSetting, number_of, switch_of, text_of

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Listen:
    """How a server listens.

    Args:
        host: the IP address to bind; `0.0.0.0` or `::` are all of this machine.
        certificate, key: PEM files (the whole chain; its private key). None: plain HTTP, for a proxy on this machine or near it.
        proxies: whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses and networks.
        compression: offer permessage-deflate (RFC 7692) to WebSocket clients.
        access_log: a line for each request and each socket.
        connections: the most TCP connections at once; more are answered 503.
        stop_s: how long what is being answered or written may go on after SIGTERM.
    """

    host: str = LOOPBACK
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()
    compression: bool = False
    access_log: bool = False
    connections: int = 10_000
    stop_s: int = 1

    @property
    def private(self) -> bool:
        """Only programs of this machine reach it."""
        return ip_address(self.host).is_loopback

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Listen:
        """HOST, TLS_CERTIFICATE, TLS_KEY, TRUSTED_PROXIES, WS_COMPRESSION, ACCESS_LOG, MAX_CONNECTIONS and STOP_SECONDS.

        Raises:
            BadSetting: one of them cannot be used.
        """
        certificate, key = _file(env, "TLS_CERTIFICATE"), _file(env, "TLS_KEY")
        if (certificate is None) != (key is None):
            missing = "TLS_KEY" if key is None else "TLS_CERTIFICATE"
            raise BadSetting(missing, "", "TLS_CERTIFICATE and TLS_KEY are set together")
        return cls(
            host=_address(env),
            certificate=certificate,
            key=key,
            proxies=_networks(env, "TRUSTED_PROXIES"),
            compression=switch_of(env, "WS_COMPRESSION", False),
            access_log=switch_of(env, "ACCESS_LOG", True),
            connections=number_of(env, "MAX_CONNECTIONS", 10_000, 1, 1_000_000),
            stop_s=number_of(env, "STOP_SECONDS", 10, 0, 900),
        )


DEVELOPMENT = Listen()


def _address(env: Mapping[str, str]) -> str:
    value = text_of(env, "HOST") or LOOPBACK
    try:
        return str(ip_address(value))
    except ValueError:
        raise BadSetting("HOST", value, "must be an IP address of this machine, or 0.0.0.0 for all of them") from None


def _file(env: Mapping[str, str], name: str) -> Path | None:
    value = text_of(env, name)
    if value is None:
        return None
    try:
        Path(value).read_bytes()
    except OSError as error:
        raise BadSetting(name, value, f"cannot be read: {error.strerror}") from None
    return Path(value)


def _networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(word for each in (text_of(env, name) or "").split(",") if (word := each.strip()))
    for each in found:
        try:
            ip_network(each)
        except ValueError:
            raise BadSetting(name, each, "must be a comma list of IP addresses and networks (10.0.0.0/8)") from None
    return found
