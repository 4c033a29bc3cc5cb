"""The functions of a deployment."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import QueryCtx, internal_query
from chalicelib.operating.specs import spec_of

MOST_BYTES = 100_000


@internal_query
def api_spec(ctx: QueryCtx) -> list[dict[str, Any]]:
    """Every function but the operators': path, kind, visibility, arguments and result. Where all of that would not fit one
    message the results are `any`, and then the arguments' inner objects, too."""
    shown = [each for each in ctx.limits["registry"] if not each.path.startswith("_system/")]
    for detail in ("all", "args", "names"):
        specs = [spec_of(each, detail) for each in shown]
        if len(msgspec.json.encode(specs)) < MOST_BYTES:
            break
    return specs
