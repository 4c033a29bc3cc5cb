"""`ctx.db`: the typed words over a transaction. `Reader` for queries, `Writer` for mutations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chalicelib.data import nearest as near
from chalicelib.data import records, searching
from chalicelib.data.errors import BadRequest
from chalicelib.data.gate import change, document
from chalicelib.data.ids import of_table
from chalicelib.data.members import ids_of
from chalicelib.data.paging import Journal, Page, PaginationOptions, read_page
from chalicelib.data.side_index import Asked, Vector
from chalicelib.data.store import Key
from chalicelib.data.tables import MARK, Range, Record, Table, document_key, org_key
from chalicelib.data.transaction import Transaction

T = TypeVar("T", bound=Table)
R = TypeVar("R")


@dataclass(frozen=True)
class Hit(Generic[R]):
    """What a search has found: the document as it is stored now, how well it fits, and excerpts of its text.

    `score`: of words, BM25, over zero; of vectors, the cosine, from -1 to 1.
    """

    document: R
    score: float
    highlights: list[str] = field(default_factory=list)


def fused(lists: Sequence[Sequence[Hit[R]]], limit: int = 20, k: int = 60) -> list[Hit[R]]:
    """Several lists of hits as one, by reciprocal rank fusion: each list gives its n-th document 1 / (k + n).

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods"
    (SIGIR 2009), whence k = 60. Of documents with one score, the one that came first. `score` is the fused one.
    """
    scores, first = dict[str, float](), dict[str, Hit[R]]()
    for hits in lists:
        for place, hit in enumerate(hits, 1):
            name = _name(hit.document)
            scores[name] = scores.get(name, 0.0) + 1 / (k + place)
            known = first.setdefault(name, hit)
            if not known.highlights and hit.highlights:
                first[name] = hit
    best = sorted(scores, key=lambda name: -scores[name])[:limit]
    return [Hit(first[name].document, scores[name], first[name].highlights) for name in best]


def _name(document: Any) -> str:
    table: type[Table] = type(document)
    return repr([table.table_name, *(_values(document) if table.key else (document.id,))])


def _values(document: Table) -> tuple[Any, ...]:
    """The values of a composite key."""
    pythons = {wire: python for python, wire in type(document).wires.items()}
    return tuple(getattr(document, pythons[name]) for name in type(document).key)


class Query:
    """A read of one range: choose the direction, then take what you need."""

    def __init__(self, tx: Transaction, wanted: Range, journal: Journal, newest: bool = False, settled: bool = False) -> None:
        self._tx, self._range, self._journal, self._newest, self._settled = tx, wanted, journal, newest, settled

    def newest(self) -> Query:
        """From the last to the first."""
        return Query(self._tx, self._range, self._journal, True, self._settled)

    def oldest(self) -> Query:
        """From the first to the last (the default)."""
        return Query(self._tx, self._range, self._journal, False, self._settled)

    def settled(self) -> Query:
        """Of a log whose rows never change once they are written: a query watches them, and does not look at them again.

        Only beside a document of the same query that says which rows count, and is written by whoever ends or erases them: that
        one is looked at again, and vouches for the rows. In a mutation it changes nothing.

        Raises: `BadRequest` for an index, and for a log whose parent counts it.
        """
        if not self._range.index.is_log or self._range.index.table.parent is not None:
            raise BadRequest("settled() is for logs without a parent; documents of an index, and counted rows, may change.")
        return Query(self._tx, self._range, self._journal, self._newest, True)

    def apart(self) -> Query:
        """Of an index: who is in the range is exact at one instant, as ever; what each document holds is of its own moment.

        For what many are told of and none decides by. A query looks at each document once; a change of one is told. In a mutation
        it changes nothing.

        Raises: `BadRequest` for a log.
        """
        if self._range.index.is_log:
            raise BadRequest("apart() is for an index, whose members are counted; a log's rows may be settled().")
        return Query(self._tx, self._range, self._journal, self._newest, True)

    def take(self, limit: int) -> list[Any]:
        """At most `limit` documents."""
        if limit < 0:
            raise BadRequest(f"take({limit}): a limit is zero or more.")
        return (
            [self._document(rec) for _, rec in self._tx.range(self._range, self._newest, limit, settled=self._settled)]
            if limit
            else []
        )

    def collect(self) -> list[Any]:
        """Every document of the range. Only for ranges that stay small; the limit of reads applies."""
        return [self._document(rec) for _, rec in self._tx.range(self._range, self._newest, None, settled=self._settled)]

    def ids(self) -> list[str]:
        """The ids of all documents of the range, in its order; the documents are not read.

        Exact as `collect()` is. A change of a document that stays in the range is told, and is no conflict.

        Raises: `BadRequest` for a log and for a table with a composite key; `LimitExceeded`.
        """
        return ids_of(self._tx, self._range, self._newest)

    def first(self) -> Any:
        """The first document, or None."""
        found = self.take(1)
        return found[0] if found else None

    def unique(self) -> Any:
        """The only document of the range, or None; more than one is an error. Exact and cheap on a unique index."""
        if self._range.index.unique:
            rec = self._tx.unique(self._range)
            return None if rec is None else self._document(rec)
        found = self.take(2)
        if len(found) > 1:
            raise BadRequest(f"unique(): {self._range.index.table.table_name} has several documents in this range.", "NotUnique")
        return found[0] if found else None

    def page(self, options: PaginationOptions) -> Page[Any]:
        """One page after a cursor, as `paging.py` says: bounded in documents and bytes, and split where it has grown."""
        return read_page(self._tx, self._range, self._newest, self._journal, options).map(self._document)

    def _document(self, rec: Record) -> Any:
        return document(self._range.index.table, rec)


class Reader:
    """What a query may do with the data: read it."""

    def __init__(self, tx: Transaction, journal: Journal | None = None) -> None:
        self._tx, self._journal = tx, journal or Journal()

    def get(self, table: type[T], *ids: Any) -> T | None:
        """The document with this id (or composite key), or None."""
        rec = self._tx.get(table, *ids)
        return None if rec is None else document(table, rec)

    def apart(self, table: type[T], *ids: Any) -> T | None:
        """The document, or None, of its own moment: a change is told, but a query does not look at it a second time, beside what
        else it reads. For what is not compared with that, such as who may ask. In a mutation it is `get`."""
        if self._tx.writable:
            return self.get(table, *ids)
        self._tx.may_watch(table)
        key = document_key(table, self._tx.org, *ids)
        self._tx.reads.watch(key.pk, key.sk or MARK, key.sk or MARK)
        return self.peek(table, *ids)

    def query(self, wanted: Range) -> Query:
        """A read of a range: `ctx.db.query(Note.by_owner(owner)).newest().take(20)`."""
        return Query(self._tx, wanted, self._journal)

    def count(self, wanted: Range) -> int:
        """How many documents a whole partition of an index holds; one read, whatever the number."""
        return self._tx.count(wanted)

    def search(self, asked: Asked, limit: int = 20) -> list[Hit[Any]]:
        """The documents that have words, best first: `ctx.db.search(Note.by_text("words to find", space="x"), limit=20)`.

        At once: what is committed is found, what is deleted or says something else by now is not; in a mutation its own writes
        are found, too. What was found is a condition of a mutation's commit; what was *not* found is none. A query is told of
        every commit that may change what it finds.

        Args:
            limit: 1 to 1,000.

        Raises: `BadRequest`: the limit; `IndexBuilding`.
        """
        if not isinstance(asked, Asked) or asked.vector:
            raise BadRequest('search() takes a search for words: Note.by_text("words"), where by_text is a Search.')
        return [self._hit(asked, found) for found in searching.search(self._tx, asked, limit)]

    def vector_search(self, index: Vector, vector: Sequence[float], /, *, limit: int = 16, **named: Any) -> list[Hit[Any]]:
        """The documents whose vectors point the same way, best first; `named` are partition and filter fields.

        What `search` says holds here, too. Where a service keeps the vectors it may be a moment behind for those that were moved
        into it; deleted documents, and those of others, are never found.

        Args:
            limit: 1 to 256.

        Raises: `BadRequest`: the limit, the vector, the fields; `IndexBuilding`.
        """
        asked = index(vector, **named)
        return [self._hit(asked, found) for found in near.nearest(self._tx, asked, limit)]

    def hybrid_search(self, *searches: Asked, limit: int = 20, depth: int | None = None) -> list[Hit[Any]]:
        """What several searches of one table find, best first, as `fused` puts lists together:
        `ctx.db.hybrid_search(Note.by_text("words", space="x"), Note.by_meaning(vector, space="x"), limit=10)`.

        It reads the documents that it tells, and not those that only one of the searches would have. What the lists say of the
        others is what the indexes propose. All that share the last score are told, so there may be more than `limit`.

        Args:
            limit: 1 to 256.
            depth: how many of each search count, `limit` at least; three times `limit` where it is not said.

        Raises: `BadRequest`: the limit, the depth, searches of two tables or none; `IndexBuilding`.
        """
        if not searches or any(
            not isinstance(each, Asked) or each.index.table is not searches[0].index.table for each in searches
        ):
            raise BadRequest("hybrid_search() takes searches of one table: Note.by_text(words), Note.by_meaning(vector).")
        for name, value in (("limit", limit), ("depth", limit if depth is None else depth)):
            if type(value) is not int or not 1 <= value <= near.MOST_NEIGHBOURS:
                raise BadRequest(f"hybrid_search({name}={value!r}): it is 1 to {near.MOST_NEIGHBOURS}.")
        found = near.together(self._tx, searches, limit, max(limit, 3 * limit if depth is None else depth))
        return [self._hit(searches[0], each) for each in found]

    @staticmethod
    def _hit(asked: Asked, found: searching.Found) -> Hit[Any]:
        return Hit(document(asked.index.table, found.record), found.score, found.highlights)

    def load(self, *wanted: tuple[type[Table], Any]) -> None:
        """Read documents that will be asked for in one request: `load((Note, id), (Tag, other))`. `get` and `peek` then answer
        from there; nothing is watched, or a condition, that is not asked for.

        Args:
            wanted: a table with an id, or with the values of a composite key as a tuple.
        """
        self._tx.load([document_key(table, self._tx.org, *(ids if table.key else (ids,))) for table, ids in wanted])

    def peek(self, table: type[T], *ids: Any) -> T | None:
        """The document, unchecked and unwatched: only to build return values."""
        rec = self._tx.peek(table, *ids)
        return None if rec is None else document(table, rec)

    def peek_log(self, wanted: Range, limit: int, newest: bool = True) -> list[Any]:
        """Rows of a log, unchecked and unwatched: only to build return values or prompts."""
        return [document(wanted.index.table, rec) for rec in self._tx.peek_range(wanted, newest, limit)]


def engines_own(db: Reader, key: Key, *, watched: bool) -> Record | None:
    """The document at a key, of whichever org: for what the engine keeps of a whole deployment, never for functions.

    Args:
        watched: read like any other, so that a change is told; else as it is, unchecked.
    """
    tx = db._tx
    if watched:
        return tx.at(key)
    item = tx.store.get(key)
    return None if item is None else records.at(key, item)


SCANNED = 4_000
"""So many items one page of `engines_pages` looks at; others may be those of other orgs."""


def engines_pages(db: Reader, table: type[Table], cursor: str | None, limit: int) -> tuple[list[Record], str | None]:
    """A page of all documents of a table within one org, unchecked and unwatched: for operators, never for functions.

    Returns the documents, and the cursor of the next page; None at the end.

    Raises: `BadRequest`: a cursor that is none.
    """
    tx, found, name = db._tx, list[Record](), table.table_name
    prefix = f"{org_key(tx.org)}|"
    after = _key_of(name, cursor) if cursor else None
    for _ in range(max(1, SCANNED // limit)):
        page = tx.store.scan(name, after, limit)
        for item in page.items:
            after = Key(name, item["pk"], item.get("sk"))
            if str(item["pk"]).startswith(prefix):
                found.append(records.at(after, item))
                if len(found) == limit and (page.more or item is not page.items[-1]):
                    return found, json.dumps([after.pk, after.sk])
        if not page.more:
            return found, None
    return found, json.dumps([after.pk, after.sk]) if after is not None else None


def _key_of(table: str, cursor: str) -> Key:
    try:
        pk, sk = json.loads(cursor)
    except ValueError:
        pk = sk = None
    if not isinstance(pk, str) or not (sk is None or isinstance(sk, str)):
        raise BadRequest("The cursor is none of this list.", "BadCursor")
    return Key(table, pk, sk)


class Writer(Reader):
    """What a mutation may do with the data: read and write it, all in one commit."""

    def __init__(self, tx: Transaction, new_id: Callable[[], str]) -> None:
        super().__init__(tx)
        self._new_id = new_id

    def insert(self, doc: Table, *, fresh: bool = False) -> str:
        """Add a document under its own id, or a new one. Returns the id.

        Args:
            fresh: its id has a part that this call drew (`ctx.new_id`): nobody can have looked for it. So it is not looked for,
                and nobody is told of it who watches a document by this id.

        Raises:
            BadValue: the table does not allow it; the error names the field and the rule.
            NotUnique: another document has its value of a unique index.
            BadRequest: `AlreadyExists`.
        """
        given = doc.id
        try:
            doc.id = given or of_table(type(doc).table_name, self._new_id())
            drawn = (fresh or not given) and not type(doc).key
            look = not drawn and not type(doc).key
            doc.creation_time = float(self._tx.insert(doc, look=look, fresh=drawn)["_creationTime"])
        except BadRequest:
            doc.id = given
            raise
        return doc.id

    def patch(self, doc: T | type[T], /, *ids: Any, **fields: Any) -> T:
        """Change some fields of a document, given itself or by its table and id: `patch(Note, id, text="new")`.

        None removes an optional field, `msgspec.UNSET` any that has a default. Returns the document as it now is.

        Raises: as `insert`.
        """
        table: type[T]
        table, ids = self._which(doc, ids)
        changes = {table.wire(name): change(table, table.wire(name), part) for name, part in fields.items()}
        unknown = changes.keys() - set(table.__struct_encode_fields__)
        fixed = changes.keys() & {"_id", "_creationTime", *table.key}
        if unknown or fixed:
            raise BadRequest(f"{table.table_name}: the fields {sorted(unknown | fixed)} cannot be changed.")
        return document(table, self._tx.change(table, ids, changes))

    def replace(self, doc: T) -> T:
        """Put a whole document in the place of the one with its id (or composite key), which is not looked at: it may be
        one that its table does not allow any more. The creation time stays. Returns the document as it now is.

        Raises: as `insert`; `BadRequest` when there is none (`DocumentNotFound`).
        """
        table: type[T] = type(doc)
        return document(table, self._tx.replace(doc, self._ids(doc)))

    def delete(self, doc: Table | type[Table], /, *ids: Any) -> None:
        """Remove a document, given itself or by its table and id; by its id also one that cannot be read any more."""
        table, ids = self._which(doc, ids)
        self._tx.delete(table, *ids)

    def touch(self, table: type[Table], *ids: Any) -> None:
        """Write a document as it is, so that it enters the indexes that it belongs to; none if it is gone by now."""
        if self._tx.get(table, *ids) is not None:
            self._tx.change(table, ids, {}, strict=False)

    def _which(self, doc: Any, ids: tuple[Any, ...]) -> tuple[type[Any], tuple[Any, ...]]:
        return (doc, ids) if isinstance(doc, type) else (type(doc), self._ids(doc))

    @staticmethod
    def _ids(doc: Table) -> tuple[Any, ...]:
        return _values(doc) if type(doc).key else (doc.id,)
