"""What a row of the REST door is: a method and a path, and the function that answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from chalicelib.data import mount

Result = Literal["data", "page", "bare"]


@dataclass(frozen=True)
class Route:
    """One row.

    Args:
        names: a name on this door → the function's argument.
        fixed: arguments that this row decides.
        hidden: arguments that have no meaning on this door.
        result: `data` (in an envelope), `page` (the function's own `{data, meta}`), `bare` (as the function returns it).
        missing: what a null means: 404 with this code and sentence.
        anybody: no token is needed; every other row answers 401 without one, as it does to a bad one.
    """

    method: str
    path: str
    function: str
    tag: str
    names: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    result: Result = "data"
    status: int = 200
    missing: tuple[str, str] | None = None
    anybody: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", mount.path(self.function))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What paths this row takes."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    @cached_property
    def places(self) -> list[str]:
        """The arguments in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def has_body(self) -> bool:
        """Whether arguments come in a JSON body."""
        return self.method in ("POST", "PUT", "PATCH")
