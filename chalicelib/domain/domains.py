"""Domains: templates of conversations. One belongs to who made it; nobody else learns that it is there.

A domain is a container: creating one creates no image. Each conversation that is started from it has an image with
a copy of the configuration as it is then, so that a later change of the domain changes none that exists.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import access, answer_size
from chalicelib.domain.images import mcp
from chalicelib.schema import Conversation, Domain

PREFIX = "domain_"
"""A domain's id at the doors: containers' ids are `domain_…`."""
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=2000)]
Instruction = Annotated[str, Meta(max_length=100_000)]
ShortText = Annotated[str, Meta(min_length=1, max_length=200)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
LISTED = 100
PAGE, LARGEST_PAGE = 20, 100
SPACE = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
"""A space's name: something beside spaces, and no control characters."""
DEEPEST = 1000
"""Conversations of a domain that pages reach; a page is found by skipping those before it."""


class Settings(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Roles and retrieval, for tools; and memory."""

    primary_role_id: ShortText | None = None
    sub_role_ids: Annotated[list[ShortText], Meta(max_length=20)] | None = None
    retrieval_top_k: Annotated[int, Meta(ge=1, le=100)] | None = None
    retrieval_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    memory_space: Annotated[str, Meta(min_length=1, max_length=200, pattern=SPACE)] | None = None
    """Where the model answers: the space of the user's memories that a reply is told of, and in which it is remembered."""


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
    cut: list[str] | None = None
    """Fields that are too long for this answer: of texts this is the beginning, `domains:getPart` gives all of it."""


class ConversationRecord(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A conversation of a domain: it names its image, and no agent."""

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
    """Which page of how many."""

    page: int
    page_size: int
    total: int
    total_pages: int


class ConversationPage(msgspec.Struct, rename="camel", kw_only=True):
    """Conversations, those that moved last first."""

    data: list[ConversationRecord]
    meta: PageMeta


# For the other modules --------------------------------------------------------------------------------------------------


def owned(ctx: MutationCtx, domain_id: str) -> Domain:
    """A domain for its owner. Raises `Refused`."""
    access.signed_in(ctx, "use a domain")
    found = find(ctx, domain_id)
    if found is None:
        raise not_found()
    return found


def make(
    ctx: MutationCtx, id: str, name: str, *, mcp_servers: dict[str, Any] | None, settings: Settings | None, **given: str | None
) -> Domain:
    """Register a domain of the caller's under this id. Raises `Refused`: TooManyDomains, or what `mcp.checked` says."""
    user = access.signed_in(ctx, "create a domain")
    if ctx.db.count(Domain.by_owner(user.subject)) >= LISTED:
        raise Refused("TooManyDomains", f"You have {LISTED} domains; delete one first.")
    about: dict[str, Any] = {"mcp_servers": mcp.checked(ctx, mcp_servers), "settings": plain(settings), **given}
    made = Domain(id=id, owner=user.subject, name=name, updated_at=ctx.now, **about)
    ctx.db.insert(made)
    return made


def named(owner: str, container_id: str) -> str:
    """The id of the domain that somebody's own name for a container stands for: nobody else's names are in its way."""
    return "d-" + hashlib.sha256(f"{owner}\0{container_id}".encode()).hexdigest()[:32]


def snapshot(domain: Domain, title: str | None = None, random: str = "") -> dict[str, Any]:
    """What an image copies of a domain, and the names that it has when nobody chose one."""
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
    """A domain's id as a container's."""
    return f"{PREFIX}{domain_id}"


def not_found() -> Refused:
    """The answer to strangers."""
    return Refused("DOMAIN_NOT_FOUND", "Domain not found")


def find(ctx: QueryCtx | MutationCtx, domain_id: str) -> Domain | None:
    """A domain of the caller's, by its id or by the caller's own name for it as a container; or None."""
    user = access.reader(ctx)
    domain = ctx.db.get(Domain, domain_id.removeprefix(PREFIX)) if user is not None and domain_id else None
    if user is not None and domain is None:
        domain = ctx.db.get(Domain, named(user.subject, domain_id))
    return domain if domain is not None and (user.is_service or domain.owner == user.subject) else None


def plain(settings: Settings | None) -> dict[str, Any] | None:
    """Settings as they are stored; None where nothing is set."""
    told: dict[str, Any] = msgspec.to_builtins(settings) if settings is not None else {}
    return told or None


def view(domain: Domain) -> DomainView:
    """A domain's document → what its owner sees, as it fits one answer."""
    return answer_size.shortened(whole(domain))


def whole(domain: Domain) -> DomainView:
    """The same, whatever its size."""
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
    """A conversation's document → what clients of domains see."""
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
