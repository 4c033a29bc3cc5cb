"""Every error of the backend, by blame: the caller's, a conflict's, or ours.

ConcaveError
├── Refused            the caller's: a rule of the domain said no (Convex's `ConvexError`: `data` reaches the client)
├── BadRequest         the caller's: unknown function, wrong arguments, a limit (the message reaches the client)
│   ├── BadValue       a value that no reader could be given, or that its table does not allow
│   ├── LimitExceeded
│   ├── NotFound
│   └── NotUnique      another document has this value of a unique index
├── BadDocument        ours: a stored document that its table does not allow: an older schema's, or made by hand
├── SchemaRefused      the developer's: stored documents are not what the new code declares
├── Conflict           nobody's: someone else committed first; the executor runs the function again
│   └── Contention     nobody's: the store is busy with this item; wait a moment and try again
├── ConditionFailed    the store's answer to a condition that does not hold
├── StoreFailed        ours: the store did not answer, or its answer was lost
├── StoreRefused       the operator's: the store refuses for good (no permission, no such table, expired credentials)
├── EmbedderFailed     ours: what turns texts into vectors did not answer, or answered none; try again later
└── WrongDeclaration   the developer's: an app that cannot be loaded as it is written
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ConcaveError(Exception):
    """The root of every error that this backend raises on purpose."""


class Refused(ConcaveError):
    """A rule of the domain refused the call; `data` reaches the client as Convex's `ConvexError.data`.

    Args:
        tag: a stable CamelCase word that clients and tests match on.
        message: a sentence for people.
        details: further JSON-like fields for the client.
    """

    def __init__(self, tag: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.tag = tag
        self.message = message
        self.data: Any = {"code": tag, "message": message, **details}


class BadRequest(ConcaveError):
    """The call itself is wrong. `tag` is stable; the message is a sentence that names the field and the rule."""

    def __init__(self, message: str, tag: str = "BadRequest") -> None:
        super().__init__(message)
        self.tag = tag
        self.message = message


class NotFound(BadRequest):
    """There is no such public function or thing; the same words for a private one (invariant 9)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "NotFound")


class BadValue(BadRequest):
    """What was to be stored, sent or answered is no value, or not one that its table allows. Nothing was written.

    Args:
        table: where it was to be stored; empty for a value on its way to or from a client.
        path: the field, as in `meta.tags[3]`; empty for the whole value.
        rule: what it breaks, in words.
    """

    def __init__(self, table: str, path: str, rule: str, tag: str = "BadValue") -> None:
        place = f"at {path or 'the top'}" if not table else f"{table}, at {path}" if path else table
        super().__init__(f"{place[:1].upper() + place[1:] if not table else place}: {rule}.", tag)
        self.table, self.path, self.rule = table, path, rule


class BadDocument(ConcaveError):
    """A document that is stored, and that its table's declaration does not allow. It can be replaced and deleted by its id.

    Args:
        table: where it is.
        id: which it is.
        path: the field, as in `meta.tags[3]`; empty for the whole document.
        rule: what it breaks, in words.
    """

    def __init__(self, table: str, id: str, path: str, rule: str) -> None:
        super().__init__(
            f"The stored document {id!a} of {table} is not what the table declares: {f'at {path}: ' if path else ''}{rule}. "
            f"Mend it with ctx.db.replace or ctx.db.delete by its id, or with `python -m infra.admin check --table {table}`."
        )
        self.table, self.id, self.path, self.rule = table, id, path, rule


class SchemaRefused(ConcaveError):
    """New code declares a table in a way that stored documents are not; the message names them. The old code stays."""


class NotUnique(BadRequest):
    """Another document of the table has this value of a unique index. Raised by the write that would be the second holder."""

    def __init__(self, table: str, fields: Sequence[str]) -> None:
        super().__init__(f"{table}: another document has this {' and '.join(fields)}.", "NotUnique")
        self.table, self.fields = table, tuple(fields)


class LimitExceeded(BadRequest):
    """A published limit would be passed; the message names it and the way out. Raised before anything is written."""

    def __init__(self, message: str, tag: str = "LimitExceeded") -> None:
        super().__init__(message, tag)


class Conflict(ConcaveError):
    """Someone else committed what this transaction read. `table` names the first table that changed.

    Args:
        taken: keys of documents that were inserted without a look and are there already; the next run looks first.
        where: keys of the items that changed, as far as they are known.
        done: the `commits` rows of calls that were committed before, by their id: they are not run again.
    """

    def __init__(
        self, table: str = "", taken: Sequence[Any] = (), where: Sequence[Any] = (), done: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"documents of {table or 'a table'} changed")
        self.table, self.taken, self.where, self.done = table, tuple(taken), tuple(where), dict(done or {})


class Contention(Conflict):
    """The store is in the middle of another transaction on the same item (DynamoDB's TransactionConflict, throttling)."""


class ConditionFailed(ConcaveError):
    """A condition did not hold. `failed` are the positions of the refused actions, `olds` the items found there."""

    def __init__(self, failed: Sequence[int] = (0,), olds: Sequence[dict[str, Any] | None] = (None,)) -> None:
        super().__init__(f"condition failed at {list(failed)}")
        self.failed = list(failed)
        self.olds = list(olds)

    @property
    def old(self) -> dict[str, Any] | None:
        """The item that refused a single write, or None where there was none."""
        return self.olds[0] if self.olds else None


class StoreFailed(ConcaveError):
    """The store did not answer, so a write may or may not have happened. Look before you repeat it."""


class StoreRefused(ConcaveError):
    """The store refuses this request, and would whenever it were made: nothing was written, and to try again is no use.

    Clients hear of a fault; the operator's log has the store's own words.

    Args:
        code: the store's name of the reason, such as `AccessDeniedException`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class EmbedderFailed(ConcaveError):
    """What turns texts into vectors did not answer, or not with vectors. Try again later, best in a job."""


class WrongDeclaration(ConcaveError, TypeError):
    """A table, an index, a function or a cron is declared in a way that cannot work; found when the app is loaded.

    Args:
        place: where, as `file:line`.
        sentence: what is wrong, and what would be right.
    """

    def __init__(self, place: str, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")
        self.place, self.sentence = place, sentence
