"""Conversations: append-only logs between users and agents. Nobody answers here; who wants replies uses `chat`.

Every function works within the caller's org. A member sees its own conversations; the org's own backend (a token with the
role `service`) sees all of them and writes in every voice. Strangers get what they would get for an id that never was.
Errors are data: `{code, field?, message}`, with the codes of `domain/conversations/codes.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, QueryCtx, action, mutation, query
from chalicelib.domain.answer_size import ANSWER_BYTES, weight
from chalicelib.domain.conversations import access as may
from chalicelib.domain.conversations import answers, bulk, history, listing
from chalicelib.domain.conversations import erasure as erasing
from chalicelib.domain.conversations import export as exporting
from chalicelib.domain.conversations import search as searching
from chalicelib.domain.conversations.answers import LISTED, Limit, Offset
from chalicelib.domain.conversations.codes import (
    check_dates,
    check_id,
    check_ids,
    check_sought,
    explain,
    not_found,
    refused,
)
from chalicelib.domain.conversations.erasure_views import DeletedManyView, DeletedView, ErasureView, erasure_view
from chalicelib.domain.conversations.export import ExportFilters, ExportPart, Format
from chalicelib.domain.conversations.filters import Filters, Id, MessageCountRange, SortBy, SortOrder
from chalicelib.domain.conversations.log import NewMessage, append, by_id, check_message
from chalicelib.domain.conversations.opening import participants_key
from chalicelib.domain.conversations.search import Query, SearchAnswer, SearchFilters, SearchOptions
from chalicelib.domain.conversations.views import (
    SHOWN_BYTES,
    TAIL_BYTES,
    ConversationMessage,
    ConversationType,
    ConversationView,
    HistoryView,
    Participants,
    Role,
    conversation_view,
    cut,
    in_shares,
    message_view,
    newest,
    part_of,
    shown,
)
from chalicelib.schema import Conversation, Erasure


@mutation(explain=explain)
def create(
    ctx: MutationCtx,
    type: ConversationType,
    participants: Participants,
    conversation_id: str | None = None,
    metadata: Any = None,
) -> ConversationView:
    """Open a conversation.

    Args:
        type: `user-agent` needs `userId` and `agentId`; `agent-agent` needs 2 to 20 `agentIds`.
        conversation_id: the caller's own, unique in the org; without it a new one, `conv-…`.
        metadata: any JSON value up to 16 KB.

    Refuses: `CONVERSATION_ALREADY_EXISTS`, `INVALID_PARTICIPANTS`, `INVALID_ID_FORMAT`, `DUPLICATE_VALUES`.
    """
    answers.check_opening(ctx, type, participants, metadata)
    if conversation_id is not None:
        check_id(conversation_id, "conversationId")
        if ctx.db.query(Conversation.by_conversationId(conversation_id)).unique() is not None:
            raise refused("CONVERSATION_ALREADY_EXISTS", "this conversationId is taken", "conversationId")
    return conversation_view(answers.open(ctx, participants, conversation_id, metadata), [])


@query(explain=explain)
def get(
    ctx: QueryCtx,
    conversation_id: str,
    include_messages: bool = True,
    message_limit: Annotated[int, Meta(ge=1, le=1000)] | None = None,
) -> ConversationView | None:
    """A conversation with its messages: all of them while they fit 16 KB, else the newest that fit (`messagesTruncated`).

    So it costs the same at any length; `getHistory` pages through the whole log.

    Args:
        include_messages: without them `messages` is empty.
        message_limit: so many of the newest at most.
    """
    conversation = may.found(ctx, conversation_id)
    return None if conversation is None else shown(ctx, conversation, message_limit if include_messages else 0)


@mutation(explain=explain)
def add_message(
    ctx: MutationCtx, conversation_id: str, message: NewMessage, tail: Annotated[int, Meta(ge=0)] | None = None
) -> ConversationView:
    """Add a message to the end of a conversation. Returns the conversation as it now is.

    Args:
        message: with an `id` of the caller's own it is added once: the same again changes nothing.
        tail: how many of the newest messages the result shows at most, as many as 16 KB hold; without it as many as 768
            bytes hold. The new one is always shown, and `messagesTruncated` says that there are others. A result is kept with its
            commit, which costs by its bytes: a writer who does not read it says 0 or 1.

    Refuses: `CONVERSATION_NOT_FOUND`, `ROLE_NOT_ALLOWED`, `EMPTY_STRING`, `CONTENT_TOO_LONG`, `MESSAGE_ALREADY_EXISTS`,
    `CONVERSATION_NOT_ACTIVE`.
    """
    check_message(message)
    conversation = may.reached(ctx, conversation_id, "add a message")
    role, speaker = may.voice(ctx, message.role, message.agent_id)
    added, changed = append(
        ctx,
        conversation,
        role=role,
        content=message.content,
        message_id=message.id,
        agent_id=speaker,
        metadata=message.metadata,
    )
    if tail == 0:
        return conversation_view(changed, [], truncated=True)
    space = TAIL_BYTES if tail is None else SHOWN_BYTES
    if changed is conversation:  # it was there already
        again = newest(ctx, conversation, space, most=tail)
        return conversation_view(changed, again, truncated=len(again) < changed.message_count)
    last = cut(message_view(added), ANSWER_BYTES)
    earlier = newest(ctx, conversation, space - weight(last), most=None if tail is None else tail - 1, alone=None)
    return conversation_view(changed, [*earlier, last], truncated=len(earlier) + 1 < changed.message_count)


@query(explain=explain)
def list_(
    ctx: QueryCtx,
    type: ConversationType | None = None,
    user_id: Id | None = None,
    agent_id: Id | None = None,
    participant_id: Id | None = None,
    limit: Limit = LISTED,
    offset: Offset = 0,
    sort_by: SortBy = "createdAt",
    sort_order: SortOrder = "desc",
    message_count: int | MessageCountRange | None = None,
    created_after: float | None = None,
    created_before: float | None = None,
    updated_after: float | None = None,
    updated_before: float | None = None,
    last_message_after: float | None = None,
    last_message_before: float | None = None,
    metadata: dict[str, Any] | None = None,
    include_messages: bool = False,
) -> list[ConversationView]:
    """The conversations that the caller may see, newest first; the org's backend sees all.

    Args:
        user_id: `participants.userId`. agent_id: an agent that takes part. participant_id: either, joined ones included.
        limit: 1 to 1000. offset: how many to pass over. Beyond 900 together, go on with `createdBefore`.
        message_count: an exact number, or `{min?, max?}`.
        created_after: in milliseconds since the epoch, as its five siblings; the value itself is outside.
        metadata: keys of what is kept with the conversations, each with the value that it must have.
        include_messages: whether each brings its messages, as far as the answer has room; else `messages` is empty.

    An answer holds 96 KB. A list that ends earlier than its `limit` because of that says so in its last element
    (`listTruncated`); the rest is asked for with `offset` or `createdBefore`.

    Refuses: `INVALID_RANGE`, `INVALID_DATE_RANGE`, `FILTER_TOO_BROAD`.
    """
    wanted = Filters(
        type=type,
        user_id=user_id,
        agent_id=agent_id,
        participant_id=participant_id,
        message_count=message_count,
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        updated_before=updated_before,
        last_message_after=last_message_after,
        last_message_before=last_message_before,
        metadata=metadata,
    )
    found = listing.select(ctx, wanted, offset + limit, sort_by, newest_first=sort_order == "desc")[offset:]
    return listing.told(ctx, found, include_messages=include_messages)


@query(explain=explain)
def count(ctx: QueryCtx, type: ConversationType | None = None, user_id: Id | None = None, agent_id: Id | None = None) -> int:
    """How many conversations `list` would find, exactly. What the caller may not see is not counted."""
    return listing.counted(ctx, Filters(type=type, user_id=user_id, agent_id=agent_id))


@query(explain=explain)
def get_message(
    ctx: QueryCtx, conversation_id: str, message_id: str, from_character: Annotated[int, Meta(ge=0)] | None = None
) -> ConversationMessage | None:
    """One message, whole; null when it or its conversation is not there.

    Args:
        from_character: the text from there on, as far as 96 KB hold it, and `nextCharacter` where it goes on. A message of more
            than 128 KB on the wire comes whole over HTTP only, so over a socket it is asked for from 0.
    """
    conversation = may.found(ctx, conversation_id)
    message = by_id(ctx, conversation, message_id) if conversation is not None and message_id else None
    if message is None:
        return None
    return message_view(message) if from_character is None else part_of(message_view(message), from_character)


@query(explain=explain)
def get_messages_by_ids(ctx: QueryCtx, conversation_id: str, message_ids: list[str]) -> list[ConversationMessage]:
    """Up to 100 messages of one conversation in the order of the log; ids that are not there are left out.

    Messages that are too long for one answer together are cut (`contentTruncated`); `getMessage` gives each whole.
    """
    check_ids(message_ids, "messageIds", 100)
    conversation = may.found(ctx, conversation_id)
    if conversation is None:
        return []
    found = [by_id(ctx, conversation, each) for each in message_ids]
    return in_shares([message_view(each) for each in sorted(filter(None, found), key=lambda one: one.sequence)])


@query(explain=explain)
def get_history(
    ctx: QueryCtx,
    conversation_id: str,
    limit: Limit = LISTED,
    offset: Offset = 0,
    sort_order: SortOrder = "asc",
    since: float | None = None,
    until: float | None = None,
    roles: Annotated[list[Role], Meta(max_length=3)] | None = None,
) -> HistoryView:
    """A page of a log: up to `limit` messages after `offset`, from the oldest or from the newest.

    A page weighs 96 KB at most; `nextOffset` says where the next one starts, and `total` counts all that fit.

    Args:
        since: not before this time, in milliseconds since the epoch; until: not after this one.
        roles: who speaks. They are looked for among 1,000 messages at most.

    Refuses: `CONVERSATION_NOT_FOUND`, `INVALID_DATE_RANGE`, `INVALID_ROLE`, `FILTER_TOO_BROAD`.
    """
    conversation = may.found(ctx, conversation_id)
    if conversation is None:
        raise not_found()
    check_dates(since, until, "since")
    return history.page(ctx, conversation, history.Asked(limit, offset, sort_order == "desc", since, until, roles or ()))


@query(explain=explain)
def find_conversation(ctx: QueryCtx, type: ConversationType, participants: Participants) -> ConversationView | None:
    """The conversation between exactly these participants, whatever their order: the one of `getOrCreate`, else the oldest."""
    check_sought(type, participants.user_id, participants.agent_id, participants.agent_ids)
    found = answers.between(ctx, participants)
    return None if found is None else shown(ctx, found)


@mutation(explain=explain)
def get_or_create(ctx: MutationCtx, type: ConversationType, participants: Participants, metadata: Any = None) -> ConversationView:
    """The conversation between exactly these participants; opened if there is none.

    There is one such conversation, kept by a claim of the store: fifty simultaneous calls make one.
    """
    answers.check_opening(ctx, type, participants, metadata)
    found = answers.between(ctx, participants)
    if found is None:
        key = participants_key(participants.user_id, participants.agent_id, participants.agent_ids or ())
        hidden = ctx.db.query(Conversation.by_anchor(key)).unique()
        if hidden is not None:  # the caller was taken out of it
            ctx.db.patch(hidden, anchor=None)
        return conversation_view(answers.open(ctx, participants, None, metadata, anchored=True), [])
    if found.anchor is None:
        found = ctx.db.patch(found, anchor=found.participants_key)
    return shown(ctx, found)


@query(explain=explain)
def search(
    ctx: QueryCtx, query: Query, filters: SearchFilters | None = None, options: SearchOptions | None = None
) -> SearchAnswer:
    """Conversations in which all words of `query` occur, best first, with score and highlights.

    A user's own from the index of its messages, others by a bounded look through the newest: `domain/conversations/search.py`
    says what is compared and where it ends.
    """
    return searching.search(ctx, query, filters or SearchFilters(), (options or SearchOptions()).search_in)


@query(explain=explain)
def export(
    ctx: QueryCtx,
    format: Format,
    filters: ExportFilters | None = None,
    include_metadata: bool = True,
    cursor: str | None = None,
) -> ExportPart:
    """Conversations with all their messages as text, `json` or `csv`, newest first.

    A part holds 96 KB; when `isDone` is false, call again with `continueCursor`. See `domain/conversations/export.py`.
    """
    return exporting.export(ctx, filters or ExportFilters(), format, include_metadata, cursor)


@mutation(explain=explain)
def delete(ctx: MutationCtx, conversation_id: str) -> DeletedView:
    """Delete a conversation for good: at once for every reader, its log behind it if it is long.

    The user whose conversation it is, or the org's backend. The receipt (`getErasure`) says what was erased.
    Refuses: `CONVERSATION_NOT_FOUND`, `FORBIDDEN`.
    """
    conversation = may.reached(ctx, conversation_id, "delete a conversation")
    if not may.may_delete(ctx, conversation):
        raise refused("FORBIDDEN", "only the user whose conversation it is deletes it")
    receipt = erasing.begin(ctx, [conversation.id])
    return DeletedView(
        deleted=True,
        conversation_id=conversation_id,
        messages_deleted=conversation.message_count,
        deleted_at=ctx.now,
        restorable=False,
        receipt_id=receipt.id,
        state=receipt.state,
    )


@query(explain=explain)
def get_erasure(ctx: QueryCtx, receipt_id: str) -> ErasureView | None:
    """The receipt of a deletion, for who asked for it and for the org's backend; null for others."""
    user = ctx.user
    receipt = ctx.db.get(Erasure, receipt_id) if user is not None and receipt_id else None
    if user is None or receipt is None or not (may.acts_for_org(user) or receipt.requested_by == user.token_identifier):
        return None
    return erasure_view(receipt)


@action(explain=explain)
def delete_many(
    ctx: ActionCtx,
    type: ConversationType | None = None,
    user_id: Id | None = None,
    agent_id: Id | None = None,
    dry_run: bool = False,
    confirmation_threshold: Annotated[int, Meta(ge=0)] = 10,
) -> DeletedManyView:
    """Delete every conversation that fits. A user deletes its own; the org's backend anybody's.

    Args:
        dry_run: only say how many conversations and messages it would be.
        confirmation_threshold: more than this many are refused; whoever means it raises the number.

    Refuses: `MISSING_REQUIRED_FIELD` without a filter, `DELETE_MANY_THRESHOLD_EXCEEDED`, `FORBIDDEN`.
    """
    return bulk.delete_many(ctx, Filters(type=type, user_id=user_id, agent_id=agent_id), dry_run, confirmation_threshold)


@action(explain=explain)
def delete_by_ids(ctx: ActionCtx, conversation_ids: list[str]) -> DeletedManyView:
    """Delete up to 100 conversations by their ids; `notFound` lists those that are not there, or not the caller's."""
    return bulk.delete_by_ids(ctx, conversation_ids)


@action(explain=explain)
def purge_all(ctx: ActionCtx, confirm: bool = False) -> DeletedManyView:
    """Delete every conversation of the org that is there now. Only the org's backend, and only with `confirm`."""
    return bulk.purge_all(ctx, confirm)
