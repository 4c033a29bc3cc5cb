"""Reading a room's log: the newest messages, those of a role or with attachments, by text, a thread, numbers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, internal_mutation, query
from chalicelib.domain import members
from chalicelib.domain.answer_size import beginning
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.rooms import history
from chalicelib.domain.rooms.counters import MICRO
from chalicelib.domain.rooms.history import PAGE, Limit, Messages, Sequence, Statistics, Wanted
from chalicelib.domain.rooms.views import RoomMessage, message_view, part_of
from chalicelib.schema import ChatMessage, Conversation, Room
from chalicelib.words import fold

HANDED_OVER = 30
"""Messages that one commit gives to another user: three writes each."""


@query
def messages(
    ctx: QueryCtx,
    conversation_id: str,
    limit: Limit = PAGE,
    before: Sequence | None = None,
    role: Wanted | None = None,
    attachments: bool | None = None,
    offset: Annotated[int, Meta(ge=0, le=2**53)] | None = None,
) -> Messages | None:
    """The newest messages that fit, oldest first; null for strangers. With a filter the newest thousand are looked through.

    A page holds 96 KB. A message that is longer is cut, and `cut` names its fields; `history:message` gives it whole.

    Args:
        before: below this sequence number.
        offset: so many of the newest are passed over; `before` holds still while messages come.
    """
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    if offset is not None and before is None:
        before = conversation.message_count - offset + 1
        if before <= 1:
            return history.told(conversation, [], None)
    if role is None and attachments is None:
        return history.newest(ctx, conversation, limit, before)

    def wanted(each: ChatMessage) -> bool:
        return role in (None, each.role) and attachments in (None, bool(each.said and each.said.attachments))

    return history.picked(ctx, conversation, limit, before, wanted)


@query
def search(
    ctx: QueryCtx,
    conversation_id: str,
    text: Annotated[str, Meta(min_length=1, max_length=200)],
    limit: Limit = PAGE,
    before: Sequence | None = None,
) -> Messages | None:
    """The newest messages that contain a text, whatever its case and accents; null for strangers.

    Looks through a thousand at a time.
    """
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    wanted = fold(text)
    return history.picked(ctx, conversation, limit, before, lambda each: wanted in fold(each.content))


@query
def message(
    ctx: QueryCtx,
    conversation_id: str,
    message_id: Annotated[str, Meta(max_length=200)],
    from_character: Annotated[int, Meta(ge=0)] | None = None,
) -> RoomMessage | None:
    """One message, whole; null for strangers and when it is not there.

    Args:
        from_character: the text from there on, as far as 96 KB hold it, and `nextCharacter` where it goes on. A message of more
            than 128 KB on the wire comes whole over HTTP only, so over a socket it is asked for from 0.
    """
    conversation = members.readable(ctx, conversation_id)
    found = by_id(ctx, conversation, message_id) if conversation is not None and message_id else None
    if conversation is None or found is None:
        return None
    view = message_view(conversation, found)
    return view if from_character is None else part_of(view, from_character)


@query
def thread(
    ctx: QueryCtx,
    conversation_id: str,
    message_id: Annotated[str, Meta(max_length=200)],
    after: Sequence | None = None,
) -> list[RoomMessage] | None:
    """A message, and everything that answers it (`parentId`), among the newest thousand; null when it is not there.

    Args:
        after: only what comes after this sequence number. An answer holds 96 KB; where it ends because of that, its last message
            has `more`, and the rest comes after it.
    """
    conversation = members.readable(ctx, conversation_id)
    if conversation is None or by_id(ctx, conversation, message_id) is None:
        return None
    inside, found = {message_id}, []
    for each in reversed(history.look(ctx, conversation, None).entries):
        if each.id in inside or (each.said is not None and each.said.parent_id in inside):
            inside.add(each.id)
            if each.sequence > (after or 0):
                found.append(message_view(conversation, each))
    told = beginning(found)
    if len(told) < len(found):
        told[-1].more = True
    return told


@query
def statistics(ctx: QueryCtx, conversation_id: str) -> Statistics | None:
    """A conversation in numbers; null for strangers."""
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    room, log = conversation.room or Room(), history.look(ctx, conversation, None).entries
    roles: dict[str, int] = {}
    types: dict[str, int] = {}
    for each in log:
        roles[each.role] = roles.get(each.role, 0) + 1
        kind = each.said.type if each.said else "text"
        types[kind] = types.get(kind, 0) + 1
    return Statistics(
        total_messages=conversation.message_count,
        total_tokens=room.total_tokens,
        total_cost=room.total_cost / MICRO,
        by_role=roles,
        by_type=types,
        with_attachments=sum(1 for each in log if each.said and each.said.attachments),
        counted=len(log),
    )


@internal_mutation
def hand_over(ctx: MutationCtx, conversation: str, after: int = 0) -> None:
    """Have a log's messages searched among those of the user that its conversation has now, some at a time."""
    found = ctx.db.get(Conversation, conversation)
    if found is None:
        return
    page = ctx.db.query(ChatMessage.log(conversation).after(after)).take(HANDED_OVER)
    user = found.participants.get("userId")
    for message in page:
        if message.reader != user:
            ctx.db.patch(message, reader=user)
    if page:
        ctx.scheduler.run_after(0, hand_over, conversation=conversation, after=page[-1].sequence)
