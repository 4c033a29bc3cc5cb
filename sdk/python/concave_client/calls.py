"""Every call of the conversations door, as a value: what to send, and how to read the answer. Nothing here does I/O.

The sync and the async client are made from these functions, so they have the same arguments, docstrings and checks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from concave_client import checks
from concave_client.errors import ValidationError
from concave_client.models import (
    Conversation,
    ConversationType,
    CountRange,
    DateRange,
    Deleted,
    DeletedMany,
    Erasure,
    Exported,
    Format,
    History,
    Message,
    NewMessage,
    NewMessageDict,
    Participants,
    ParticipantsDict,
    Role,
    SearchAnswer,
    SearchIn,
    SortBy,
    SortOrder,
    from_wire,
    to_wire,
)

T = TypeVar("T")
Kind = Literal["query", "mutation", "action"]


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call of a function. `then` builds the call for the next part, for answers that come in parts."""

    kind: Kind
    path: str
    args: dict[str, Any]
    read: Callable[[Any], T]
    nulls: tuple[str, ...] = ()
    """Arguments of which None is a value like any other."""

    @property
    def function(self) -> str:
        """The function's name on the wire; one of another module than `conversations` says so in its path."""
        return self.path if ":" in self.path else f"conversations:{self.path}"

    @property
    def wire(self) -> dict[str, Any]:
        """The arguments that are there."""
        return {name: to_wire(value) for name, value in self.args.items() if value is not None or name in self.nulls}


def _conversation(value: Any) -> Conversation:
    return from_wire(Conversation, value)


def _or_none(kind: type[T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else from_wire(kind, value)


def create(
    *,
    type: ConversationType,
    participants: Participants | ParticipantsDict,
    conversation_id: str | None = None,
    metadata: Any = None,
) -> Call[Conversation]:
    """Create a conversation.

    Args:
        type: `user-agent`, which needs `userId` and `agentId`, or `agent-agent`, which needs 2 to 20 `agentIds`.
        conversation_id: your own id; without it a new one, `conv-…`.
        metadata: any JSON value up to 16 KB.

    Raises `ConversationError`: `CONVERSATION_ALREADY_EXISTS`.
    """
    who = to_wire(participants)
    checks.participants(type, who)
    checks.name(conversation_id, "conversationId", needed=False)
    checks.metadata(metadata, "metadata")
    args = {"type": type, "participants": who, "conversationId": conversation_id, "metadata": metadata}
    return Call("mutation", "create", args, _conversation)


def get(
    conversation_id: str, *, include_messages: bool | None = None, message_limit: int | None = None
) -> Call[Conversation | None]:
    """A conversation with its messages, or None: all of them while they fit 16 KB, else the newest that fit, and always the
    newest one (`messages_truncated`). `messages` and `get_history` read the whole log.

    Args:
        include_messages: False: without them.
        message_limit: so many of the newest at most.
    """
    checks.text(conversation_id, "conversationId")
    checks.between(message_limit, 1, checks.MOST_LISTED, "messageLimit")
    args = {"conversationId": conversation_id, "includeMessages": include_messages, "messageLimit": message_limit}
    return Call("query", "get", args, _or_none(Conversation))


def add_message(conversation_id: str, message: NewMessage | NewMessageDict, *, tail: int | None = None) -> Call[Conversation]:
    """Add a message; returns the conversation as it now is.

    Args:
        tail: how many of the newest messages the result shows at most, as many as 16 KB hold; without it as many as 768
            bytes hold. Say 0 or 1 when you do not read it, it is cheaper.

    Raises `ConversationError`: `CONVERSATION_NOT_FOUND`, `ROLE_NOT_ALLOWED`, `MESSAGE_ALREADY_EXISTS`.
    """
    checks.text(conversation_id, "conversationId")
    wire = to_wire(message)
    checks.message(wire)
    checks.between(tail, 0, None, "tail")
    return Call("mutation", "addMessage", {"conversationId": conversation_id, "message": wire, "tail": tail}, _conversation)


def list_conversations(
    *,
    type: ConversationType | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
    sort_by: SortBy | None = None,
    sort_order: SortOrder | None = None,
    message_count: int | CountRange | None = None,
    created_after: float | None = None,
    created_before: float | None = None,
    updated_after: float | None = None,
    updated_before: float | None = None,
    last_message_after: float | None = None,
    last_message_before: float | None = None,
    metadata: dict[str, Any] | None = None,
    include_messages: bool | None = None,
) -> Call[list[Conversation]]:
    """The conversations that you may see, newest first; 100 unless `limit` (1 to 1000) says otherwise.

    Their `messages` are empty unless you say `include_messages`; then they bring as many as an answer has room for.

    Args:
        metadata: keys of what is kept with the conversations, each with the value that it must have.
    """
    _check_filters(type, user_id, agent_id, participant_id)
    checks.between(limit, 1, checks.MOST_LISTED, "limit")
    checks.between(offset, 0, None, "offset")
    checks.order(sort_by, sort_order)
    checks.message_count(message_count)
    checks.dates(created_after, created_before, "createdAfter")
    checks.dates(updated_after, updated_before, "updatedAfter")
    checks.dates(last_message_after, last_message_before, "lastMessageAfter")
    args = {
        "type": type,
        "userId": user_id,
        "agentId": agent_id,
        "participantId": participant_id,
        "limit": limit,
        "offset": offset,
        "sortBy": sort_by,
        "sortOrder": sort_order,
        "messageCount": message_count,
        "createdAfter": created_after,
        "createdBefore": created_before,
        "updatedAfter": updated_after,
        "updatedBefore": updated_before,
        "lastMessageAfter": last_message_after,
        "lastMessageBefore": last_message_before,
        "metadata": metadata,
        "includeMessages": include_messages,
    }
    return Call("query", "list", args, lambda value: [_conversation(each) for each in value])


def rest_of_list(call: Call[list[Conversation]], found: list[Conversation]) -> Call[list[Conversation]] | None:
    """The call for what a list had no room for, or None: an answer that ends because of its bytes says so in its last element."""
    if not found or not found[-1].list_truncated:
        return None
    offset, limit = int(call.args["offset"] or 0) + len(found), int(call.args["limit"] or checks.LISTED) - len(found)
    return dataclasses.replace(call, args={**call.args, "offset": offset, "limit": limit})


def count(*, type: ConversationType | None = None, user_id: str | None = None, agent_id: str | None = None) -> Call[int]:
    """How many conversations `list` would find."""
    _check_filters(type, user_id, agent_id)
    return Call("query", "count", {"type": type, "userId": user_id, "agentId": agent_id}, int)


def _check_filters(kind: Any, *ids: Any) -> None:
    checks.one_of(kind, ConversationType, "INVALID_TYPE", "type")
    for field, value in zip(("userId", "agentId", "participantId"), ids, strict=False):
        checks.text(value, field, needed=False)


def delete(conversation_id: str) -> Call[Deleted]:
    """Delete a conversation for good. Raises `ConversationError`: `CONVERSATION_NOT_FOUND`, `FORBIDDEN`."""
    checks.text(conversation_id, "conversationId")
    return Call("mutation", "delete", {"conversationId": conversation_id}, lambda value: from_wire(Deleted, value))


def get_message(conversation_id: str, message_id: str) -> Call[Message | None]:
    """One message, whole, or None."""
    checks.text(conversation_id, "conversationId")
    checks.text(message_id, "messageId")
    return Call("query", "getMessage", {"conversationId": conversation_id, "messageId": message_id}, _or_none(Message))


def get_messages_by_ids(conversation_id: str, message_ids: list[str]) -> Call[list[Message]]:
    """Up to 100 messages in the order of the conversation; unknown ids are left out."""
    checks.text(conversation_id, "conversationId")
    checks.names(message_ids, "messageIds")
    args = {"conversationId": conversation_id, "messageIds": message_ids}
    return Call("query", "getMessagesByIds", args, lambda value: [from_wire(Message, each) for each in value])


def get_history(
    conversation_id: str,
    *,
    limit: int | None = None,
    offset: int | None = None,
    sort_order: SortOrder | None = None,
    since: float | None = None,
    until: float | None = None,
    roles: list[Role] | None = None,
) -> Call[History]:
    """A page of messages, from the oldest or (`desc`) from the newest. It ends earlier when its messages are long.

    Args:
        since: not before this time in milliseconds since the epoch; until: not after it.
        roles: who speaks; among at most 1,000 messages.

    Raises `ConversationError`: `CONVERSATION_NOT_FOUND`, `FILTER_TOO_BROAD`.
    """
    checks.text(conversation_id, "conversationId")
    checks.between(limit, 1, checks.MOST_LISTED, "limit")
    checks.between(offset, 0, None, "offset")
    checks.order(sort_order=sort_order)
    checks.dates(since, until, "since")
    for each in roles or ():
        checks.one_of(each, Role, "INVALID_ROLE", "roles")
    args = {"conversationId": conversation_id, "limit": limit, "offset": offset, "sortOrder": sort_order}
    return Call(
        "query", "getHistory", {**args, "since": since, "until": until, "roles": roles}, lambda value: from_wire(History, value)
    )


def find_conversation(*, type: ConversationType, participants: Participants | ParticipantsDict) -> Call[Conversation | None]:
    """The conversation between exactly these participants, in any order, or None."""
    who = to_wire(participants)
    checks.sought(type, who)
    return Call("query", "findConversation", {"type": type, "participants": who}, _or_none(Conversation))


def get_or_create(
    *, type: ConversationType, participants: Participants | ParticipantsDict, metadata: Any = None
) -> Call[Conversation]:
    """The one conversation between exactly these participants, created if there is none."""
    who = to_wire(participants)
    checks.participants(type, who)
    checks.metadata(metadata, "metadata")
    return Call("mutation", "getOrCreate", {"type": type, "participants": who, "metadata": metadata}, _conversation)


def search(
    query: str,
    *,
    type: ConversationType | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    created_after: float | None = None,
    created_before: float | None = None,
    limit: int | None = None,
    offset: int | None = None,
    search_in: SearchIn | None = None,
) -> Call[SearchAnswer]:
    """Conversations in which all words of `query` occur, best first: in their messages, or in their metadata (`search_in`).

    Where `more_results` is not 0, the answer had no room for more: ask with `offset`.
    """
    checks.text(query, "query", blank="EMPTY_STRING")
    checks.one_of(search_in, SearchIn, "INVALID_FORMAT", "searchIn")
    checks.between(offset, 0, 100, "offset")
    _check_filters(type, user_id, agent_id)
    checks.dates(created_after, created_before, "createdAfter")
    checks.between(limit, 1, 100, "limit")
    filters = {
        "type": type,
        "userId": user_id,
        "agentId": agent_id,
        "createdAfter": created_after,
        "createdBefore": created_before,
        "limit": limit,
        "offset": offset,
    }
    given = {name: value for name, value in filters.items() if value is not None}
    options = None if search_in is None else {"searchIn": search_in}
    return Call(
        "query", "search", {"query": query, "filters": given, "options": options}, lambda value: from_wire(SearchAnswer, value)
    )


@dataclass(frozen=True)
class Part:
    """A part of an export, and where the next one begins (None: it was the last)."""

    exported: Exported
    cursor: str | None


def export_part(
    *,
    format: Format,
    type: ConversationType | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    conversation_ids: list[str] | None = None,
    date_range: DateRange | None = None,
    include_metadata: bool = True,
    cursor: str | None = None,
) -> Call[Part]:
    """One part of an export."""
    checks.export_format(format)
    _check_filters(type, user_id, agent_id)
    if conversation_ids is not None:
        checks.names(conversation_ids, "conversationIds")
    if date_range is not None:
        checks.dates(date_range.get("start"), date_range.get("end"), "filters.dateRange")
    who = {"type": type, "userId": user_id, "agentId": agent_id}
    filters = {**who, "conversationIds": conversation_ids, "dateRange": date_range}
    given = {name: value for name, value in filters.items() if value is not None}
    args = {"format": format, "filters": given, "includeMetadata": include_metadata, "cursor": cursor}

    def read(value: Any) -> Part:
        return Part(from_wire(Exported, value), None if value["isDone"] else value["continueCursor"])

    return Call("query", "export", args, read)


def delete_many(
    *,
    type: ConversationType | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    dry_run: bool = False,
    confirmation_threshold: int = 10,
) -> Call[DeletedMany]:
    """Delete every conversation that fits. More than `confirmation_threshold` are refused; `dry_run` only counts.

    Raises `ConversationError`: `DELETE_MANY_THRESHOLD_EXCEEDED`, `FORBIDDEN`.
    """
    _check_filters(type, user_id, agent_id)
    if type is None and user_id is None and agent_id is None:
        raise ValidationError("MISSING_REQUIRED_FIELD", "name a user_id, an agent_id or a type")
    checks.between(confirmation_threshold, 0, None, "confirmationThreshold")
    args = {
        "type": type,
        "userId": user_id,
        "agentId": agent_id,
        "dryRun": dry_run,
        "confirmationThreshold": confirmation_threshold,
    }
    return Call("action", "deleteMany", args, lambda value: from_wire(DeletedMany, value))


def delete_by_ids(conversation_ids: list[str]) -> Call[DeletedMany]:
    """Delete up to 100 conversations; `not_found` lists those that are not there or not yours."""
    checks.names(conversation_ids, "conversationIds")
    args = {"conversationIds": conversation_ids}
    return Call("action", "deleteByIds", args, lambda value: from_wire(DeletedMany, value))


def purge_all(*, confirm: bool = False) -> Call[DeletedMany]:
    """Delete every conversation of the org; only with `confirm=True`, and only for the org's own backend."""
    if confirm is not True:
        raise ValidationError("CONFIRMATION_REQUIRED", "this deletes everything; say confirm=True", "confirm")
    return Call("action", "purgeAll", {"confirm": True}, lambda value: from_wire(DeletedMany, value))


def get_erasure(receipt_id: str) -> Call[Erasure | None]:
    """The receipt of a deletion, or None."""
    checks.text(receipt_id, "receiptId")
    return Call("query", "getErasure", {"receiptId": receipt_id}, _or_none(Erasure))
