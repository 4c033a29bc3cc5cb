"""Whatever is said to the functions of memory, records, values and searches, the caller is told what is wrong with it: each
argument of each function is given odd values, over HTTP, the sync protocol and REST. None of them is a fault of the server."""

from __future__ import annotations

import copy
import json
import logging
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

from chalicelib.data import searching
from chalicelib.data.side_index import LONGEST_QUERY, MOST_WORDS
from chalicelib.doors.http import HttpRequest, HttpResponse, handle
from chalicelib.doors.routes import ROUTES
from chalicelib.runtime.registry import Function, load
from infra.local.model.server import Pace, ScriptedModel
from tests.data.mutants import swapped
from tests.functions.strangers import _struct, made_up, naming, with_names
from tests.functions.tabs import Live
from tests.support.memories import keep, of_a_fact, remembered

ROOMS = ("immutable", "mutable", "memories", "memory")
FUNCTIONS = [
    each
    for each in load(("chalicelib.functions",))
    if each.public and (each.path.partition(":")[0] in ROOMS or each.path in ("chat:search", "conversations:search"))
]
HALF = "\ud83d"
DEEP: Any = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[["x"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
ODD: list[Any] = [
    None,
    "",
    " ",
    "x" * 300,
    "\0",
    "日" * 500,
    "=|",
    "\U0010ffff",
    "\x7f",
    0,
    -1,
    1.5,
    1e308,
    2**53,
    True,
    [],
    [None],
]
ODD += [
    [""],
    ["a", "a"],
    {},
    {"a": 1},
    {"x": DEEP},
    "not a cursor",
    HALF,
    {HALF: 1},
    {"$a": 1},
    {"": 1},
    2**63,
    math.nan,
    -math.inf,
]
LARGE: list[Any] = [
    "tea " * 25_000,
    ["x"] * 2000,
    [0.0] * 256,
    [1e308] * 256,
    [1e-320] * 256,
    [1.0] * 255,
    [-1] * 256,
    [math.nan] * 256,
]
"""Said where texts, lists and vectors are wanted."""
WIDE = (
    "query",
    "content",
    "embedding",
    "tags",
    "data",
    "value",
    "metadata",
    "fact",
    "operations",
    "facts",
    "userMessage",
    "memoryIds",
)
CALLERS = ("alice@acme", "backend@acme+service", "stranger@acme", "alice@north", "worker@acme+worker", None)
FIRST_PARAMETER = (
    "",
    "%00",
    "%20",
    "x" * 2000,
    "-1",
    "0",
    "9" * 20,
    "1e999",
    "nan",
    "null",
    "[]",
    "%F0%9F%98%80",
    "%ED%A0%BD",
    "٣",
)


@pytest.fixture(scope="module")
def house() -> Iterator[Live]:
    """One for all tests: what they ask for is refused, or is of no account."""
    logging.disable(logging.INFO)
    with ScriptedModel(port=0, pace=Pace(tokens_per_s=0, first_token_s=0)) as model:
        yield Live(model)
    logging.disable(logging.NOTSET)


def places(info: inspect.StructType, within: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where in the arguments something stands."""
    for each in info.fields:
        yield (*within, each.encode_name)
        inner = _struct(each.type)
        if inner is not None and len(within) < 2:
            yield from places(inner, (*within, each.encode_name))


def put(args: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(args)
    here = made
    for name in place[:-1]:
        here[name] = here[name] if isinstance(here.get(name), dict) else {}
        here = here[name]
    here[place[-1]] = value
    return made


def calls(house: Live) -> Iterator[tuple[Function[..., Any], tuple[str, ...], dict[str, Any]]]:
    """A call for each place of each function's arguments and each odd value."""
    alice = house.person("alice")
    real = {"memoryId": remembered(alice, "tea"), "factId": of_a_fact(alice, "tea"), "userId": "alice", "participantId": "p"}
    for function in FUNCTIONS:
        kinds = {name: name.rpartition(".")[2].removesuffix("s") for name in naming(function)}
        args = with_names(made_up(function), {name: real[kind] for name, kind in kinds.items() if kind in real})
        info = inspect.type_info(function.args)
        assert isinstance(info, inspect.StructType)
        for place in places(info):
            for odd in [*ODD, *(LARGE if place[-1] in WIDE else ())]:
                yield function, place, put(args, place, odd)


def posted(house: Live, caller: str | None, function: Function[..., Any], args: dict[str, Any]) -> HttpResponse:
    headers = {"content-type": "application/json"} | ({} if caller is None else {"authorization": f"Bearer {caller}"})
    body = json.dumps({"path": function.path, "args": args}).encode()
    return handle(house.backend, HttpRequest("POST", f"/api/{function.kind}", {}, headers, body))


def explained(answer: HttpResponse) -> bool:
    """Whether an answer is a value, or says by a code and a sentence what is wrong."""
    told = json.loads(answer.body)
    if answer.status >= 500:
        return False
    if answer.status >= 400:
        return bool(told["code"] and told["message"])
    if told["status"] == "success":
        return True
    data = told.get("errorData")
    if data is not None:
        return bool(data["code"] and data["message"])
    return "ArgumentValidationError" in told["errorMessage"] or "BadValue" in told["errorMessage"]


def test_no_odd_argument_is_a_fault_and_each_refusal_says_what_is_wrong(house: Live) -> None:
    count = 0
    for number, (function, place, args) in enumerate(calls(house)):
        if number % 3 == 0:
            continue
        caller = CALLERS[count % len(CALLERS)]
        answer = posted(house, caller, function, args)
        assert explained(answer), (function.path, place, caller, str(args)[:200], answer.status, answer.body[-300:])
        count += 1
    assert count > 3_000


def test_a_socket_is_told_as_much_and_stays(house: Live) -> None:
    tab = house.tab("alice@acme")
    for number, (function, place, args) in enumerate(calls(house)):
        if number % 53 or _unsayable(args):
            continue
        if function.kind == "query":
            query = tab.client.subscribe(function.path, args)
            tab.flush()
            told = str(tab.client.results[query])
        else:
            call = tab.client.mutate(function.path, args) if function.kind == "mutation" else tab.client.act(function.path, args)
            tab.flush()
            assert call.settled, (function.path, place)
            told = f"{call.state} {call.error}"
        assert not re.search(r"Uncaught (?!ConvexError)\w+", told), (
            function.path,
            place,
            told,
        )
    tab.close()


def _unsayable(args: dict[str, Any]) -> bool:
    """What a client of the sync protocol cannot send: it has no such number, text or key."""
    text = json.dumps(args)
    return any(each in text for each in ("NaN", "Infinity", '\\ud83d"', '"": 1', '"$a"', str(2**63))) or len(text) > 30_000


@pytest.mark.parametrize(
    "row", [each for each in ROUTES if each.function.partition(":")[0] in ROOMS], ids=lambda row: f"{row.method} {row.path}"
)
def test_no_odd_path_or_parameter_is_a_fault(house: Live, row: Any) -> None:
    (function,) = (each for each in FUNCTIONS if each.path == row.function)
    headers = {"content-type": "application/json", "authorization": "Bearer alice@acme"}
    names = re.findall(r"{(\w+)}", row.path)
    body = b"" if row.method == "GET" else json.dumps({k: v for k, v in made_up(function).items() if k not in names}).encode()
    path = re.sub(r"{\w+}", "x", row.path)
    asked = [(re.sub(r"{\w+}", odd, row.path), {}, body) for odd in FIRST_PARAMETER]
    fields = [each.encode_name for each in inspect.type_info(function.args).fields]  # type: ignore[union-attr]
    asked += [(path, {name: odd}, body) for name in fields for odd in ("", "-1", "1e999", "nan", "\udcff", "x" * 2000, "[]")]
    asked += [(path, {}, each) for each in (b"[]", b"null", b"{", b'{"space":"\\ud83d"}', b'{"limit":1e999}', b"\xff")]
    for target, query, sent in asked:
        answer = handle(house.backend, HttpRequest(row.method, target, query, headers, sent))
        assert answer.status < 500, (target, query, sent, answer.body)
        assert answer.status < 400 or json.loads(answer.body)["code"]


# What was found so -------------------------------------------------------------------------------------------------------


def test_half_a_surrogate_pair_is_called_by_its_name(house: Live) -> None:
    for args in ({"space": HALF}, {"space": "x", "sourceType": HALF}, {HALF: 1}):
        answer = posted(house, "alice@acme", next(each for each in FUNCTIONS if each.path == "memories:list"), args)
        assert (answer.status, "half of a surrogate pair" in answer.body) == (400, True), answer.body


@pytest.mark.parametrize("path", ["memories:store", "memories:search", "memories:update", "memory:recall"])
@pytest.mark.parametrize("part", [1e308, 1e-320, 0.0])
def test_a_vector_without_a_length_is_refused_by_code_and_field(house: Live, path: str, part: float) -> None:
    alice = house.person("alice")
    function = next(each for each in FUNCTIONS if each.path == path)
    args = with_names(made_up(function), {"memoryId": remembered(alice, "tea")} if path == "memories:update" else {})
    told = json.loads(posted(house, "alice@acme", function, {**args, "embedding": [part] * 256}).body)["errorData"]
    assert (told["code"], told["field"]) == ("INVALID_EMBEDDING", "embedding")


def shown_words(house: Live) -> int:
    """For how many words an excerpt is looked for, where a query has ten thousand."""
    alice, most = house.person("alice"), 0
    keep(alice, "number 7 of the tea")

    def excerpt(text: str, words: list[str]) -> str:
        nonlocal most
        most = max(most, len(words))
        return text

    with swapped((searching, "excerpt", excerpt)):
        alice.query(
            "memories:search", space="home", query=" ".join(["tea", *(f"t{number}" for number in range(10_000))]), limit=1
        )
    return most


def test_a_query_of_ten_thousand_words_looks_for_a_few_of_them(house: Live) -> None:
    assert 0 < shown_words(house) <= 2 * MOST_WORDS
    found = house.person("alice").query("memories:search", space="home", query="tea " + "z" * LONGEST_QUERY + " number")
    assert len(found) == 1


@pytest.mark.parametrize("path", ["memories:search", "memory:recall", "immutable:search"])
def test_a_query_over_64_kb_is_refused(house: Live, path: str) -> None:
    function = next(each for each in FUNCTIONS if each.path == path)
    args = {**made_up(function), "query": "tea " * 17_000}
    told = json.loads(posted(house, "alice@acme", function, args).body)["errorData"]
    assert (told["code"], told["field"]) == ("CONTENT_TOO_LONG", "query")
