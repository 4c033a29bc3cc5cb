"""Domains: templates of conversations (seed 000). One belongs to who made it; nobody else learns that it is there.

A domain is a container: creating one creates no image (000-23, 24). Each conversation that is started from it has an image with
a copy of the configuration as it is then (000-02), so that a later change of the domain changes none that exists (000-U02).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import access
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.images import mcp
from chalicelib.schema import Conversation, Domain

PREFIX = "domain_"
"""A domain's id at the doors: containers' ids are `domain_…` (000-07)."""
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=2000)]
Instruction = Annotated[str, Meta(max_length=100_000)]
ShortText = Annotated[str, Meta(min_length=1, max_length=200)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
LISTED = 100
PAGE, LARGEST_PAGE = 20, 100
DEEPEST = 1000
"""Conversations of a domain that pages reach; a page is found by skipping those before it."""


class Settings(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Roles and retrieval, for tools (000-U21)."""

    primary_role_id: ShortText | None = None
    sub_role_ids: Annotated[list[ShortText], Meta(max_length=20)] | None = None
    retrieval_top_k: Annotated[int, Meta(ge=1, le=100)] | None = None
    retrieval_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None


class DomainView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A domain as its owner sees it. Times are milliseconds since the epoch."""

    id: str = msgspec.field(name="_id")
    domain_id: str
    name: str
    description: str | None = None
    system_prompt: str | None = None
    model: str | None = None
    mcp_servers: list[mcp.ServerView]
    settings: Settings | None = None
    created_at: float
    updated_at: float


class ConversationRecord(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A conversation of a domain (000-06, U05): it names its image, and no agent."""

    id: str = msgspec.field(name="_id")
    conversation_id: str
    image_id: str
    session_id: str
    domain_id: str | None = None
    title: str
    status: Literal["active", "closed", "archived"]
    created_at: float
    updated_at: float


class PageMeta(msgspec.Struct, rename="camel", kw_only=True):
    """Which page of how many (000-U09)."""

    page: int
    page_size: int
    total: int
    total_pages: int


class ConversationPage(msgspec.Struct, rename="camel", kw_only=True):
    """Conversations, those that moved last first."""

    data: list[ConversationRecord]
    meta: PageMeta


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
    """Register a domain. It has no image and no conversation yet (000-23, 24).

    Args:
        mcp_servers: by name; what a server may be says `mcp.py` (000-15, U20).
        settings: roles and retrieval (000-U21).
    """
    user = access.signed_in(ctx, "create a domain")
    if ctx.db.count(Domain.by_owner(user.subject)) >= LISTED:
        raise Refused("TooManyDomains", f"You have {LISTED} domains; delete one first.")
    made = Domain(
        id=ctx.new_id("d"),
        owner=user.subject,
        name=name,
        description=description,
        system_prompt=system_prompt,
        model=model,
        mcp_servers=mcp.checked(ctx, mcp_servers),
        settings=_plain(settings),
        updated_at=ctx.now,
    )
    ctx.db.insert(made)
    return _view(made)


@query
def get(ctx: QueryCtx, domain_id: ShortText) -> DomainView | None:
    """One domain; null for strangers."""
    found = _found(ctx, domain_id)
    return None if found is None else _view(found)


@query
def list_(ctx: QueryCtx) -> list[DomainView]:
    """The caller's domains, newest first; at most 100 there are."""
    user = access.reader(ctx)
    if user is None:
        return []
    return [_view(each) for each in ctx.db.query(Domain.by_owner(user.subject)).newest().take(LISTED)]


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
    """Change a domain, field by field; what is not named stays. Its conversations stay as they are (000-U02).

    An empty text takes a description, an instruction away; an empty object the servers or settings.
    """
    domain = owned(ctx, domain_id)
    changes: dict[str, Any] = {"name": name, "description": description, "system_prompt": system_prompt, "model": model}
    if mcp_servers is not None:
        changes["mcp_servers"] = mcp.checked(ctx, mcp_servers) or {}
    if settings is not None:
        changes["settings"] = _plain(settings) or {}
    wanted = {each: value or None for each, value in changes.items() if value is not None}
    return _view(ctx.db.patch(domain, updated_at=ctx.now, **wanted))


@mutation
def delete(ctx: MutationCtx, domain_id: ShortText) -> None:
    """Take a domain away. Its conversations have copies of its configuration, and stay."""
    ctx.db.delete(owned(ctx, domain_id))


@mutation
def start_conversation(ctx: MutationCtx, domain_id: ShortText, title: Title | None = None) -> ConversationRecord:
    """Start a conversation from a domain: it has an image with a copy of the configuration, and a session (000-01, 02)."""
    domain = owned(ctx, domain_id)
    session = open_conversation(
        ctx, domain.owner, responder="model", configured=snapshot(domain, title, ctx.new_id()), name=title
    )
    conversation = ctx.db.get(Conversation, session.conversation)
    assert conversation is not None
    return record(conversation)


@query
def conversations(
    ctx: QueryCtx,
    domain_id: ShortText,
    page: Annotated[int, Meta(ge=1)] = 1,
    page_size: Annotated[int, Meta(ge=1, le=LARGEST_PAGE)] = PAGE,
) -> ConversationPage:
    """A domain's conversations, those that moved last first (000-U09); pages reach the newest 1,000.

    Raises:
        Refused: DOMAIN_NOT_FOUND.
    """
    domain = _found(ctx, domain_id)
    if domain is None:
        raise not_found()
    if page * page_size > DEEPEST:
        raise Refused("PageTooDeep", f"Pages reach the newest {DEEPEST} conversations of a domain.")
    of_domain = Conversation.by_domain(domain.id)
    total = ctx.db.count(of_domain)
    found = ctx.db.query(of_domain).newest().take(page * page_size)[(page - 1) * page_size :]
    meta = PageMeta(page=page, page_size=page_size, total=total, total_pages=math.ceil(total / page_size))
    return ConversationPage(data=[record(each) for each in found], meta=meta)


# For the other modules --------------------------------------------------------------------------------------------------


def owned(ctx: MutationCtx, domain_id: str) -> Domain:
    """A domain for its owner. Raises `Refused`."""
    access.signed_in(ctx, "use a domain")
    found = _found(ctx, domain_id)
    if found is None:
        raise not_found()
    return found


def snapshot(domain: Domain, title: str | None = None, random: str = "") -> dict[str, Any]:
    """What an image copies of a domain (000-12…15), and the names that it has when nobody chose one (000-U07)."""
    return {
        "domain_id": domain.id,
        "system_prompt": domain.system_prompt,
        "model": domain.model,
        "mcp_servers": domain.mcp_servers,
        "settings": domain.settings,
        "name": title or (f"Conversation {random[:6]}" if random else None),
        "description": f"Conversation in domain {domain.name}",
    }


def container_of(domain_id: str) -> str:
    """A domain's id as a container's (000-07, 12)."""
    return f"{PREFIX}{domain_id}"


def not_found() -> Refused:
    """The answer to strangers (000-U10, U13)."""
    return Refused("DOMAIN_NOT_FOUND", "Domain not found")


def _found(ctx: QueryCtx | MutationCtx, domain_id: str) -> Domain | None:
    user = access.reader(ctx)
    domain = ctx.db.get(Domain, domain_id.removeprefix(PREFIX)) if user is not None else None
    return domain if domain is not None and (user.is_service or domain.owner == user.subject) else None


def _plain(settings: Settings | None) -> dict[str, Any] | None:
    told: dict[str, Any] = msgspec.to_builtins(settings) if settings is not None else {}
    return told or None


def _view(domain: Domain) -> DomainView:
    return DomainView(
        id=domain.id,
        domain_id=domain.id,
        name=domain.name,
        description=domain.description,
        system_prompt=domain.system_prompt,
        model=domain.model,
        mcp_servers=mcp.views(domain.mcp_servers),
        settings=msgspec.convert(domain.settings, Settings) if domain.settings else None,
        created_at=domain.creation_time,
        updated_at=domain.updated_at,
    )


def record(conversation: Conversation) -> ConversationRecord:
    """A conversation's document → what seed 000's clients see."""
    return ConversationRecord(
        id=conversation.conversation_id,
        conversation_id=conversation.conversation_id,
        image_id=conversation.image_id or "",
        session_id=conversation.session_id or "",
        domain_id=conversation.domain_id,
        title=conversation.title or "New Chat",
        status=conversation.status,
        created_at=conversation.creation_time,
        updated_at=conversation.updated_at,
    )
