"""What a writer puts into a conversation that is gone: how long that is looked for.

A deletion looks once more for the chunks of a reply that was being written when it came. A writer that was frozen for longer
and wakes then stores its next chunk all the same: that is a single write that asks nobody. So each such session is swept
for as long as its writer's process can live (`functions/residue.py`).
"""

from __future__ import annotations

from chalicelib import MutationCtx
from chalicelib.domain.replies.writer import LONGEST_REPLY_S
from chalicelib.schema import Conversation, Residue

LOOK_MS = 60_000
LIFE_MS = LONGEST_REPLY_S * 1000 + 5 * 60 * 1000
"""No writer lives longer; then one more look, after any lag."""


def expect(ctx: MutationCtx, conversation: Conversation, streams: list[str]) -> None:
    """From the commit that takes a conversation down: chunks may still come to these streams."""
    row = Residue(
        id=conversation.session_id or conversation.id,
        org=ctx.org,
        conversation=conversation.id,
        messages=sorted({each.rpartition(":")[0] for each in streams}),
        streams=streams,
        look_at=ctx.now + LOOK_MS,
        until=ctx.now + LIFE_MS,
    )
    ctx.db.insert(row)
