"""Sockets that this process owns: which path speaks what, and who is let in. The words are those of `sockets.py`.

See `live/owner/wire.py` for how a server of WebSockets uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.doors import edge, sync
from chalicelib.live.owner.wire import Handle, Wire

if TYPE_CHECKING:
    from chalicelib.backend import Backend


def accept(
    backend: Backend, wire: Wire, connection: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
) -> Handle | int:
    """A client asks for a socket. Returns its handle, or the HTTP status that refuses it. May wait for a token's keys.

    Args:
        connection: the id under which the socket is known; never used again.
        headers: their names in lower case.
    """
    assert backend.owner is not None
    if not edge.passed(backend.settings.origin_secret, headers):
        return 403
    path = re.sub("/+", "/", path)
    if not sync.PATH.match(path or "/api/sync"):
        return 404
    return backend.owner.open(wire, connection, sync.kind_of(headers))
