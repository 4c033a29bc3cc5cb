"""Commands that also a running server does, on the data that it has open: check, indexes, erase.

Each yields what is to be told, one line after the other, and whether all is well with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from chalicelib.backend import Backend
from chalicelib.data import mount
from chalicelib.data.errors import BadRequest
from chalicelib.data.tables import TABLES
from chalicelib.runtime.indexes import Indexes
from infra.admin.check import check, wanted_of
from infra.admin.erase import erase_org


@dataclass(frozen=True)
class Line:
    """What is told, as a JSON object, and whether it is well."""

    told: dict[str, Any]
    well: bool = True


class CheckAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Which documents are looked at, and how those that are wrong are mended: the options of `check`."""

    table: list[str] | None = None
    org: str | None = None
    id: str | None = None
    fix: list[str] = msgspec.field(default_factory=list)
    unset: list[str] = msgspec.field(default_factory=list)
    delete: str | None = None


class IndexesAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Whether indexes are built, or all of them compared with their tables; neither: those that are being built are named."""

    build: bool = False
    audit: bool = False


class EraseAsked(msgspec.Struct, forbid_unknown_fields=True):
    """The org, and its name once more."""

    org: str
    yes: str | None = None


def checked(backend: Backend, asked: CheckAsked) -> Iterator[Line]:
    """Every stored document that is not what its table declares. Raises `BadRequest`."""
    for told in check(backend, wanted_of(asked)):
        yield Line(told, bool(told["mended"]))


def indexed(backend: Backend, asked: IndexesAsked) -> Iterator[Line]:
    """The indexes that are being built, were built, or were compared; and models of memories that are being replaced."""
    indexes = Indexes(backend.executor)
    if asked.build:
        indexes.reconcile()
    names: Iterable[str] = sorted(indexes.building()) if not asked.audit else indexes.declared()
    for name in names:
        if asked.build or asked.audit:
            audit = indexes.build(name) if asked.build else indexes.audit(name)
            told = {"documents": audit.documents, "ready": audit.clean, "found": audit.examples, "undecided": audit.undecided}
            yield Line({"index": name, **told}, audit.clean)
        else:
            yield Line({"index": name, "building": indexes.building()[name]})
    models = TABLES.get(mount.table("memoryModels", "chalicelib.schema.memories"))
    if models is None:  # the chat backend is no app here, and what its apps do not bring must not be declared
        return
    for item in backend.executor.listed(models.indexes["by_state_look"], ("on",)):
        if item.get("successor") is not None:
            yield Line({"embedding": item["_id"], **{name: item[name] for name in ("successor", "org", "done")}})


def erased(backend: Backend, asked: EraseAsked) -> Iterator[Line]:
    """What was removed of an org, and what is left. Raises `BadRequest`."""
    told = erase_org(backend.store, asked.org, asked.yes)
    yield Line({"org": asked.org, "removed": told.removed, "left": told.left}, not told.left)


COMMANDS: dict[str, tuple[type[msgspec.Struct], Callable[[Backend, Any], Iterator[Line]]]] = {
    "check": (CheckAsked, checked),
    "indexes": (IndexesAsked, indexed),
    "erase": (EraseAsked, erased),
}


def run(backend: Backend, command: str, arguments: Any) -> Iterator[Line]:
    """A command by its name, with its arguments as JSON values.

    Raises:
        BadRequest: there is no such command, or its arguments are none.
    """
    found = COMMANDS.get(command)
    if found is None:
        raise BadRequest(f"There is no command {command!r}; there are {', '.join(COMMANDS)}.", "NoSuchCommand")
    try:
        asked = msgspec.convert(arguments, found[0])
    except msgspec.ValidationError as error:
        raise BadRequest(f"The arguments of {command}: {error}", "BadArguments") from None
    return found[1](backend, asked)
