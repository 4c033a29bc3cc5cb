"""What the model is asked for a reply: the image's configuration, the run's own options, and the log before the placeholder."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.images import mcp
from chalicelib.domain.replies import options as reply_options
from chalicelib.schema import ChatMessage, ChatSession, Image, Run

HISTORY = 200
"""Messages that are sent to the model at most; the prompt's own token bound usually ends sooner."""
HISTORY_BYTES = 250_000
IMAGE_TURNS = 3
"""The newest messages whose images are told again."""


def of_run(ctx: QueryCtx | MutationCtx, run_id: str) -> dict[str, Any]:
    """What the model is asked for a run: the image's configuration, the run's own options, and the log before the placeholder."""
    run = ctx.db.get(Run, run_id)
    assert run is not None
    session = ctx.db.peek(ChatSession, run.session_id)
    image = ctx.db.peek(Image, session.image_id) if session else None
    log = ctx.db.peek_log(ChatMessage.log(run.conversation).before(run.sequence), HISTORY)
    return {
        "model": run.model,
        "system": (run.options or {}).get("systemPrompt") or (image.system_prompt if image else ""),
        "turns": _turns(ctx, run, log),
        "tools": mcp.allowed(ctx, image.mcp_servers if image else None),
        "settings": (image.settings if image else None) or {},
        "options": {name: value for name, value in (run.options or {}).items() if name in ("thinking", "providerOptions")},
        "messageId": run.message_id,
        "sessionId": run.session_id,
        "userId": session.user_id if session else None,
    }


def _turns(ctx: QueryCtx | MutationCtx, run: Run, log: list[ChatMessage]) -> list[list[Any]]:
    """`[role, content, images]` of what counts, oldest first. Of earlier replies the text is told, not what tools did."""
    turns: list[list[Any]] = []
    size = with_images = 0
    answer = run.message_id
    for each in log:
        size += len(each.content.encode())
        if turns and size > HISTORY_BYTES:
            break
        shown: list[Any] = []
        if each.role == "user" and each.parts and with_images < IMAGE_TURNS:
            answered = ctx.db.peek(Run, f"run-{answer.removeprefix('msg-')}")  # a send's images are with the run that answers it
            shown = [list(pair) for pair in reply_options.images_of(answered.options if answered else None)]
            with_images += bool(shown)
        # A stored `system` entry is somebody's words and never becomes the model's instruction.
        if each.content and each.completed and not each.superseded and each.role in ("user", "assistant"):
            turns.append([each.role, each.content, shown])
        answer = each.copy_of or each.id
    return list(reversed(turns))
