"""Domains on the wire: templates of conversations, for who made them."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import access, answer_size, domains
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.domains import (
    DEEPEST,
    LARGEST_PAGE,
    LISTED,
    PAGE,
    ConversationPage,
    ConversationRecord,
    DomainView,
    Instruction,
    Name,
    PageMeta,
    Settings,
    ShortText,
    Text,
    Title,
)
from chalicelib.domain.images import mcp
from chalicelib.schema import Conversation, Domain


@mutation
def create(
    ctx: MutationCtx,
    name: Name,
    description: Text | None = None,
    system_prompt: Instruction | None = None,
    model: ShortText | None = None,
    mcp_servers: dict[str, Any] | None = None,
    settings: Settings | None = None,
) -> DomainView:
    """Register a domain. It has no image and no conversation yet.

    Args:
        mcp_servers: by name; what a server may be says `mcp.py`.
        settings: roles and retrieval.
    """
    given = {"description": description, "system_prompt": system_prompt, "model": model}
    return domains.view(domains.make(ctx, ctx.new_id("d"), name, mcp_servers=mcp_servers, settings=settings, **given))


@query
def get(ctx: QueryCtx, domain_id: ShortText) -> DomainView | None:
    """One domain; null for strangers."""
    found = domains.find(ctx, domain_id)
    return None if found is None else domains.view(found)


@query
def list_(ctx: QueryCtx) -> list[DomainView]:
    """The caller's domains, newest first; at most 100 there are.

    Where they are too long together their texts are cut (`cut`); `domains:get` has them whole."""
    user = access.reader(ctx)
    if user is None:
        return []
    return answer_size.listed([domains.view(each) for each in ctx.db.query(Domain.by_owner(user.subject)).newest().take(LISTED)])


@query
def get_part(
    ctx: QueryCtx,
    domain_id: ShortText,
    field: Literal["systemPrompt", "mcpServers"] = "systemPrompt",
    offset: Annotated[int, Meta(ge=0)] = 0,
) -> answer_size.TextPart | None:
    """A part of a long field of a domain, from the character `offset` on; what is no text as JSON. Null for strangers.

    Ask again with `next` as the offset until there is none."""
    found = domains.find(ctx, domain_id)
    value = (
        None if found is None else getattr(domains.whole(found), "system_prompt" if field == "systemPrompt" else "mcp_servers")
    )
    return None if value is None else answer_size.text_part(value, offset)


@mutation
def update(
    ctx: MutationCtx,
    domain_id: ShortText,
    name: Name | None = None,
    description: Text | None = None,
    system_prompt: Instruction | None = None,
    model: ShortText | None = None,
    mcp_servers: dict[str, Any] | None = None,
    settings: Settings | None = None,
) -> DomainView:
    """Change a domain, field by field; what is not named stays. Its conversations stay as they are.

    An empty text takes a description, an instruction away; an empty object the servers or settings.
    """
    domain = domains.owned(ctx, domain_id)
    changes: dict[str, Any] = {"name": name, "description": description, "system_prompt": system_prompt, "model": model}
    if mcp_servers is not None:
        changes["mcp_servers"] = mcp.checked(ctx, mcp_servers) or {}
    if settings is not None:
        changes["settings"] = domains.plain(settings) or {}
    wanted = {each: value or None for each, value in changes.items() if value is not None}
    return domains.view(ctx.db.patch(domain, updated_at=ctx.now, **wanted))


@mutation
def delete(ctx: MutationCtx, domain_id: ShortText) -> None:
    """Take a domain away. Its conversations have copies of its configuration, and stay."""
    ctx.db.delete(domains.owned(ctx, domain_id))


@mutation
def start_conversation(ctx: MutationCtx, domain_id: ShortText, title: Title | None = None) -> ConversationRecord:
    """Start a conversation from a domain: it has an image with a copy of the configuration, and a session."""
    domain = domains.owned(ctx, domain_id)
    session = open_conversation(
        ctx, domain.owner, responder="model", configured=domains.snapshot(domain, title, ctx.new_id()), name=title
    )
    conversation = ctx.db.get(Conversation, session.conversation)
    assert conversation is not None
    return domains.record(conversation)


@query
def conversations(
    ctx: QueryCtx,
    domain_id: ShortText,
    page: Annotated[int, Meta(ge=1)] = 1,
    page_size: Annotated[int, Meta(ge=1, le=LARGEST_PAGE)] = PAGE,
) -> ConversationPage:
    """A domain's conversations, those that moved last first; pages reach the newest 1,000.

    Raises:
        Refused: DOMAIN_NOT_FOUND.
    """
    domain = domains.find(ctx, domain_id)
    if domain is None:
        raise domains.not_found()
    if page * page_size > DEEPEST:
        raise Refused("PageTooDeep", f"Pages reach the newest {DEEPEST} conversations of a domain.")
    of_domain = Conversation.by_domain(domain.id)
    total = ctx.db.count(of_domain)
    found = ctx.db.query(of_domain).newest().take(page * page_size)[(page - 1) * page_size :]
    meta = PageMeta(page=page, page_size=page_size, total=total, total_pages=math.ceil(total / page_size))
    return ConversationPage(data=[domains.record(each) for each in found], meta=meta)
