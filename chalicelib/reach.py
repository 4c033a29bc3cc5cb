"""Requests to a machine that somebody else named: to an address that was looked at, without redirects, in so many seconds.

The name is resolved once, every address it stands for is checked, and the connection goes to an address that was checked: a
name that changes its mind in between is not asked again. So push services are reached, and servers of tools.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalicelib import hosts

Resolve = Callable[[str, int], Iterable[str]]


class Unreachable(Exception):
    """Where the name leads may not be reached."""


@dataclass(frozen=True)
class Answer:
    """What of an answer counts."""

    status: int
    retry_after: str | None


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system's resolver says. Raises `OSError`."""
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def post(
    url: str, headers: dict[str, str], body: bytes, *, seconds: float, private: bool = False, resolver: Resolve = resolve
) -> Answer:
    """Send one request and read the head of its answer; the rest is not read, and a redirect is an answer like any other.

    Args and errors: as `Checked`, with `seconds` for connecting, sending and the answer's head together.
    """
    connection = Checked(url, seconds=seconds, private=private, resolver=resolver)
    timer = threading.Timer(seconds, connection.cut)  # a socket's timeout begins anew with every byte; this one does not
    timer.daemon = True
    timer.start()
    try:
        connection.request("POST", connection.target, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers.get("retry-after"))
    finally:
        timer.cancel()
        connection.close()


class Checked(http.client.HTTPConnection):
    """A connection to one address that was looked at, which is asked for by its name: in TLS and in the Host header.

    Args:
        url: an http or https address that was checked.
        seconds: for every single wait at the socket.
        private: whether addresses of private networks may be reached (an operator's own entry on a laptop).
        resolver: from a name to its addresses.

    Raises:
        Unreachable: the name stands for an address of a private network, or can be none.
        OSError, http.client.HTTPException: later, no answer, or none in time.
    """

    def __init__(self, url: str, *, seconds: float, private: bool = False, resolver: Resolve = resolve) -> None:
        parts = urlsplit(url)
        self._secure, self._late = parts.scheme == "https", False
        host, port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        """What is asked for: the address' path and parameters."""
        try:
            addresses = list(resolver(host, port))
        except UnicodeError:  # an empty label, or one of more than 63 characters
            raise Unreachable("the host can be no name") from None
        if not addresses or (not private and any(hosts.is_private_address(each) for each in addresses)):
            raise Unreachable("the host stands for an address of a private network")
        super().__init__(host, port, timeout=seconds)
        self._address = addresses[0]
        self.default_port = 443 if self._secure else 80

    def connect(self) -> None:
        """Connect, to the address that was looked at."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._late:
            raise TimeoutError
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        if self._late:  # the old socket was cut, not this one
            raise TimeoutError

    def cut(self) -> None:
        """Time is up, whatever it is doing."""
        self._late = True
        found = self.sock
        if found is not None:
            with suppress(OSError):  # it may have ended by itself just now
                found.shutdown(socket.SHUT_RDWR)
