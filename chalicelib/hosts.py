"""Which hosts of an address that somebody else wrote may be named, and which machines may be reached. Pure.

One rule for all: MCP servers (`domain/images/mcp.py`), and the services that push messages go to (`functions/push.py`, `push/`).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

LONGEST_URL = 2000
LONGEST_HOST = 253
VISIBLE = re.compile(r"[!-~]+")
"""An address is visible ASCII (RFC 3986): what parses it drops line ends and tabs silently, and a header would end at them."""
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""One label of a host's name (RFC 1123, section 2.1)."""
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
INSIDE = ("localhost", "local", "internal", "lan", "home", "arpa", "onion")
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: an IPv4 address that a gateway makes of the last four bytes."""


class BadAddress(ValueError):
    """An address that may not be used; the message says which rule it breaks."""


def public_host(url: object, ports: bool = False) -> str:
    """The host of an https address of a public host, in lower case.

    Args:
        url: what was given, of any type.
        ports: whether another port than 443 may be named.

    Raises:
        BadAddress: it is no URL, or names a private host, a user, a password, a fragment or a port that is not allowed.
    """
    text = url if isinstance(url, str) and len(url) <= LONGEST_URL else ""
    if text and not VISIBLE.fullmatch(text):
        raise BadAddress("must be visible ASCII characters without spaces; others are written as %XX")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        raise BadAddress("is no URL") from None
    if parts.scheme != "https" or not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise BadAddress("must be an https:// address without user, password and fragment")
    if is_private_name(host):
        raise BadAddress("must be a public host by its name, not an address or a name of a private network")
    if len(host) > LONGEST_HOST or not all(LABEL.fullmatch(label) for label in host.split(".")):
        raise BadAddress("must name its host by labels of 1 to 63 letters, digits and hyphens, with a dot between them")
    if not ports and port not in (None, 443):
        raise BadAddress("must not name a port")
    return host


def is_private_name(host: str) -> bool:
    """Whether a host is an address (in any notation), or a name that only means something within a network."""
    try:
        ipaddress.ip_address(host.strip("[]"))
        return True
    except ValueError:
        pass
    last = host.rpartition(".")[2]
    numeric = re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", last) is not None  # 127.1, 2130706433, 0x7f.1: a resolver takes them all
    return numeric or "." not in host or last in INSIDE


def is_private_address(text: str) -> bool:
    """Whether an address that a name stands for is not one of the public internet: loopback, a private or shared network, the
    cloud's own 169.254.169.254, or an IPv6 address that carries one of these."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _TRANSLATED:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            address = carried
    return not address.is_global or address.is_multicast


def matches(host: str, allowed: str) -> bool:
    """Whether a host is one that an operator's entry allows: a name, `*.name` for all below it, or `*`."""
    return allowed == "*" or host == allowed.lower() or (allowed.startswith("*.") and host.endswith(allowed[1:].lower()))


def origin_of(url: str) -> str:
    """`scheme://host[:port]` of an address, as an operator's entry for a laptop has it; "" where there is none."""
    found = ORIGIN.match(url) if VISIBLE.fullmatch(url) else None
    after = url[found.end() :] if found else "-"
    return found.group() if found and after[:1] in ("", "/") else ""
