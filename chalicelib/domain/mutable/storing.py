"""Reading and changing one value of the mutable store.

Every change is one mutation: what it read is a condition of its commit, so of a hundred increments at once none is lost, and an
update that names the revision it has read takes effect only where the value is still that one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.memory_spaces import Reach
from chalicelib.domain.mutable.codes import check_key, check_metadata, check_namespace, check_value, not_found, summed
from chalicelib.schema import Mutable


def id_of(space: str, namespace: str, key: str) -> str:
    """The id of a value's document."""
    return hashlib.sha256(json.dumps([space, namespace, key]).encode()).hexdigest()[:40]


def found(ctx: QueryCtx | MutationCtx, reach: Reach | None, namespace: str, key: str) -> Mutable | None:
    """A value for who may see it; None for everybody else."""
    check_namespace(namespace)
    check_key(key)
    row: Mutable | None = None if reach is None else ctx.db.get(Mutable, id_of(reach.space, namespace, key))
    return row if row is not None and reach is not None and reach.sees(row.user_id) else None


def reached(ctx: MutationCtx, reach: Reach, namespace: str, key: str) -> Mutable:
    """A value for who may change it. Raises `Refused`."""
    row = found(ctx, reach, namespace, key)
    if row is None:
        raise not_found()
    return row


def put(
    ctx: MutationCtx, reach: Reach, namespace: str, key: str, value: Any, user_id: str | None = None, metadata: Any = None
) -> Mutable:
    """Store a value under a key, whether or not there is one. What is not said of `userId` and metadata stays as it was."""
    check_value(value)
    check_metadata(metadata)
    row = found(ctx, reach, namespace, key)
    user_id = memory_spaces.owner(reach, user_id, None if row is None else row.user_id)
    if row is not None:
        more = {} if metadata is None else {"metadata": metadata}
        return changed(ctx, row, value=value, user_id=user_id, **more)
    if not reach.adds:
        raise memory_spaces.no_room(reach)
    made = Mutable(
        id=id_of(reach.space, namespace, key),
        space=reach.space,
        namespace=namespace,
        entry=key,
        value=value,
        user_id=user_id,
        metadata=metadata,
        revision=ctx.new_id("rev-"),
        updated_at=ctx.now,
    )
    ctx.db.insert(made)
    return made


def replace(ctx: MutationCtx, reach: Reach, namespace: str, key: str, value: Any, revision: str | None) -> Mutable:
    """Store a value in the place of one that is there, and still the one that was read. Raises `Refused`."""
    check_value(value)
    row = reached(ctx, reach, namespace, key)
    if revision not in (None, row.revision):
        raise refused("REVISION_CONFLICT", "the value has changed since it was read; read it again", "revision")
    return changed(ctx, row, value=value)


def add(ctx: MutationCtx, reach: Reach, namespace: str, key: str, amount: float) -> Mutable:
    """Count a number up, or down. Raises `Refused`."""
    row = reached(ctx, reach, namespace, key)
    return changed(ctx, row, value=summed(row.value, amount))


def changed(ctx: MutationCtx, row: Mutable, **fields: Any) -> Mutable:
    """A document with other fields, and so of another revision."""
    return ctx.db.patch(row, revision=ctx.new_id("rev-"), updated_at=ctx.now, **fields)
