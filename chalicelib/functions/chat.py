"""Chat sessions on the wire: start, send, watch the reply arrive, stop, resume.

A send commits the user's message, the placeholder of the reply, the run and its job together. The reply then arrives
twice: in chunks through `subscribeToChunks`, for who is watching, and whole in the message, for good.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib import MutationCtx, Page, PaginationOptions, QueryCtx, Refused, mutation, query
from chalicelib.domain import access, answer_size, domains
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.machines import starting, workers
from chalicelib.domain.replies import activity, lifecycle, remembered, sessions, titles
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.domain.replies.sessions import (
    CHUNK_PAGE,
    FOUND_SESSIONS,
    KEY_LIFE_MS,
    LARGEST_CHUNK_PAGE,
    LARGEST_FOUND,
    LARGEST_MESSAGE_PAGE,
    LISTED_SESSIONS,
    MESSAGE_PAGE,
    Chunk,
    ShortText,
)
from chalicelib.domain.replies.views import (
    ChunkText,
    ChunkView,
    MessageView,
    SessionHit,
    SessionStatus,
    SessionView,
    chunk_text,
    chunk_view,
    message_view,
    session_view,
)
from chalicelib.schema import ChatChunk, ChatMessage, ClientKey, Conversation, Image, Run


@mutation
def start_session(
    ctx: MutationCtx,
    model: ShortText | None = None,
    worker_id: ShortText | None = None,
    domain_id: ShortText | None = None,
    name: ShortText | None = None,
    directory: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None,
    agent: ShortText | None = None,
    on_offline: starting.OnOffline = "wait",
) -> str:
    """Open a session with its conversation and image, which copies a domain's configuration where one is named. Returns its id.

    Without a worker the model answers. A worker is the caller's own, one that its owner shares with the org, or one of the
    operator's (WORKERS_SHARED; or its name is the caller's, or begins with it and a slash).

    Args:
        directory: where the worker's agent works: inside one of the folders that it opens.
        agent: which of the worker's agents answers; otherwise its first.
        on_offline: messages to a worker that is away wait for it, or are refused (`reject`), the session itself too.

    Raises:
        Refused: WorkerNotFound, WorkerOffline, DirectoryNotAllowed, AgentNotFound, DOMAIN_NOT_FOUND, TooManySessions.
    """
    user = access.signed_in(ctx, "start a session")
    placed = starting.checked(ctx, user, worker_id, directory, agent, on_offline) if worker_id is not None else {}
    configured = domains.snapshot(domains.owned(ctx, domain_id)) if domain_id else None
    responder: Literal["worker", "model"] = "worker" if worker_id else "model"
    session = open_conversation(
        ctx, user.subject, responder=responder, model=model, worker_id=worker_id, configured=configured, name=name
    )
    if placed:
        ctx.db.patch(session, **placed)
    return session.id


@mutation(aliases={"chatSessionId": "sessionId"})
def send_message(
    ctx: MutationCtx,
    session_id: str,
    content: replying.Content,
    model: ShortText | None = None,
    client_key: ShortText | None = None,
    on_busy: replying.OnBusy = "enqueue",
    options: reply_options.SendOptions | None = None,
) -> str:
    """Write a message and have it answered. Returns the id of the reply, which is a placeholder until it is written.

    Where an agent answers, or nobody does, there is no placeholder: it returns the id of the message itself.

    The same `clientKey` is the same send: it returns the same id, and other content under it is refused. A send during a
    reply waits its turn (`onBusy: "enqueue"`, at most 100 of them), is refused (`reject`), ends that reply and takes back those
    that wait (`interrupt`), or has their turns not count at all (`rollback`). `options` are this reply's alone.
    """
    session = access.owned(ctx, session_id, "send a message")
    replying.check_content(content)
    if session.status == "terminated":
        raise Refused("SessionTerminated", "The session has ended; start a new one.")
    asked = reply_options.checked(options)
    sent = content + reply_options.digest(asked)
    if client_key is not None:
        known = ctx.db.get(ClientKey, f"{session.id}:{client_key}")
        if known is not None and known.content == sent:
            return known.message_id
        if known is not None:
            raise Refused("ClientKeyReused", "This clientKey was used for another message; choose a new one.")
    starting.check_send(ctx, session)
    ctx.db.load((Conversation, session.conversation), (Image, session.image_id))
    conversation = ctx.db.get(Conversation, session.conversation)
    image = ctx.db.peek(Image, session.image_id)
    if conversation is None or image is None:
        raise access.not_found()
    if asked is not None and conversation.responder != "model":
        raise Refused(
            "INVALID_OPTIONS", "options: they are for replies of the model; somebody else answers here.", field="options"
        )
    wanted = model or (options.model if options else None) or session.model or image.model
    conversation, message_id = replying.say(
        ctx, session, conversation, content, wanted, client_key, reply_options.image_parts(asked)
    )
    if conversation.responder in ("model", "worker"):
        message_id = replying.reply(ctx, conversation, session, wanted, on_busy=on_busy, options=asked).message_id
    if client_key is not None:
        key = ClientKey(id=f"{session.id}:{client_key}", content=sent, message_id=message_id, expires_at=ctx.now + KEY_LIFE_MS)
        ctx.db.insert(key)
    titles.mark_active(ctx, session, conversation, content)
    return message_id


@mutation
def stop(ctx: MutationCtx, session_id: str, message_id: str | None = None) -> bool:
    """Stop the running reply, or the named one. What it said stays. Returns whether there was anything to stop."""
    session = access.owned(ctx, session_id, "stop a reply")
    conversation = ctx.db.get(Conversation, session.conversation)
    if message_id is not None:
        run = access.run_of(ctx, session, message_id)
        if run is None:
            raise Refused("MessageNotFound", "Message not found")
    else:
        run = ctx.db.get(Run, conversation.active_run) if conversation and conversation.active_run else None
    if run is None or run.state in lifecycle.TERMINAL:
        return False
    lifecycle.end_from_outside(ctx, run, "aborted", "stopped")
    return True


@mutation
def end_session(ctx: MutationCtx, session_id: str) -> None:
    """End a session for good. A running reply is stopped; the messages stay readable."""
    session = access.owned(ctx, session_id, "end a session")
    if session.status == "terminated":
        return
    activity.said(ctx, session, status="terminated")
    conversation = ctx.db.get(Conversation, session.conversation)
    if conversation is None:
        return
    ctx.db.patch(conversation, status="closed", updated_at=ctx.now)
    if conversation.active_run or conversation.queued_runs:
        ctx.scheduler.run_after(0, "runs:endAll", conversation_id=conversation.id)


@mutation
def resume_session(ctx: MutationCtx, session_id: str) -> str:
    """Make an idle session active again. One that was ended stays ended. Returns its id."""
    session = access.owned(ctx, session_id, "resume a session")
    if session.status == "terminated":
        raise Refused("SessionTerminated", "The session has ended and cannot be resumed; start a new one.")
    activity.said(ctx, session, at_once=True, status="active")
    return session.id


@mutation
def write_chunk(
    ctx: MutationCtx,
    session_id: str,
    message_id: str,
    chunk: Chunk,
    sequence: Annotated[int, Meta(ge=0)],
    epoch: int | None = None,
    part: dict[str, Any] | None = None,
) -> None:
    """Add a chunk to a reply; only the worker that holds the session, or the service.

    The same chunk twice is one; another chunk under its number is refused, and so is any after the reply has ended. The
    first chunk claims the reply for this worker, where it has not claimed it (`work:claim`).

    Args:
        part: what is no text, in its place in the order of the text; then `chunk` is "". It is `{type: "thinking", text}`,
            `{type: "tool_call", id, name, title?, kind?, input?, status?}`, `{type: "plan", entries: [{content, status}]}` or
            `{type: "tool_result", id, isError?, content?, diff?}`; 16 KB as JSON at most.
    """
    session = access.held(ctx, session_id, "write a chunk")
    sessions.check_chunk(chunk)
    if part is not None:
        sessions.check_part(part, chunk)
    run = sessions.writable(ctx, session, message_id)
    if run.state == "pending":
        run = lifecycle.claim(ctx, run)
    elif lifecycle.is_due(run, ctx.now, ctx.limits["run_lease_ms"]):
        run = ctx.db.patch(run, lease_until=ctx.now + ctx.limits["run_lease_ms"])
    if epoch is not None and epoch != run.epoch:
        raise Refused("LeaseLost", "Another writer has taken this reply over.")
    stream = lifecycle.stream_of(message_id, run.epoch)
    known = ctx.db.get(ChatChunk, stream, sequence)
    if known is not None:
        if known.chunk != chunk or known.part != part:
            raise Refused("SequenceReused", f"Chunk {sequence} was written with other text.")
        return
    ctx.db.insert(lifecycle.chunk_at(ctx, stream, sequence, chunk, message_id=message_id, session_id=session.id, part=part))


@mutation
def complete_message(
    ctx: MutationCtx,
    session_id: str,
    message_id: str,
    content: Annotated[str, Meta(max_length=300_000)],
    reasoning: str | None = None,
    parts: list[Any] | None = None,
    usage: dict[str, Any] | None = None,
    epoch: int | None = None,
    reason: ShortText | None = None,
) -> None:
    """End a reply with its whole text; only the worker that holds the session, or the service. Twice is once.

    Args:
        epoch: under which it was claimed; another writer's is refused (`LeaseLost`).
        reason: why it ends here, where that needs saying (`max_tokens`, `refusal`).
    """
    session = access.held(ctx, session_id, "complete a message")
    run = access.run_of(ctx, session, message_id)
    if run is None:
        raise Refused("MessageNotFound", "Message not found")
    if run.state == "completed":
        message = ctx.db.get(ChatMessage, run.conversation, run.sequence)
        if message is not None and message.content == content:
            return
    run = sessions.writable(ctx, session, message_id)
    if epoch is not None and epoch != run.epoch:
        raise Refused("LeaseLost", "Another writer has taken this reply over.")
    lifecycle.finish(ctx, run, "completed", content, reason=reason, usage=usage, reasoning=reasoning, parts=parts)
    remembered.afterwards(ctx, run, session)


@mutation
def session_ready(ctx: MutationCtx, session_id: str, agent_session_id: str | None = None) -> None:
    """The worker has set the session up; it may name its own session, to restore it later."""
    session = access.held(ctx, session_id, "mark a session ready")
    ctx.db.patch(session, ready=True, agent_session_id=agent_session_id or session.agent_session_id)


@query
def get_session(ctx: QueryCtx, session_id: str) -> SessionView | None:
    """A session, or null for strangers."""
    session = access.readable(ctx, session_id)
    return None if session is None else session_view(session, workers.answering(ctx, session))


@query
def list_sessions(ctx: QueryCtx, worker_id: str | None = None, status: SessionStatus | None = None) -> list[SessionView]:
    """The caller's sessions, newest activity first: the 100 newest, optionally of one worker or status.

    Where they are too long together their names are cut (`cut`)."""
    found = ctx.db.query(sessions.sessions_of(ctx, worker_id)).newest().take(LISTED_SESSIONS) if access.reader(ctx) else []
    wanted = [each for each in found if sessions.listed(ctx, each, worker_id) and status in (None, each.status)]
    return answer_size.listed([session_view(each) for each in sorted(wanted, key=lambda each: -each.last_activity)])


@query
def list_sessions_page(ctx: QueryCtx, pagination_opts: PaginationOptions, worker_id: str | None = None) -> Page[SessionView]:
    """The caller's sessions page by page, newest first by creation: pages stay put while activity moves."""
    if access.reader(ctx) is None:
        return Page(page=[], is_done=True, continue_cursor="")
    found = ctx.db.query(sessions.sessions_of(ctx, worker_id)).newest().page(pagination_opts)
    return found.only(lambda each: sessions.listed(ctx, each, worker_id)).map(session_view)


@query
def search(
    ctx: QueryCtx,
    query: Annotated[str, Meta(max_length=200)],
    limit: Annotated[int, Meta(ge=1, le=LARGEST_FOUND)] = FOUND_SESSIONS,
) -> list[SessionHit]:
    """The caller's sessions that have all words of `query` in their name or in one message, best first, with what was found set
    apart in name and excerpts. The last word is the beginning of one. Like every query it is live. Nobody finds nothing.

    Of the messages that have the words the 50 that fit best are looked at."""
    user = access.reader(ctx)
    return [] if user is None else sessions.found(ctx, user.subject, query, limit)


@query
def get_messages(
    ctx: QueryCtx,
    session_id: str,
    limit: Annotated[int, Meta(ge=1, le=LARGEST_MESSAGE_PAGE)] = MESSAGE_PAGE,
    before: int | None = None,
) -> list[MessageView]:
    """The newest messages of a session, oldest first; `before` a sequence number for older ones. Strangers get [].

    There are fewer than `limit` where those would not fit one answer (84 KB): while the first one's `sequence` is above 1
    there are older ones. A message that is too long by itself is cut (`cut`); `getMessagePart` gives all of it."""
    return sessions.messages(ctx, session_id, limit, before)


@query
def subscribe_to_messages(
    ctx: QueryCtx,
    session_id: str,
    limit: Annotated[int, Meta(ge=1, le=LARGEST_MESSAGE_PAGE)] = MESSAGE_PAGE,
    before: int | None = None,
) -> list[MessageView]:
    """The same as `getMessages`: every query is a subscription."""
    return sessions.messages(ctx, session_id, limit, before)


@query
def get_message_part(
    ctx: QueryCtx,
    session_id: str,
    message_id: str,
    field: Literal["content", "reasoning", "parts"] = "content",
    offset: Annotated[int, Meta(ge=0)] = 0,
) -> answer_size.TextPart | None:
    """A part of what a message holds, from the character `offset` on: of its text, its reasoning, or its parts as JSON text.

    For what is `cut` in a list. Ask again with `next` as the offset until there is none. Null for strangers, and where there is
    no such message or field."""
    session = access.readable(ctx, session_id)
    found = None if session is None else sessions.message(ctx, session, message_id)
    value = None if found is None else getattr(found, field)
    return None if value is None else answer_size.text_part(value, offset)


@query
def list_messages(ctx: QueryCtx, session_id: str, pagination_opts: PaginationOptions) -> Page[MessageView]:
    """A session's messages page by page, newest first, for `usePaginatedQuery`. Strangers get an empty page."""
    session = access.readable(ctx, session_id)
    if session is None:
        return Page(page=[], is_done=True, continue_cursor="")
    found = ctx.db.query(ChatMessage.log(session.conversation)).newest().page(pagination_opts)
    return found.map(message_view)


@query
def subscribe_to_chunks(
    ctx: QueryCtx,
    session_id: str,
    message_id: str,
    after: int | None = None,
    limit: Annotated[int, Meta(ge=1, le=LARGEST_CHUNK_PAGE)] = CHUNK_PAGE,
) -> list[ChunkView]:
    """Chunks of a reply after a sequence number, in order, a page at a time. Without `after`: the last page.

    A page ends where the next chunk would not fit one answer, too (84 KB).
    A watcher moves `after` to the last sequence it has; then a reply costs it bytes in proportion to its length.
    """
    return sessions.chunks(ctx, session_id, message_id, after, limit, chunk_view)


@query
def follow_reply(
    ctx: QueryCtx,
    session_id: str,
    message_id: str,
    after: int | None = None,
    limit: Annotated[int, Meta(ge=1, le=LARGEST_CHUNK_PAGE)] = 1,
) -> list[ChunkText]:
    """The newest chunks of a reply, in order, for a reader that keeps what it has: what each update tells is short.

    An update whose first sequence is greater than the reader's last plus one was not the next: others came between. Those are
    asked for once, with `after`: pages, as of `subscribeToChunks`.
    """
    return sessions.chunks(ctx, session_id, message_id, after, limit, chunk_text)
