"""Several operations on the mutable store in one commit: all of them take effect, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, Refused
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.memory_spaces import Reach
from chalicelib.domain.mutable import storing
from chalicelib.domain.mutable.codes import check_key, check_namespace, check_value
from chalicelib.domain.mutable.views import OperationResult, TransactionView

MOST_OPERATIONS = 25
"""Operations of one transaction: each may add a value to three indexes, and one commit has 100 actions."""
MOST_PLACES = 10
"""Different namespaces, with the users to whom values in them belong, that one transaction may touch: each is a partition of an
index, with a row of its own in the commit."""
LARGEST_TRANSACTION = 256 * 1024
"""Bytes of all values of one transaction as JSON."""


class Operation(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One operation."""

    op: Literal["set", "update", "delete", "increment", "decrement"]
    namespace: str
    key: str
    value: Any = msgspec.UNSET
    """Of `set` and `update`."""
    amount: float = 1
    """Of `increment` and `decrement`."""
    user_id: str | None = None
    """Of `set`."""
    metadata: Any = None
    """Of `set`."""
    revision: str | None = None
    """Of `update`: only where the value is still of this revision."""


def run(ctx: MutationCtx, reach: Reach, operations: Sequence[Operation]) -> TransactionView:
    """All operations, in order; a later one sees what an earlier one did. Raises `Refused`: then none took effect."""
    check(operations)
    results: list[OperationResult] = []
    for number, each in enumerate(operations):
        try:
            results.append(_done(ctx, reach, each))
        except Refused as error:
            raise _within(error, number) from error
    return TransactionView(success=True, operations_executed=len(results), results=results)


def check(operations: Sequence[Operation]) -> None:
    """Refuse what can be seen to be wrong before anything is done."""
    if not operations:
        raise refused("EMPTY_OPERATIONS_ARRAY", "operations must hold at least one", "operations")
    if len(operations) > MOST_OPERATIONS:
        sentence = f"operations holds {len(operations)}; {MOST_OPERATIONS} are the limit of one commit"
        raise refused("TOO_MANY_OPERATIONS", sentence, "operations", limit=MOST_OPERATIONS)
    size = 0
    for number, each in enumerate(operations):
        try:
            check_namespace(each.namespace)
            check_key(each.key)
            if each.op in ("set", "update"):
                if each.value is msgspec.UNSET:
                    raise refused("INVALID_TRANSACTION_OPERATION", f"{each.op} needs a value", "value")
                size += check_value(each.value)
            elif each.value is not msgspec.UNSET:
                raise refused("INVALID_TRANSACTION_OPERATION", f"{each.op} takes no value", "value")
        except Refused as error:
            raise _within(error, number) from error
    if size > LARGEST_TRANSACTION:
        sentence = f"the values have {size} bytes as JSON; {LARGEST_TRANSACTION} are the limit of one transaction"
        raise refused("VALUE_TOO_LARGE", sentence, "operations")
    places = len({(each.namespace, each.user_id) for each in operations})
    if places > MOST_PLACES:
        sentence = f"operations touch {places} namespaces; {MOST_PLACES} are the limit of one commit"
        raise refused("TOO_MANY_OPERATIONS", sentence, "operations", limit=MOST_PLACES)


def _done(ctx: MutationCtx, reach: Reach, one: Operation) -> OperationResult:
    told = OperationResult(op=one.op, namespace=one.namespace, key=one.key)
    if one.op == "delete":
        ctx.db.delete(storing.reached(ctx, reach, one.namespace, one.key))
        return told
    if one.op == "set":
        row = storing.put(ctx, reach, one.namespace, one.key, one.value, one.user_id, one.metadata)
    elif one.op == "update":
        row = storing.replace(ctx, reach, one.namespace, one.key, one.value, one.revision)
    else:
        row = storing.add(ctx, reach, one.namespace, one.key, one.amount if one.op == "increment" else -one.amount)
        told.value = row.value
    told.revision = row.revision
    return told


def _within(error: Refused, number: int) -> Refused:
    """A refusal of one operation, with its place."""
    data: Any = error.data
    field = data.get("field") if isinstance(data, dict) else None
    error.data = {**error.data, "field": f"operations[{number}].{field or 'op'}", "operation": number}
    return error
