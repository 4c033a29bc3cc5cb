"""What the account lets a stage have at once, looked up before a deployment asks for more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.account import NotDone
from infra.template.functions import FRONT

LEFT_FREE = 100
"""Environments that Lambda keeps for functions without a reservation ("Configuring reserved concurrency")."""
FEW = 100
"""A new account may have ten: three tabs and one reply."""


def looked_up(client: Any, env: Mapping[str, str], tell: Callable[[str], object]) -> None:
    """Say how many functions may run at once, and refuse reservations that do not fit.

    Args:
        client: Lambda's.
        env: FRONT_RESERVED and GENERATE_AT_ONCE, as they are given to the deployment.
        tell: takes a line of progress.

    Raises:
        NotDone: the reservations would leave fewer than Lambda asks for; nothing was touched.
    """
    most = int(client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    tell(f"this account runs at most {most} functions at once here; each reply that is being written holds one")
    if most < FEW:
        tell("WARNING: that is a new account's limit: ask for more in Service Quotas (Lambda, Concurrent executions)")
    wanted = len(FRONT) * int(env.get("FRONT_RESERVED") or 0) + int(env.get("GENERATE_AT_ONCE") or 0)
    if wanted and wanted > most - LEFT_FREE:
        raise NotDone(
            f"FRONT_RESERVED (for {len(FRONT)} functions) and GENERATE_AT_ONCE reserve {wanted}; with {most} at once Lambda "
            f"lets at most {max(0, most - LEFT_FREE)} be reserved"
        )
