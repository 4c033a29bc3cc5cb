"""What a store may be able to do beyond the port; who uses it asks here, and does without where it is missing.

A store with injected faults has none of it, so that everything is tested as DynamoDB would have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from chalicelib.data.store import Store


class Instant(Store, Protocol):
    """A store as it was at one instant: every read of it, indexes included, shows the same commits. It cannot be written to."""

    number: int
    """The number of the last commit that it shows: all up to it, and none after it."""


Instants = Callable[[], AbstractContextManager[Instant]]


def instants(store: Store) -> Instants | None:
    """How to read this store at one instant, `with instants(store)() as view`; None where it cannot.

    Numbers: a commit has the number that `transact` returned for it, or several of one group the same; later commits have
    greater ones, and a view with a number not less than a commit's shows that commit. Hold it for one evaluation only: what
    was deleted is kept as long.
    """
    found: Instants | None = getattr(store, "instant", None)
    return found


def exact_indexes(store: Store) -> bool:
    """Whether an index shows every commit at once, so that nobody need be told of documents before it does."""
    return bool(getattr(store, "exact_indexes", False))


def one_writer(store: Store) -> bool:
    """Whether this process alone writes to the store, so that its own order of commits is the order."""
    return bool(getattr(store, "one_writer", False))


class VectorService(Protocol):
    """Where vectors are kept outside the store. What it says is a hint: who asks looks at the documents."""

    def put(self, address: str, vectors: Mapping[str, Sequence[Any]]) -> None:
        """Keep vectors of a partition by their documents' names: each as packed bytes and the filters of its document."""

    def remove(self, address: str, names: Sequence[str]) -> None:
        """Forget these; those that are not there are no error."""

    def nearest(self, address: str, vector: bytes, limit: int, filters: Sequence[str]) -> list[tuple[str, float]]:
        """The nearest of a partition that have all of these filters, best first: name and cosine."""


def use_service(store: Store, service: VectorService | None) -> None:
    """Have the vectors of a store kept by a service from now on."""
    store.vectors = service  # type: ignore[attr-defined]


def vector_service(store: Store) -> VectorService | None:
    """Where this store's vectors are kept, if not in its own rows."""
    found: VectorService | None = getattr(store, "vectors", None)
    return found
