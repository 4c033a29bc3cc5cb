"""`migrate`: old conversations, whose `session_id` column is the image's id now.

The file holds lines of JSON: rows of the old table (`{"table": "conversations", "id", "user_id", "session_id"}`, and where
there are any `title` and `messages`), and what the engine knows of its images (`{"table": "images", "imageId", "sessionId"}`).
Running it again goes on where it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chalicelib.data.errors import BadRequest
from chalicelib.domain.conversations import legacy as legacy_domain
from chalicelib.functions import legacy
from chalicelib.runtime.executor import Executor


class _Conversation(msgspec.Struct, kw_only=True):
    id: str
    user_id: str
    session_id: str
    title: str | None = None
    messages: list[legacy_domain.OldMessage] = []


class _Image(msgspec.Struct, kw_only=True, rename="camel"):
    image_id: str
    session_id: str


@dataclass
class Migrated:
    """How many conversations by what became of their ids, how many were there already, and those that are marked."""

    found: Counter[str] = field(default_factory=Counter)
    there: int = 0
    marked: list[str] = field(default_factory=list)


def migrate(executor: Executor, org: str, lines: Iterable[str], *, dry_run: bool) -> Migrated:
    """Read the whole file, then write; nothing is written when a line is wrong.

    Raises:
        BadRequest: a line that is not such a row; it says which.
    """
    conversations, images = _read(lines)
    told = Migrated()
    for each in conversations:
        how, image = legacy_domain.classify(each.session_id, images)
        told.found[how] += 1
        if how == "legacy":
            told.marked.append(each.id)
        if not dry_run and not _written(executor, org, each, image):
            told.there += 1
    return told


def _read(lines: Iterable[str]) -> tuple[list[_Conversation], dict[str, str]]:
    conversations: list[_Conversation] = []
    images: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
            kind = row.pop("table", None) if isinstance(row, dict) else None
            if kind == "images":
                image = msgspec.convert(row, _Image)
                images[image.session_id] = image.image_id
            elif kind == "conversations":
                conversations.append(msgspec.convert(row, _Conversation))
            else:
                raise ValueError('a row has `"table": "conversations"` or `"images"`')
        except ValueError as error:
            raise BadRequest(f"line {number}: {error}") from error
    return conversations, images


def _written(executor: Executor, org: str, each: _Conversation, image: str | None) -> bool:
    """Write one conversation in as many commits as its messages need."""
    about = {"conversation_id": each.id, "user_id": each.user_id, "session_id": each.session_id, "image_id": image}
    changed = False
    for offset in range(0, max(1, len(each.messages)), legacy_domain.AT_ONCE):
        page = [msgspec.to_builtins(one) for one in each.messages[offset : offset + legacy_domain.AT_ONCE]]
        changed |= bool(executor.call(org, legacy.adopt, **about, title=each.title, messages=page, offset=offset))
    return changed
