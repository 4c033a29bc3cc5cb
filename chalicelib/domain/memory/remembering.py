"""Remembering a turn of a talk: two messages of the conversation and two memories of them, in one commit.

Everything that it makes has an id that follows from the space and the caller's key, so the same call again finds it and adds
nothing, also when a memory was forgotten since. While an answer is still being said, what has come of it may be kept as a
`partial` memory, which nobody finds; remembering the whole takes it away.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import msgspec

from chalicelib import MutationCtx
from chalicelib.domain.conversations import access as conversations
from chalicelib.domain.conversations.codes import check_id, check_metadata, refused
from chalicelib.domain.conversations.log import append, by_id
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.conversations.views import ConversationView, conversation_view, cut, message_view
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories import storing
from chalicelib.domain.memories.codes import check_content
from chalicelib.domain.memories.storing import NewMemory
from chalicelib.domain.memories.views import MemoryView, Source, memory_view
from chalicelib.domain.memory import facts
from chalicelib.domain.memory.facts import FactStored, NewFact
from chalicelib.schema import ChatMessage, Conversation, ConversationRef, Memory

MOST_FACTS = 3
"""Facts of one turn: everything that is remembered at once is one commit."""
SHOWN_MESSAGE = 24 * 1024
"""Bytes of each message in the answer."""


class Turn(msgspec.Struct, kw_only=True):
    """What is to be remembered."""

    space: str
    conversation_id: str
    user_message: str
    agent_response: str
    user_id: str | None = None
    user_name: str | None = None
    agent_id: str | None = None
    key: str | None = None
    importance: int | None = None
    tags: list[str] | None = None
    summary: str | None = None
    facts: list[NewFact] = []
    generate_embedding: bool = True
    metadata: dict[str, Any] | None = None


class Remembered(msgspec.Struct, rename="camel", kw_only=True):
    """A turn that is remembered. `added` is false where it was already."""

    added: bool
    conversation: ConversationView
    memories: list[MemoryView]
    facts: list[FactStored]


@dataclass(frozen=True)
class Ids:
    """The ids that follow from a caller's key."""

    digest: str

    @classmethod
    def of(cls, owner: str, space: str, key: str) -> Ids:
        """Of one key of one owner in one space."""
        text = json.dumps([owner, space, key]).encode()
        return cls(base64.b32encode(hashlib.sha256(text).digest()).decode().lower()[:20])

    def message(self, who: str) -> str:
        """The id of a message."""
        return f"msg-{self.digest}-{who}"

    def memory(self, who: str) -> str:
        """The id of a memory."""
        return f"mem-{self.digest}-{who}"


def remember(ctx: MutationCtx, turn: Turn) -> Remembered:
    """See `memory:remember`."""
    who = may.writer(ctx, "remember")
    user_id, agent_id = _between(who, turn)
    ids = Ids.of(may.key_of(user_id, agent_id), turn.space, turn.key or ctx.new_id())
    conversation = _conversation(ctx, turn, user_id, agent_id)
    known = by_id(ctx, conversation, ids.message("user")) is not None
    said, conversation = append(
        ctx, conversation, role="user", content=turn.user_message, message_id=ids.message("user"), metadata=turn.metadata
    )
    answered, conversation = append(
        ctx, conversation, role="assistant", content=turn.agent_response, message_id=ids.message("agent"), agent_id=agent_id
    )
    if known:
        rows = [ctx.db.get(Memory, ids.memory(each)) for each in ("user", "agent", "sum")]
        memories, stored = [each for each in rows if each is not None], list[FactStored]()
    else:
        memories = _memories(ctx, turn, ids, [said, answered], user_id, agent_id)
        stored = [facts.store(ctx, turn.space, each, user_id, agent_id, memories[0]) for each in turn.facts]
        drop(ctx, ids)
    messages = [cut(message_view(each), SHOWN_MESSAGE) for each in (said, answered)]
    return Remembered(
        added=not known,
        conversation=conversation_view(conversation, messages, truncated=conversation.message_count > 2),
        memories=[memory_view(each) for each in memories],
        facts=stored,
    )


def _between(who: may.Who, turn: Turn) -> tuple[str, str]:
    """The user and the agent of a turn. Raises `Refused`."""
    check_id(turn.space, "space")
    check_id(turn.conversation_id, "conversationId")
    if turn.key is not None:
        check_id(turn.key, "key")
    for field, text in (("userMessage", turn.user_message), ("agentResponse", turn.agent_response)):
        check_content(text, field)
    if turn.summary is not None:
        check_content(turn.summary, "summary")
    check_metadata(turn.metadata, "metadata")
    if len(turn.facts) > MOST_FACTS:
        raise refused("INVALID_ARRAY_LENGTH", f"facts holds at most {MOST_FACTS}; memory:storeFact takes more", "facts")
    if who.owner.startswith("agent:"):
        raise refused("FORBIDDEN", "talks with users are remembered by the user, or by the org's backend")
    user_id, agent_id = may.owner(who, turn.space, turn.user_id, turn.agent_id)
    if user_id is None:
        raise refused("OWNER_REQUIRED", "name the user whose memories these are", "userId")
    if agent_id is None:
        raise refused("AGENT_REQUIRED_FOR_USER_CONVERSATION", "a conversation with a user names its agent", "agentId")
    return user_id, agent_id


def _conversation(ctx: MutationCtx, turn: Turn, user_id: str, agent_id: str) -> Conversation:
    """The conversation of a turn; opened if there is none. Raises `Refused`."""
    found: Conversation | None = ctx.db.query(Conversation.by_conversationId(turn.conversation_id)).unique()
    if found is None:
        session = open_conversation(ctx, user_id, responder="none", conversation_id=turn.conversation_id, agent_id=agent_id)
        found = ctx.db.get(Conversation, session.conversation)
        assert found is not None
        return found
    if not conversations.sees(ctx, found):
        raise refused("CONVERSATION_ALREADY_EXISTS", "this conversationId is taken", "conversationId")
    if found.participants.get("userId") != user_id:
        raise refused("INVALID_PARTICIPANTS", "this conversation is with another user", "userId")
    return found


def _memories(ctx: MutationCtx, turn: Turn, ids: Ids, messages: list[ChatMessage], user_id: str, agent_id: str) -> list[Memory]:
    """The memories of a turn: one of each message, or one of its summary."""
    metadata = {name: part for name, part in (("importance", turn.importance), ("tags", turn.tags)) if part is not None}
    told = [("user", turn.user_message, messages[:1], user_id), ("agent", turn.agent_response, messages[1:], None)]
    if turn.summary is not None:
        told = [("sum", turn.summary, messages, user_id)]
    found: list[Memory] = []
    for name, content, of, speaker in told:
        new = NewMemory(
            space=turn.space,
            content=content,
            content_type="raw" if turn.summary is None else "summarized",
            source=Source(
                type="conversation",
                user_id=speaker,
                user_name=turn.user_name if speaker is not None else None,
                timestamp=of[0].timestamp,
            ),
            metadata=metadata,
            user_id=user_id,
            agent_id=agent_id,
            conversation_ref=ConversationRef(conversation_id=turn.conversation_id, message_ids=[each.id for each in of]),
            generate_embedding=turn.generate_embedding,
        )
        found.append(storing.store(ctx, new, ids.memory(name)))
    return found


# An answer that is still being said --------------------------------------------------------------------------------------


def keep_part(ctx: MutationCtx, turn: Turn) -> MemoryView:
    """See `memory:rememberPart`."""
    who = may.writer(ctx, "remember")
    check_id(turn.space, "space")
    check_id(turn.key or "", "key")
    check_content(turn.agent_response, "content")
    user_id, agent_id = may.owner(who, turn.space, turn.user_id, turn.agent_id)
    ids = Ids.of(may.key_of(user_id, agent_id), turn.space, turn.key or "")
    row = ctx.db.get(Memory, ids.memory("part"))
    if row is not None:
        return memory_view(ctx.db.patch(row, content=turn.agent_response, updated_at=ctx.now))
    new = NewMemory(
        space=turn.space,
        content=turn.agent_response,
        source=Source(type="system"),
        user_id=user_id,
        agent_id=agent_id,
        generate_embedding=False,
    )
    return memory_view(ctx.db.patch(storing.store(ctx, new, ids.memory("part")), status="partial"))


def part(ctx: Any, space: str, key: str, user_id: str | None, agent_id: str | None) -> Memory | None:
    """What has come of an answer, for whose it is; None for everybody else."""
    who = may.asks(ctx)
    check_id(space, "space")
    check_id(key, "key")
    if who is None:
        return None
    owner = may.key_of(user_id, agent_id) if who.everything or user_id is not None else who.owner
    row = ctx.db.get(Memory, Ids.of(owner, space, key).memory("part"))
    return row if row is not None and who.owns(row) else None


def drop(ctx: MutationCtx, ids: Ids) -> None:
    """Take the partial memory of a key away."""
    row = ctx.db.get(Memory, ids.memory("part"))
    if row is not None:
        ctx.db.delete(row)
