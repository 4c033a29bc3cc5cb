"""Which conversations a filter names: lists, counts, and what search, export and bulk deletion go over.

Every filter is answered from an index, never by scanning an org:

| filter | read from |
|---|---|
| none, by the org's backend | `by_created` |
| `type` | `by_type` |
| `userId` | `by_user`; sorted by `updatedAt`: `by_user_updated` |
| `userId` and `agentId` | `by_agent_user` |
| `agentId` | `by_agent`, and the guests' index of participants for `agent-agent` conversations |
| none, by a member | the same as for its own id, with the conversations that it joined |

`count` reads the sizes that the same index partitions keep of themselves, so it is exact at any time and costs a few reads
whatever the number. What no index orders or narrows (`messageCount`, other sort orders) is looked at one by
one, and refused beyond 400 candidates: then name a user, an agent or a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import members
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning, weight
from chalicelib.domain.conversations import access as may
from chalicelib.domain.conversations import filters
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.conversations.filters import Filters, SortBy
from chalicelib.domain.conversations.moved import moved
from chalicelib.domain.conversations.opening import Kind
from chalicelib.domain.conversations.views import ConversationType, ConversationView, conversation_view, newest
from chalicelib.schema import Conversation, Participant

LOOKED_AT = 400
"""Conversations that are looked at one by one in one call: as many as one exact instant covers."""
MOST_READ = 900
"""Conversations that one call reads along an index; a run reads 1,000 documents."""
WITH_MESSAGES = 100
"""Conversations of one list that bring their messages."""
LEAST_SHARE = 400
"""Bytes of messages below which a conversation of a list brings none."""


@dataclass(frozen=True)
class Source:
    """Some of the wanted conversations: a range in the order of creation.

    `guests`: the range is of participants' rows. `recent`: the same conversations in the order of their last change.
    `keep`: what the range does not say.
    """

    range: Any
    guests: bool = False
    recent: Any = None
    keep: Callable[[Conversation], bool] | None = None


def sources(ctx: QueryCtx | MutationCtx, wanted: Filters) -> list[Source]:
    """Where to look for what the caller may see of a filter. Nobody sees nothing."""
    user = ctx.user
    if user is None:
        return []
    if may.acts_for_org(user):
        return _of_org(wanted)
    me = members.caller(ctx)
    return _of_member(me.kind, me.name, wanted)


def reader(ctx: QueryCtx, wanted: Filters) -> str | None:
    """The user among whose conversations all are that the caller sees of a filter, but for those that the caller joined."""
    user = ctx.user
    if user is None:
        return None
    if may.acts_for_org(user):
        return wanted.user_id if wanted.participant_id is None else None
    me = members.caller(ctx)
    mine = {None, me.name}
    return me.name if me.kind == "user" and wanted.user_id in mine and wanted.participant_id in mine else None


def names(one: Conversation, wanted: Filters) -> bool:
    """Whether a filter names this one of its user's conversations."""
    takes_part = {one.participants.get("agentId"), *(one.participants.get("agentIds") or ())}
    return (wanted.agent_id is None or wanted.agent_id in takes_part) and filters.fits(one, wanted)


def _of_org(wanted: Filters) -> list[Source]:
    if wanted.participant_id:
        both = [*_member("user", wanted.participant_id, wanted.type), *_member("agent", wanted.participant_id, wanted.type)]
        return _kept(both, wanted, wanted.participant_id)
    if wanted.user_id:
        if wanted.type == "agent-agent":
            return []
        if wanted.agent_id:
            return [Source(Conversation.by_agent_user(wanted.agent_id, wanted.user_id))]
        return [_of_user(wanted.user_id)]
    if wanted.agent_id:
        return _member("agent", wanted.agent_id, wanted.type)
    return [Source(Conversation.by_type(wanted.type) if wanted.type else Conversation.by_created())]


def _of_member(kind: Kind, me: str, wanted: Filters) -> list[Source]:
    """A member's own conversations; whoever else a filter names narrows them."""
    mine = {None, me}
    user_id, agent_id = wanted.user_id, wanted.agent_id
    if wanted.participant_id in mine and user_id in mine and agent_id in mine:
        if kind == "user" and user_id == me:
            return [_of_user(me)] if wanted.type != "agent-agent" else []
        if (user_id if kind == "agent" else agent_id) is None:
            return _member(kind, me, wanted.type)
    base = _member(kind, me, wanted.type)
    if kind == "user" and user_id in mine and agent_id and wanted.participant_id is None and wanted.type != "agent-agent":
        pair = Source(Conversation.by_agent_user(agent_id, me))
        if user_id == me:
            return [pair]
        base = [pair, *(each for each in base if each.guests)]
    return _kept(base, wanted, me)


def _of_user(user_id: str) -> Source:
    return Source(Conversation.by_user(user_id), recent=Conversation.by_user_updated(user_id))


def _member(kind: Kind, member: str, wanted: ConversationType | None) -> list[Source]:
    """Where a member takes part: named by the conversation itself (always `user-agent`), or in a guest's row."""
    types: list[ConversationType] = ["user-agent", "agent-agent"] if wanted is None else [wanted]
    found = [Source(Participant.by_guest(f"{kind}:{member}", each), guests=True) for each in types]
    if "user-agent" in types:
        found.insert(0, _of_user(member) if kind == "user" else Source(Conversation.by_agent(member)))
    return found


def _kept(found: list[Source], wanted: Filters, me: str) -> list[Source]:
    """The same ranges, and only those conversations whose participants the filter names."""

    def keep(conversation: Conversation) -> bool:
        named = conversation.participants
        agents = {named.get("agentId"), *(named.get("agentIds") or ())}
        return (
            wanted.user_id in (None, named.get("userId"))
            and (wanted.agent_id in (None, me) or wanted.agent_id in agents)
            and (wanted.participant_id in (None, me, named.get("userId")) or wanted.participant_id in agents)
        )

    return [Source(each.range, each.guests, None, keep) for each in found]


def select(
    ctx: QueryCtx | MutationCtx,
    wanted: Filters,
    need: int,
    sort_by: SortBy = "createdAt",
    *,
    newest_first: bool,
    only_joined: bool = False,
) -> list[Conversation]:
    """The first `need` conversations of a filter in an order. Raises `Refused` when too many would have to be looked at.

    Args:
        only_joined: those in which the caller is a guest.
    """
    filters.check(wanted)
    found: dict[str, Conversation] = {}
    for source in sources(ctx, wanted):
        if only_joined and not source.guests:
            continue
        along = source.range if sort_by == "createdAt" else source.recent if sort_by == "updatedAt" else None
        picky = source.keep is not None or _narrows(wanted, sort_by)
        asked = min(need, MOST_READ) if along is not None and not picky else LOOKED_AT + 1
        bounded = _bounded(along or source.range, wanted, sort_by if along is not None else "createdAt")
        if along is not None and along is source.recent:
            rows = list[Any](moved(ctx, bounded, asked, partial(filters.moved_within, wanted), newest_first=newest_first))
        else:
            query = ctx.db.query(bounded)
            rows = (query.newest() if newest_first else query.oldest()).take(asked)
        if len(rows) > LOOKED_AT and asked == LOOKED_AT + 1:
            raise refused(
                "FILTER_TOO_BROAD",
                f"more than {LOOKED_AT} conversations would have to be looked at one by one; name a user, an agent or a time, "
                "or sort by createdAt",
            )
        for row in rows:
            one = ctx.db.get(Conversation, row.conversation) if source.guests else row
            if one is not None and (source.keep is None or source.keep(one)) and filters.fits(one, wanted):
                found[one.id] = one
    ordered = sorted(found.values(), key=lambda each: (_order(each, sort_by), each.id), reverse=newest_first)
    if need > MOST_READ and len(ordered) >= MOST_READ:
        raise refused("INVALID_RANGE", f"limit and offset reach at most {MOST_READ}; go on with createdBefore or createdAfter")
    return ordered[:need]


def _narrows(wanted: Filters, sort_by: SortBy) -> bool:
    """Whether rows along the index may have to be refused."""
    updated = (wanted.updated_after, wanted.updated_before) != (None, None)
    created = (wanted.created_after, wanted.created_before) != (None, None)
    other = (wanted.message_count, wanted.last_message_after, wanted.last_message_before, wanted.metadata)
    return any(each is not None for each in other) or (updated if sort_by == "createdAt" else created)


def _bounded(along: Any, wanted: Filters, order: SortBy) -> Any:
    after, before = wanted.created_after, wanted.created_before
    if order == "updatedAt":
        after, before = wanted.updated_after, wanted.updated_before
    if after is not None:
        along = along.after(after)
    return along if before is None else along.before(before)


def _order(one: Conversation, sort_by: SortBy) -> float:
    match sort_by:
        case "createdAt":
            return one.creation_time
        case "updatedAt":
            return one.updated_at
        case "lastMessageAt":
            return one.last_message_at or 0.0
    return float(one.message_count)


def counted(ctx: QueryCtx, wanted: Filters) -> int:
    """How many conversations a filter names: exact."""
    found = sources(ctx, wanted)
    if wanted.participant_id is not None or any(each.keep is not None for each in found):
        return len(select(ctx, wanted, MOST_READ, newest_first=True))
    return sum(ctx.db.count(each.range) for each in found)


def told(ctx: QueryCtx, found: list[Conversation], *, include_messages: bool) -> list[ConversationView]:
    """Conversations as a list shows them: as many as 96 KB hold, and the last one says so where more were asked for.

    With messages: all of them while they fit what is left of that, else the newest in equal shares.
    """
    kept = beginning(conversation_view(each, [], truncated=each.message_count > 0) for each in found)
    room = ANSWER_BYTES - sum(map(weight, kept))
    for number, view in enumerate(kept if include_messages else []):
        share = room // max(1, min(len(kept), WITH_MESSAGES) - number)
        messages = newest(ctx, found[number], share, alone=0) if number < WITH_MESSAGES and share > LEAST_SHARE else []
        room -= sum(map(weight, messages))
        view.messages, view.messages_truncated = messages, len(messages) < found[number].message_count or None
    if len(kept) < len(found):
        kept[-1].list_truncated = True
    return kept
