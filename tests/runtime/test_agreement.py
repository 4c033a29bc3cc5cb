"""A changed table is compared with the documents that are stored: what they are not, is said by document, field and rule."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from chalicelib import Index, Int64, Table
from chalicelib.data.database import Writer
from chalicelib.data.errors import SchemaRefused
from chalicelib.data.store import TableSpec
from chalicelib.data.tables import SYSTEM_SPECS, TABLES, TableMeta
from chalicelib.runtime.agreement import SHOWN, Agreement, fingerprint
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.scheduling import Run
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore

NAME = "agreedCards"


def declared(**fields: Any) -> type[Table]:
    """The table as a deployment declares it: fields by name, as an annotation or as an annotation and a default."""
    TABLES.pop(NAME, None)
    annotations = {name: kind[0] if isinstance(kind, tuple) else kind for name, kind in fields.items()}
    defaults = {name: kind[1] for name, kind in fields.items() if isinstance(kind, tuple)}
    body = {"__annotations__": annotations, "__module__": __name__, "__qualname__": "Card", **defaults}
    made: type[Table] = TableMeta("Card", (Table,), body, name=NAME)
    return made


@pytest.fixture
def executor() -> Executor:
    store = SqliteStore(":memory:", [*SYSTEM_SPECS, TableSpec(NAME)])
    return Executor(store, Registry(), SystemClock(), development=True)


def insert(executor: Executor, table: type[Table], org: str = "acme", **fields: Any) -> None:
    def body(run: Run) -> str:
        db: Writer = run.db
        db.insert(table(**fields))
        return "null"

    executor.transact(org, "insert", body)


def test_a_required_field_that_old_documents_lack_is_refused_and_says_which(executor: Executor) -> None:
    old = declared(text=str)
    insert(executor, old, id="one", text="x")
    agreement = Agreement(executor)
    agreement.accept(agreement.require([old]))
    new = declared(text=str, owner=str)
    with pytest.raises(SchemaRefused) as refused:
        agreement.require([new])
    told = str(refused.value)
    assert "1 stored documents" in told
    assert "agreedCards 'one' of acme at owner: the required field is missing" in told
    assert agreement.require([declared(text=str, owner=(str, ""))]) != []


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "another type": ({"rank": int}, {"rank": str}, {"rank": 1}, "rank"),
    "a narrower literal": ({"state": Literal["a", "b"]}, {"state": Literal["a"]}, {"state": "b"}, "state"),
    "None not allowed any more": ({"who": str | None}, {"who": str}, {"who": None}, "who"),
    "a pattern": ({"code": str}, {"code": Annotated[str, Meta(pattern="^c")]}, {"code": "x"}, "code"),
    "a list of another kind": ({"tags": list[str]}, {"tags": list[int]}, {"tags": ["a"]}, "tags[0]"),
    "an int64": ({"n": int}, {"n": Int64}, {"n": 1}, "n"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_any_narrower_declaration_is_refused_over_a_document_that_it_does_not_allow(executor: Executor, case: str) -> None:
    before, after, fields, field = CHANGES[case]
    insert(executor, declared(**before), id="one", **fields)
    agreement = Agreement(executor)
    with pytest.raises(SchemaRefused, match=f"'one' of acme at {field}".replace("[", r"\[")):
        agreement.require([declared(**after)])


def test_only_changed_tables_are_looked_through(executor: Executor) -> None:
    old = declared(text=str)
    insert(executor, old, id="one", text="x")
    agreement = Agreement(executor)
    assert agreement.changed([old]) == [old]
    agreement.accept([old])
    assert agreement.changed([declared(text=str)]) == []
    wider = declared(text=str, more=(int, 0))
    assert agreement.changed([wider]) == [wider]
    assert agreement.require([wider]) == [wider]
    agreement.accept([wider])
    assert agreement.changed([wider]) == []


def test_many_wrong_documents_are_counted_and_some_are_named(executor: Executor) -> None:
    old = declared(text=str)
    for number in range(SHOWN + 5):
        insert(executor, old, id=f"n{number:02}", text="x")
    with pytest.raises(SchemaRefused) as refused:
        Agreement(executor).require([declared(text=int)])
    assert f"{SHOWN + 5} stored documents" in str(refused.value)
    assert "and 5 more" in str(refused.value)


class Colour(enum.StrEnum):
    RED = "red"


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


def test_a_fingerprint_is_of_fields_types_and_needs_and_of_nothing_else() -> None:
    same = [declared(a=str, b=(int, 1)), declared(b=(int, 2), a=str)]
    assert fingerprint(same[0]) == fingerprint(same[1])
    different = [
        declared(a=str),
        declared(a=int),
        declared(a=(str, "")),
        declared(a=str | None),
        declared(b=str),
        declared(a=Literal["x"]),
        declared(a=Literal["y"]),
        declared(a=list[str]),
        declared(a=dict[str, Any]),
        declared(a=Int64),
        declared(a=Colour),
        declared(a=Tree),
        declared(a=Annotated[str, Meta(max_length=3)]),
        declared(a=Annotated[str, Meta(max_length=4)]),
    ]
    assert len({fingerprint(each) for each in different}) == len(different)


class Indexed(Table, name="agreedIndexed"):
    a: str
    by_a = Index("a")


def test_an_index_does_not_change_a_fingerprint() -> None:
    assert fingerprint(Indexed) == fingerprint(declared(a=str))
