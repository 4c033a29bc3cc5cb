"""What a reader is told of a conversation and its messages.

**`messages`** is the whole log while it fits 16 KB; beyond that the newest entries that fit, and always the newest one, with
`messagesTruncated`: so an answer costs the same at any length of the log, and `getHistory` pages through the rest. The log is
one row per message, so an answer is built by reading its newest rows. Rows are read past the read set where that is
exact: an entry that is completed never changes, and which entries there are follows from the conversation's counter, which
*is* read. An entry that is still being written is read in full view, so that its end reaches subscribers.

Roles: the log's `assistant` is this door's `agent`; a `tool` entry is shown as `agent` with `metadata.tool`, so that
`messageCount` is always the number of messages.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.answer_size import ANSWER_BYTES, text_of, weight
from chalicelib.schema import ChatMessage, Conversation

ConversationType = Literal["user-agent", "agent-agent"]
Role = Literal["user", "agent", "system"]

SHOWN_BYTES = 16 * 1024
"""What the messages weigh that an answer brings unasked: a hundred short ones. The newest is always shown."""
TAIL_BYTES = 768
"""What the messages weigh that an answer to an addition brings unasked: it is kept with its commit, and paid by the KB."""
ROWS_AT_ONCE = 700
GUESS_BYTES = 160


class Participants(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who takes part: user and agent of a `user-agent` conversation, the agents of an `agent-agent` one."""

    user_id: str | None = None
    agent_id: str | None = None
    agent_ids: list[str] | None = None


class ConversationMessage(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One entry of the log. It never changes; `timestamp` is milliseconds since the epoch, rising in a conversation."""

    id: str
    role: Role
    content: str
    timestamp: float
    sequence: int
    """Its place in the log, from 1."""
    agent_id: str | None = None
    metadata: Any = None
    content_truncated: bool | None = None
    """The text did not fit the answer, and what came with it was left out; `getMessage` gives the whole."""
    next_character: int | None = None
    """In an answer about a part of the text: where the next part begins."""


class ConversationView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A conversation. Times are milliseconds since the epoch."""

    conversation_id: str
    type: ConversationType
    participants: Participants
    messages: list[ConversationMessage]
    message_count: int
    """All messages, also those that `messages` has no room for."""
    created_at: float
    updated_at: float
    status: Literal["active", "closed", "archived"]
    metadata: Any = None
    last_message_at: float | None = None
    title: str | None = None
    messages_truncated: bool | None = None
    """There are messages that are not shown: see `getHistory`."""
    list_truncated: bool | None = None
    """On the last one of a list that ends here because of its bytes: ask for the rest with `offset` or `createdBefore`."""


class HistoryView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A page of a log."""

    conversation_id: str
    messages: list[ConversationMessage]
    total: int
    """Messages that fit what was asked: without a filter those of the whole conversation."""
    has_more: bool
    next_offset: int
    """The offset of the page that follows."""


def conversation_view(
    conversation: Conversation, messages: list[ConversationMessage], truncated: bool = False
) -> ConversationView:
    """A conversation's document and its messages → what its readers see."""
    named = conversation.participants
    return ConversationView(
        conversation_id=conversation.conversation_id,
        type=conversation.type,
        participants=Participants(user_id=named.get("userId"), agent_id=named.get("agentId"), agent_ids=named.get("agentIds")),
        messages=messages,
        message_count=conversation.message_count,
        created_at=conversation.creation_time,
        updated_at=conversation.updated_at,
        status=conversation.status,
        metadata=conversation.metadata,
        last_message_at=conversation.last_message_at,
        title=conversation.title,
        messages_truncated=truncated or None,
    )


def message_view(message: ChatMessage) -> ConversationMessage:
    """A row of the log → what this door's readers see."""
    metadata = message.metadata
    noted: dict[str, Any] = {}
    if not message.completed:
        noted["completed"] = False
    if message.role == "tool":
        noted["tool"] = True
    if noted:
        metadata = {**metadata, **noted} if isinstance(metadata, dict) else noted
    shown: dict[str, Role] = {"user": "user", "system": "system"}
    return ConversationMessage(
        id=message.id,
        role=shown.get(message.role, "agent"),
        content=message.content,
        timestamp=message.timestamp,
        sequence=message.sequence,
        agent_id=message.agent_id,
        metadata=metadata,
    )


def shown(ctx: QueryCtx | MutationCtx, conversation: Conversation, most: int | None = None) -> ConversationView:
    """A conversation with the newest messages that an answer brings unasked, newest last; at most so many."""
    messages = newest(ctx, conversation, most=most)
    return conversation_view(conversation, messages, truncated=len(messages) < conversation.message_count)


def newest(
    ctx: QueryCtx | MutationCtx,
    conversation: Conversation,
    budget: int = SHOWN_BYTES,
    *,
    most: int | None = None,
    alone: int | None = ANSWER_BYTES,
) -> list[ConversationMessage]:
    """The newest messages that fit, oldest first; at most `most`. For `alone` see `read`."""
    count = conversation.message_count
    page = read(ctx, conversation, 1, count, budget, newest_first=True, most=most, alone=alone)
    return list(reversed(page))


def read(
    ctx: QueryCtx | MutationCtx,
    conversation: Conversation,
    first: int,
    last: int,
    budget: int,
    *,
    newest_first: bool = False,
    most: int | None = None,
    alone: int | None = 0,
) -> list[ConversationMessage]:
    """Messages number `first` to `last` (both included) in one direction, until `budget` bytes or `most` messages are reached.

    The first one has room for `alone` bytes where that is more, and is cut beyond that, so that there is always one; None: one
    that does not fit is left out.
    Nearly always one request to the store: a conversation knows about how large its recent entries are.
    """
    found: list[ConversationMessage] = []
    wanted = last - first + 1 if most is None else min(most, last - first + 1)
    while len(found) < wanted and budget > 0:
        guess = int(budget / max(conversation.entry_bytes, GUESS_BYTES) * 1.2) + 4
        limit = min(wanted - len(found), guess, ROWS_AT_ONCE)
        low, high = (first, last - len(found)) if newest_first else (first + len(found), last)
        for row in rows(ctx, conversation, low, high, limit, newest_first):
            view = message_view(row)
            size = weight(view)
            if size > budget:
                return found if found or alone is None else [cut(view, max(budget, alone))]
            found.append(view)
            budget -= size
    return found


def cut(view: ConversationMessage, budget: int) -> ConversationMessage:
    """A message as it fits: whole, or the beginning of its text without what came with it."""
    if weight(view) <= budget:
        return view
    bare = ConversationMessage(
        id=view.id, role=view.role, content="", timestamp=view.timestamp, sequence=view.sequence, content_truncated=True
    )
    return msgspec.structs.replace(bare, content=text_of(view.content, budget - weight(bare)))


def in_shares(views: list[ConversationMessage]) -> list[ConversationMessage]:
    """All of these in one answer: whole while they fit, else each cut to an equal share of what those before it have left."""
    room, told = ANSWER_BYTES, list[ConversationMessage]()
    for number, view in enumerate(views):
        told.append(cut(view, room // (len(views) - number)))
        room -= weight(told[-1])
    return told


def part_of(view: ConversationMessage, start: int) -> ConversationMessage:
    """A message with its text from a character on, as far as one answer carries it."""
    bare = msgspec.structs.replace(view, content="", next_character=len(view.content))
    content = text_of(view.content[start:], ANSWER_BYTES - weight(bare))
    reached = start + len(content)
    return msgspec.structs.replace(bare, content=content, next_character=reached if reached < len(view.content) else None)


def rows(
    ctx: QueryCtx | MutationCtx, conversation: Conversation, low: int, high: int, limit: int, newest_first: bool
) -> list[ChatMessage]:
    """At least one and at most `limit` rows of a log between two numbers that its counter covers, without a gap."""
    wanted = ChatMessage.log(conversation.id).at_least(low).at_most(high)
    expected = range(high, low - 1, -1) if newest_first else range(low, high + 1)
    found: list[ChatMessage] = []
    for row, number in zip(ctx.db.peek_log(wanted, limit, newest=newest_first), expected, strict=False):
        if row.sequence != number:
            break
        found.append(row)
    if not found:  # the transaction that wrote it is still on its way: this read waits for it
        query = ctx.db.query(wanted)
        found = (query.newest() if newest_first else query).take(1)
    if isinstance(ctx, MutationCtx):
        return found
    return [row if row.completed else ctx.db.get(ChatMessage, row.conversation, row.sequence) or row for row in found]
