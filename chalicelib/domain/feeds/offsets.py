"""Where a client stands in the logs of its conversations, as one short text: `<conversation>:<sequence>+<unfinished>;…`.

It goes out with each message and comes back at a reconnect, so that nothing is missed (socket.io's connection state recovery
carries it by itself). It only names places: what is told from there on is checked like everything else.
"""

from __future__ import annotations

import re
from typing import Any

PLACE = re.compile(r"([A-Za-z0-9_-]{1,64}):(\d{1,12})((?:\+\d{1,12}){0,50})")
LONGEST = 50


def write(places: dict[str, Any]) -> str:
    """The text of some places."""
    texts = []
    for conversation, place in sorted(places.items()):
        unfinished = "".join(f"+{number}" for number in place["open"][:LONGEST])
        texts.append(f"{conversation}:{place['after']}{unfinished}")
    return ";".join(texts)


def read(text: str | None) -> dict[str, dict[str, Any]]:
    """The places in a text; what is none is passed over."""
    found: dict[str, dict[str, Any]] = {}
    for part in (text or "").split(";"):
        match = PLACE.fullmatch(part)
        if match is not None:
            unfinished = [int(number) for number in match[3].split("+")[1:]]
            found[match[1]] = {"after": int(match[2]), "open": unfinished}
    return found
