"""Variables of the environment that were meant as settings: their names are nearly one of ours.

Silence would be worst here: a limit or an issuer that somebody has set, and that nobody reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

OURS = "CONCAVE_"
SHORTEST = 8
"""Shorter names (PORT, SITE) are like too many others."""
_ROW = re.compile(r"^\| ([A-Z][A-Z0-9_]+) \|", re.MULTILINE)
_MORE = re.compile(r"^The local server reads a few more: ((?:.+\n)+)", re.MULTILINE)


def names_in(documentation: str) -> frozenset[str]:
    """The variables that the documentation of the settings names: the rows of its table, and the local server's own."""
    more = _MORE.search(documentation)
    return frozenset(_ROW.findall(documentation)) | frozenset(re.findall(r"[A-Z][A-Z_]+", more[1] if more else ""))


def misspelt(env: Mapping[str, str], known: Iterable[str]) -> tuple[str, str] | None:
    """The first variable that is set and nearly a known one, with the one that it may mean (empty: nobody knows)."""
    names = frozenset(known)
    for name in sorted(env):
        if name in names or not env[name]:
            continue
        bare = name.removeprefix(OURS)
        if name.startswith(OURS):
            like = [each for each in sorted(names) if near(each, name)] or [each for each in sorted(names) if bare == each]
            return name, next(iter(like), "")
        for each in sorted(names):
            if len(each) >= SHORTEST and near(each, name):
                return name, each
    return None


def near(wanted: str, written: str) -> bool:
    """Whether one letter too many, one too few, another one, or two exchanged make the one of the other (`_` aside)."""
    one, other = wanted.replace("_", ""), written.replace("_", "")
    if one == other:
        return wanted != written
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest_one, rest_other = one[start:], other[start:]
    return (
        rest_one[1:] == rest_other[1:]
        or rest_one[1:] == rest_other
        or rest_one == rest_other[1:]
        or (rest_one[1::-1] == rest_other[:2] and rest_one[2:] == rest_other[2:])
    )
