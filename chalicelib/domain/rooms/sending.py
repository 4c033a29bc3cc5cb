"""A message of a chat client or an agent: checked, appended, counted, all in one commit.

It goes into the same log as every other door's, so whoever watches the conversation is told. A user speaks as `user`, an
agent as `assistant` or `tool`; `system` is the service's alone.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from msgspec import Meta

from chalicelib import MutationCtx, Refused
from chalicelib.domain import access, members
from chalicelib.domain.conversations import log
from chalicelib.domain.depth import DEEPEST, too_deep
from chalicelib.domain.replies import request as replying
from chalicelib.domain.replies import titles
from chalicelib.domain.rooms import counters, receipts
from chalicelib.schema import ChatMessage, ChatSession, ChatSocket, Conversation, Image, Said

AGENT_TURNS = 50
"""So often agents may answer each other before a person says something."""
SUMMARY_EVERY = 10
VOICES = {"user": ("user",), "agent": ("assistant", "tool")}
ATTACHMENT = re.compile(r"https?://[^\s/?#]+\S*|document:[A-Za-z0-9_-]{1,200}")
LONGEST_TEXT = 100_000
"""Characters of a message where no model answers."""
LARGEST_MESSAGE, LARGEST_EXTRA = 350_000, 200_000
"""Bytes of a message's text with everything beside it, and of that alone: a document holds 400 KB."""
Content = Annotated[str, Meta(extra_json_schema={"maxLength": LONGEST_TEXT})]


def socket_of(ctx: members.Ctx, me: members.Me, socket: str | None, *, only_whose: bool = False) -> ChatSocket | None:
    """The caller's own socket; another's counts as none.

    Args:
        only_whose: nothing follows from where it is just now. Whose a socket is never changes, and one that is gone by then is
            told nothing: so it is no condition.
    """
    look = ctx.db.peek if only_whose else ctx.db.get
    found = look(ChatSocket, socket) if socket else None
    return found if found is not None and found.member == me.key else None


def own_socket(ctx: MutationCtx, socket: str) -> ChatSocket:
    """The caller's own socket, which it must name. Raises `Refused`."""
    access.signed_in(ctx, "use a socket")
    row = socket_of(ctx, members.caller(ctx), socket)
    if row is None:
        raise Refused("SocketNotFound", "There is no such socket.")
    return row


def meant(ctx: MutationCtx, me: members.Me, conversation_id: str | None, socket: ChatSocket | None) -> Conversation:
    """The conversation that a message is for: the named one, else the socket's. Who speaks takes part. Raises `Refused`."""
    if conversation_id:
        conversation = members.conversation_of(ctx, conversation_id)
    elif socket is not None and socket.current:
        conversation = ctx.db.get(Conversation, socket.current)
    else:
        raise Refused("NoConversation", "No conversation found. Please join a conversation first.")
    if conversation is None or not members.reaches(ctx, conversation, me):
        raise members.not_found()
    if not members.takes_part(ctx, conversation, me):
        members.add(ctx, conversation, me.kind, me.name)
        conversation = ctx.db.get(Conversation, conversation.id)
        assert conversation is not None  # read in this transaction
    return conversation


def append(
    ctx: MutationCtx,
    me: members.Me,
    conversation: Conversation,
    role: str | None,
    content: str,
    said: Said,
    usage: dict[str, Any] | None,
) -> ChatMessage:
    """Write a message, and what follows from it: counters, the sender's receipt, the reply's run where one is due."""
    if conversation.status != "active":
        raise Refused("ConversationClosed", f"The conversation is {conversation.status}; nothing can be added to it.")
    _check(content, said, usage)
    _check_turn(me, conversation)
    voice: Any = _voice(me, role)
    agent = me.name if me.kind == "agent" else None
    answered = voice == "user" and conversation.responder in ("model", "worker")
    if answered:
        replying.check_content(content)
    message, conversation = log.append(ctx, conversation, role=voice, content=content, agent_id=agent)
    status: Any = "failed" if said.type == "error" else "completed"
    message = ctx.db.patch(message, said=said, usage=usage, status=status)
    receipts.has_read(ctx, conversation, me, message.sequence)
    ctx.db.patch(conversation, room=counters.after(conversation.room, message))
    if answered:
        _reply(ctx, conversation, content)
    if message.sequence % SUMMARY_EVERY == 0 and conversation.responder == "agent":
        ctx.scheduler.run_after(0, "summaries:summarize", conversation=conversation.id)
    return message


def _check_turn(me: members.Me, conversation: Conversation) -> None:
    """Two agents that answer each other would go on for ever, at somebody's cost."""
    room = conversation.room
    if me.kind == "agent" and room is not None and room.last_agent != me.name and room.agent_turns >= AGENT_TURNS:
        raise Refused(
            "TurnLimit", f"Agents have answered each other {AGENT_TURNS} times here; a person must say something first."
        )


def _voice(me: members.Me, role: str | None) -> str:
    voices = VOICES[me.kind] if not me.is_service else ("system", "user", "assistant", "tool")
    if role is not None and role not in voices:
        raise Refused(
            "RoleNotAllowed", f"As {'an agent' if me.kind == 'agent' else 'a user'} you speak as {' or '.join(voices)}."
        )
    return role or voices[0]


def _check(content: str, said: Said, usage: dict[str, Any] | None) -> None:
    if not (content.strip() or said.attachments or said.tool_calls or said.tool_results or said.thinking or said.error):
        raise Refused("MESSAGE_CONTENT_REQUIRED", "A message has text, or something that comes with it.", field="content")
    if len(content) > LONGEST_TEXT:
        raise Refused(
            "MESSAGE_TOO_LONG", f"A message has at most {LONGEST_TEXT} characters, not {len(content)}.", field="content"
        )
    wrong = [each for each in said.attachments or [] if not ATTACHMENT.fullmatch(each)]
    if wrong:
        raise Refused(
            "InvalidAttachments", "An attachment is an http(s) address or `document:` and an id.", invalidAttachments=wrong
        )
    if any(map(too_deep, (said.tool_calls, said.tool_results, said.thinking, usage))):
        raise Refused("MessageTooDeep", f"What comes with a message's text nests {DEEPEST} levels at most.")
    extra = len(json.dumps([said.tool_calls, said.tool_results, said.thinking, usage], default=repr, ensure_ascii=False).encode())
    if extra > LARGEST_EXTRA:
        raise Refused("MessageTooLarge", f"What comes with a message's text has at most {LARGEST_EXTRA} bytes.")
    if len(content.encode()) + extra > LARGEST_MESSAGE:
        raise Refused("MessageTooLarge", f"A message with what comes with its text has at most {LARGEST_MESSAGE} bytes.")


def untitled(ctx: MutationCtx, conversation: Conversation) -> bool:
    """Whether the next thing that a person says here gives the conversation its title."""
    if conversation.responder not in ("model", "worker") or not conversation.session_id:
        return False  # a session that nobody asks for is no condition of a message
    session = ctx.db.get(ChatSession, conversation.session_id)
    return session is not None and not session.name


def _reply(ctx: MutationCtx, conversation: Conversation, content: str) -> None:
    """Where the model or a worker answers, it is asked to."""
    session = ctx.db.get(ChatSession, conversation.session_id) if conversation.session_id else None
    image = ctx.db.peek(Image, session.image_id) if session else None
    if session is None or image is None:
        raise members.not_found()
    replying.reply(ctx, conversation, session, session.model or image.model)
    titles.mark_active(ctx, session, conversation, content)
